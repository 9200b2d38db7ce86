"""The energy of a step on a machine whose power is known, and every way to get none."""

import math
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from fake_machine import replay
from hypothesis import given
from hypothesis import strategies as st

from jaxcost.measure.clock.bench import Bench, Track
from jaxcost.measure.clock.timing import TimingRules
from jaxcost.measure.clock.visit import Visit
from jaxcost.measure.energy import (
    CounterReader,
    EnergyRules,
    NoEnergyError,
    Sample,
    idle_power,
    longest_still,
    rise,
)
from jaxcost.measure.energy.power import PowerMeter, power_meter_for
from jaxcost.measure.layers import LayerSpec

LAYER = LayerSpec(op="dense", batch=100, c_in=100, c_out=100)
STEP_S, IDLE_W, WORK_W = 2.1e-5, 10.0, 35.0
RULES = TimingRules()


class PoweredMachine:
    """A made-up machine with a counter that takes up every `tick_s` what was spent until then."""

    def __init__(self, machine, tick_s=0.02, start_j=0.0):
        self.machine, self.tick_s, self.start_j = machine, tick_s, start_j
        self.times, self.spent = [machine.now()], [0.0]
        self.events = []
        advance = machine.advance

        def working(seconds):
            before = machine.now()
            advance(seconds)
            self.log(WORK_W * (machine.now() - before))
            self.events.append("work")

        machine.advance = working

    def log(self, joules):
        self.times.append(self.machine.now())
        self.spent.append(self.spent[-1] + joules)

    def sleep(self, seconds):
        self.machine.time_s += seconds
        self.log(IDLE_W * seconds)
        self.events.append("rest")

    def counter(self):
        self.events.append("read")
        ticked = math.floor(self.machine.now() / self.tick_s) * self.tick_s
        return (self.start_j + float(np.interp(ticked, self.times, self.spent)),)

    def track(self):
        programs = self.machine.prepare(LAYER, None)
        return Track(LAYER, programs=programs, found=Visit(steps=1000), visits=1)

    def read(self, meter=None, **rules):
        meter = meter or PowerMeter("known", self.counter)
        reader = CounterReader(meter, self.machine.watch(), EnergyRules(**rules), self.sleep)
        return reader(self.track(), RULES)


@pytest.fixture
def powered(machine):
    assert machine.step_s(LAYER) == pytest.approx(STEP_S)
    return PoweredMachine(machine)


def refused(found):
    """The reason of a reading without an energy."""
    assert found["energy_j"] is None
    return found["reason"]


@pytest.mark.parametrize("tick_s", [0.001, 0.02, 0.1])
def test_the_energy_is_that_of_a_step_and_idle_power_stands_apart(machine, tick_s):
    found = PoweredMachine(machine, tick_s).read()
    # each end of the window is off by up to a tick
    assert found["energy_j"] == pytest.approx(WORK_W * STEP_S, rel=2 * tick_s / 5)
    assert found["idle_power_w"] == pytest.approx(IDLE_W, rel=0.02)
    assert found["idle_before_w"] == pytest.approx(IDLE_W, rel=0.02)
    assert found["power_w"] == pytest.approx(WORK_W, rel=2 * tick_s / 5)
    assert found["meter"] == "known"


@pytest.mark.parametrize(("tick_s", "least_s"), [(0.01, 5), (0.1, 5), (0.25, 12.5), (1.0, 50)])
def test_the_window_holds_five_seconds_and_fifty_ticks(machine, tick_s, least_s):
    found = PoweredMachine(machine, tick_s).read()
    assert found["window_s"] >= least_s * 0.99
    assert found["ticks"] >= 50
    assert found["window_s"] < least_s * 1.2 + 1
    assert found["window_s"] == pytest.approx(found["steps"] * STEP_S)


def test_the_window_opens_in_the_midst_of_work_and_closes_with_a_result(powered):
    powered.read()
    events = powered.events
    last = len(events) - 1 - events[::-1].index("work")
    assert events[last + 1 : last + 3] == ["read", "rest"]
    window = events[events.index("work") : last + 2]
    opened = window.index("read")
    assert window[:opened].count("work") >= 4  # warm before
    assert window[opened:] == ["read", *["work", "read"] * ((len(window) - opened) // 2)]


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.97])
def test_a_wrap_anywhere_is_corrected_once(machine, part):
    powered = PoweredMachine(machine)
    whole = 0.5 * 10 + 10 + 0.55 * 35 + 5.1 * 35 + 15  # J in all, about
    top, start = 4096.0, 4096.0 - part * whole
    meter = PowerMeter("wraps", lambda: ((start + powered.counter()[0]) % top,), (top,))
    found = powered.read(meter)
    assert found["energy_j"] == pytest.approx(WORK_W * STEP_S, rel=0.01)
    assert found["idle_power_w"] == pytest.approx(IDLE_W, rel=0.02)


@pytest.mark.parametrize("top", [None, 262144.0])
def test_a_reset_gives_none_with_the_reason(powered, top):
    begin = powered.machine.now()

    def reset():
        joules = 5000 + powered.counter()[0]
        return (joules if powered.machine.now() < begin + 4 else joules - 5050,)

    assert "was reset" in refused(powered.read(PowerMeter("resets", reset, (top,))))


def test_a_counter_too_small_for_the_window_gives_none(powered):
    meter = PowerMeter("small", lambda: (powered.counter()[0] % 60,), (60.0,))
    assert "fell" in refused(powered.read(meter))


@pytest.mark.parametrize(
    ("tick_s", "reason"),
    [(1.5, "the counter ticks every 1.5 s: 50 ticks take over 60 s"), (3.0, "at rest")],
)
def test_a_counter_too_slow_for_its_window_is_not_trusted(machine, tick_s, reason):
    assert reason in refused(PoweredMachine(machine, tick_s).read())


def test_a_counter_that_stands_still_is_not_trusted(powered):
    assert "ticked 0 times" in refused(powered.read(PowerMeter("still", lambda: (7.0,))))
    begin = powered.machine.now()

    def stuck():
        joules = powered.counter()[0]
        return (100.0 if begin + 3 < powered.machine.now() < begin + 6 else joules,)

    assert "stood still for" in refused(powered.read(PowerMeter("stuck", stuck)))


def test_a_replayed_recording_is_read_like_a_counter(machine):
    begin = machine.now()
    trace = [(begin + 0.05 * i, 35 * 0.05 * i) for i in range(400)]
    powered = PoweredMachine(machine)
    found = powered.read(replay(trace, machine.now))
    assert found["energy_j"] == pytest.approx(35 * STEP_S, rel=0.02)
    assert found["meter"] == "replay"
    forbidden = [(machine.now(), 0.0), (machine.now() + 1, PermissionError("revoked"))]
    reason = refused(powered.read(replay(forbidden, machine.now)))
    assert reason == "PermissionError: revoked"


def test_permission_lost_in_the_window_gives_none(powered):
    begin = powered.machine.now()

    def revoked():
        if powered.machine.now() > begin + 4:
            raise PermissionError("counter\nrevoked")
        return powered.counter()

    reason = refused(powered.read(PowerMeter("revoked", revoked)))
    assert reason == "PermissionError: counter revoked"


def test_work_that_was_held_up_gives_none(powered):
    begin, held = powered.machine.now(), []

    def suspended():
        if powered.machine.now() > begin + 4 and not held:
            held.append(True)
            powered.sleep(60)
        return powered.counter()

    assert "held up: 62 s for work that takes 2 s" in refused(
        powered.read(PowerMeter("suspended", suspended))
    )


def test_work_beside_a_busy_neighbour_gives_none(powered):
    powered.machine.slowdown = lambda now: (2.0, 0.5)
    assert "disturbed: 0 of" in refused(powered.read())


def test_a_layer_that_fails_gives_none(powered):
    def fails(layer, steps):
        raise RuntimeError("RESOURCE_EXHAUSTED")

    powered.machine.loop_s = fails
    assert refused(powered.read()) == "RuntimeError: RESOURCE_EXHAUSTED"


def test_a_layer_without_programs_gives_none(powered):
    reader = CounterReader(PowerMeter("known", powered.counter), powered.machine.watch())
    assert "no programs" in refused(reader(Track(LAYER), RULES))


def test_a_clock_that_stands_still_ends(powered):
    meter = PowerMeter("known", lambda: (1.0,))
    rules = EnergyRules(longest_idle_s=0.1)
    reader = CounterReader(meter, powered.machine.watch(), rules, lambda seconds: None)
    assert "ticked 0 times" in refused(reader(powered.track(), RULES))


@pytest.mark.parametrize("readable", [True, False])
def test_timing_goes_on_whether_there_is_a_counter_or_not(powered, readable):
    machine = powered.machine
    meter = PowerMeter("known", powered.counter)
    if not readable:
        meter = PowerMeter("RAPL", reason="the RAPL counters are not readable by this user")
    reader = CounterReader(meter, machine.watch(), EnergyRules(), powered.sleep)
    bench = Bench(
        RULES,
        jax.devices()[0],
        watch=machine.watch(),
        prepare=machine.prepare,
        free_memory=lambda device: None,
        energy=reader,
    )
    visit = bench.visit(LAYER, energy=True)
    assert visit.status == ""
    assert visit.loops[0].step_s == pytest.approx(STEP_S)
    if readable:
        assert visit.energy["energy_j"] == pytest.approx(WORK_W * STEP_S, rel=0.01)
    else:
        assert refused(visit.energy) == "the RAPL counters are not readable by this user"
    again = bench.visit(LAYER, energy=False)
    assert (len(again.loops) > 0, again.energy) == (True, {})


def test_a_device_without_a_counter_says_so(machine):
    reader = CounterReader(power_meter_for(SimpleNamespace(platform="tpu")), machine.watch())
    assert refused(reader(Track(LAYER), RULES)) == "no energy counter of a tpu is known"


def samples(*readings):
    """Readings of one counter, a second apart."""
    return [Sample(float(time), (float(joules),)) for time, joules in enumerate(readings)]


@given(
    start=st.floats(0, 999),
    steps=st.lists(st.floats(1, 4), min_size=3, max_size=30),
)
def test_the_rise_is_what_was_spent_wherever_the_counter_wraps(start, steps):
    totals = [start]
    for step in steps:
        totals.append(totals[-1] + step)
    wrapped = samples(*(total % 1000 for total in totals))
    assert rise(wrapped, [1000.0]) == pytest.approx(sum(steps))


def test_each_counter_wraps_for_itself():
    pairs = [(97, 1), (99, 3), (1, 5), (3, 7), (5, 1), (7, 3)]
    row = [Sample(float(i), (float(a), float(b))) for i, (a, b) in enumerate(pairs)]
    assert rise(row, [100.0, 8.0]) == pytest.approx(10 + 10)


@pytest.mark.parametrize(
    ("readings", "top", "reason"),
    [
        ((10, 12, 14, 0, 2), None, "was reset"),  # no range: it cannot have wrapped
        ((10, 12, 14, 0, 2), 1000.0, "was reset"),  # 986 J in the time of 2
        ((10, 12, 14, 0, 2), 13.0, "was reset"),  # above its own range
        ((9, 1, 3, 9, 1), 10.0, "fell 2 times"),
        ((9, 1), 10.0, "was reset"),  # one step alone tells no pace
    ],
)
def test_what_is_no_single_wrap_is_refused(readings, top, reason):
    with pytest.raises(NoEnergyError, match=reason):
        rise(samples(*readings), [top])


def test_idle_power_is_taken_from_tick_to_tick():
    idle = idle_power(samples(0, 0, 30, 30, 60, 60, 90, 90, 90), [None])
    assert (idle.power_w, idle.tick_s) == (15, 2)


def test_a_counter_that_hardly_ticks_tells_no_power():
    with pytest.raises(NoEnergyError, match="ticked 2 times in 5 s at rest"):
        idle_power(samples(0, 1, 1, 1, 2, 2), [None])


def test_the_longest_standstill_counts_from_the_first_sample_to_the_last():
    assert longest_still(samples(1, 1, 1, 2, 3)) == 3
    assert longest_still(samples(1, 2, 3, 3, 3)) == 2
    assert longest_still(samples(1, 1, 1, 1)) == 3

"""Whole networks and epochs by the rules of layers: real ones on this machine, and faults."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from epochs import Epochs
from fake_machine import replay
from networks import Network, activated, dense
from whole import (
    Whole,
    compile_whole,
    epoch_of_training,
    forward_pass,
    measure_whole,
)

from jaxcost.measure.clock.timing import Stopwatch, TimingRules
from jaxcost.measure.energy import CounterReader, EnergyRules
from jaxcost.measure.energy.power import PowerMeter

DEVICE = jax.devices()[0]
NET = Network("net", (4, 8), lambda tape, x: dense(tape, activated(tape, dense(tape, x, 6)), 5))
RULES = TimingRules(block_s=1e-3, least_rounds=2, blocks_per_visit=4)


class FakeWhole:
    """Programs on a made-up machine: a step takes 10 ms, and the n-th call may fail."""

    memory_bytes, compile_s, hlo_text = 1000, 0.5, ""

    def __init__(self, machine, fault=None):
        self.machine, self.fault = machine, fault

    def load(self, seed):
        return self

    def call(self):
        self.machine.advance(0.0101)

    def loop(self, steps):
        if self.fault:
            raise self.fault
        self.machine.advance(0.01 * steps)

    def is_finite(self):
        return self.machine.finite


def test_a_pass_is_the_networks_and_each_hangs_on_the_one_before():
    whole = forward_pass(NET)
    (x, _), (weights, swap) = whole.begin(jnp.uint32(3))
    after, y = whole.step((x, None), (weights, swap))
    np.testing.assert_array_equal(after, x)
    np.testing.assert_allclose(y, np.maximum(x @ weights[0], 0) @ weights[1], rtol=1e-5)
    changed, _ = whole.step((x, None), (weights, ~swap))
    assert (np.asarray(changed) == float(y[0, 0])).all()


def test_a_loop_of_passes_or_epochs_is_that_many_steps():
    whole = epoch_of_training(Epochs((6, 8, 3), n_observations=100, batch_size=16))
    loaded = compile_whole(whole, DEVICE).load(0)
    loaded.loop(3)
    loaded.loop(2)
    assert float(loaded._state[3]) == 5 * 5  # steps of Adam
    loaded.call()
    assert loaded.is_finite()


def test_a_network_gets_a_time_and_a_reason_for_no_energy():
    found = measure_whole(
        lambda: compile_whole(forward_pass(NET), DEVICE),
        RULES,
        Stopwatch(),
        energy=CounterReader(PowerMeter("none", reason="no counter here"), Stopwatch()),
    )
    assert found["status"] in ("ok", "noisy")
    assert 1e-8 < found["time_s"] < 1
    assert (found["energy_j"], found["energy_reason"]) == (None, "no counter here")


def test_times_and_joules_are_those_of_a_step(machine):
    # 50 W at rest and 250 W at work: the counter ticks with the made-up clock
    watch = machine.watch()
    spent = itertools.accumulate(range(4000), lambda joules, _: joules + 0.5, initial=0.0)
    trace = [(100.0 + 0.01 * n, joules) for n, joules in enumerate(spent)]

    def sleep(seconds):
        machine.time_s += seconds

    reader = CounterReader(replay(trace, machine.now), watch, EnergyRules(), sleep)
    found = measure_whole(lambda: FakeWhole(machine), TimingRules(), watch, energy=reader)
    assert (found["status"], found["error"]) == ("ok", "")
    assert found["time_s"] == pytest.approx(0.01)
    assert found["call_time_s"] == pytest.approx(0.0101)
    assert found["energy_j"] == pytest.approx(50 * 0.01, rel=0.01)
    assert found["window_s"] >= 5


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "oom"),
        (RuntimeError("unsupported type"), "error"),
    ],
)
def test_a_fault_is_a_row_and_nothing_more(machine, fault, status):
    found = measure_whole(lambda: FakeWhole(machine, fault), RULES, machine.watch())
    assert (found["status"], found["time_s"]) == (status, None)
    assert found["error"]


def test_what_does_not_compile_fit_or_end_in_numbers_is_said(machine):
    def prepare():
        raise NotImplementedError("no bfloat16 on this device")

    found = measure_whole(prepare, RULES, machine.watch())
    assert (found["status"], found["error"]) == ("error", "no bfloat16 on this device")
    found = measure_whole(lambda: FakeWhole(machine), RULES, machine.watch(), most_bytes=999)
    assert found["status"] == "oom"
    machine.finite = False
    assert measure_whole(lambda: FakeWhole(machine), RULES, machine.watch())["status"] == "invalid"


def test_few_visits_are_noisy(machine):
    rules = TimingRules(rounds=1)
    found = measure_whole(lambda: FakeWhole(machine), rules, machine.watch())
    assert found["status"] == "noisy"
    assert found["error"].startswith("the interval")


def test_a_loop_that_does_nothing_is_eliminated(machine):
    class Deleted(FakeWhole):
        def loop(self, steps):
            self.machine.advance(0.01)

    found = measure_whole(lambda: Deleted(machine), TimingRules(), machine.watch())
    assert found["status"] == "eliminated"
    assert found["time_s"] is None
    assert math.isnan(found["doubling_ratio"]) or found["doubling_ratio"] < 1.25


def test_any_step_can_be_timed():
    whole = Whole(lambda seed: (jnp.ones(3), 2.0), lambda x, by: x * by, lambda x: x)
    loaded = compile_whole(whole, DEVICE).load(0)
    loaded.loop(4)
    np.testing.assert_array_equal(loaded._state, 16.0)

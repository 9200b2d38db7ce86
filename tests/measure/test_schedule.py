"""Whole measurements on a made-up machine, and on this one where only structure is asserted."""

import dataclasses
import math
import random

import jax
import pytest
from jax import lax

from jaxcost.measure import LayerSpec, Peaks, TimingRules, measure_layers, samples_frame
from jaxcost.measure.clock.programs import compile_layer
from jaxcost.measure.designs.other_sweeps import other_sweep
from jaxcost.workload.memory_bound import MEMORY_BOUND

LAYERS = [LayerSpec(op="dense", batch=64 * n, c_in=500, c_out=500, line=n) for n in range(1, 7)]
PEAKS = Peaks({"float32": 1e12}, 1e15)


def _measure(machine, layers=LAYERS, rules=None, **options):
    options = {
        "peaks": PEAKS,
        "prepare": machine.prepare,
        "free_memory": lambda device: None,
    } | options
    return measure_layers(layers, rules=rules, watch=machine.watch(), **options)


def _statuses(measured):
    return [record.status for record in measured.records]


def test_a_quiet_machine_gives_the_planted_times(machine):
    measured = _measure(machine)
    assert _statuses(measured) == ["ok"] * 6
    for record in measured.records:
        assert record.time_s == pytest.approx(machine.step_s(record.layer), rel=1e-9)
        assert record.call_time_s - record.time_s == pytest.approx(machine.dispatch_s)
        assert record.accepted_fraction == 1
        assert record.doubling_ratio == pytest.approx(2)
        assert record.work == "dot"
    assert measured.drift == pytest.approx(0, abs=1e-9)


def test_the_table_has_the_layers_and_their_times(machine):
    frame = _measure(machine).to_frame()
    assert list(frame.line) == [1, 2, 3, 4, 5, 6]
    assert (frame.time_s == frame.loop_time_s).all()
    assert frame.dispatch_s.to_numpy() == pytest.approx(machine.dispatch_s)
    wanted = {"op", "batch", "groups", "dilation", "dtype", "sweep", "status", "error", "samples"}
    assert wanted <= set(frame.columns)
    assert frame.loop_overhead_s.iloc[0] == pytest.approx(1e-6, rel=1e-4)


def test_rounds_are_shuffled_and_no_layer_is_ahead_of_another(machine):
    machine.slowdown = lambda now: (1 + 0.2 * random.Random(now).random(), 0.0)
    rules = TimingRules(most_rounds=4, converged=0.0)
    _measure(machine, rules=rules)
    visits = [layer.line for layer in machine.loads if layer in LAYERS]
    rounds = [tuple(visits[i : i + 6]) for i in range(0, len(visits), 6)]
    assert [sorted(order) for order in rounds] == [[1, 2, 3, 4, 5, 6]] * 4
    assert len(set(rounds)) > 1


def test_layers_that_converge_are_left_alone(machine):
    noisy = LAYERS[0]
    step = machine.step_s
    scatter = random.Random(0)

    def uneven(layer):
        return step(layer) * (1 + 0.3 * scatter.random() * (layer == noisy))

    machine.step_s = uneven
    _measure(machine, rules=TimingRules(rounds=4, most_rounds=9, least_rounds=3))
    visits = [machine.loads.count(layer) for layer in LAYERS]
    assert visits[0] == 9
    assert max(visits[1:]) == 4  # the fewest that give an interval of the 25th percentile


def test_a_busy_neighbour_is_gated_out(machine):
    machine.slowdown = lambda now: (2.1, 0.52) if now % 0.9 < 0.3 else (1.0, 0.0)
    measured = _measure(machine)
    assert _statuses(measured) == ["ok"] * 6
    for record in measured.records:
        assert record.time_s == pytest.approx(machine.step_s(record.layer), rel=1e-9)
        assert record.accepted_fraction >= 0.5
    samples = samples_frame(measured.records)
    assert (samples.rejected != "").mean() == pytest.approx(1 / 3, abs=0.2)
    assert samples[samples.rejected != ""].step_s.min() > samples.step_s.min()


def test_a_neighbour_that_never_pauses_makes_it_noisy(machine):
    machine.slowdown = lambda now: (2.0, 0.5)
    measured = _measure(machine)
    assert _statuses(measured) == ["noisy"] * 6
    assert "only 0% of the blocks count: processor share 0.50" in measured.records[0].error
    assert measured.records[0].time_s > 0


def test_times_that_scatter_are_noisy(machine):
    machine.slowdown = lambda now: (1 + random.Random(now).random(), 0.0)
    measured = _measure(machine, rules=TimingRules(most_rounds=3))
    assert set(_statuses(measured)) == {"noisy"}


def test_an_operation_hoisted_out_of_the_loop_is_eliminated(machine):
    machine.loop_s = lambda layer, steps: 0.05 + steps * 1e-4
    measured = _measure(machine)
    assert _statuses(measured) == ["eliminated"] * 6
    assert "twice the steps take" in measured.records[0].error
    assert math.isnan(measured.records[0].time_s)


def test_a_loop_of_a_fiftieth_of_the_call_is_eliminated(machine):
    machine.loop_s = lambda layer, steps: steps * machine.step_s(layer) / 50
    measured = _measure(machine, peaks=Peaks({}))
    assert _statuses(measured) == ["eliminated"] * 6
    assert "beyond its overhead" in measured.records[-1].error


def test_a_loop_too_short_against_disturbed_calls_alone_is_noisy(machine):
    machine.loop_s = lambda layer, steps: steps * machine.step_s(layer) / 50
    prepare = machine.prepare

    def disturbed(layer, device):
        programs = prepare(layer, device)
        call = programs.call

        def busy():
            machine.slowdown = lambda now: (2.0, 0.5)
            call()
            machine.slowdown = lambda now: (1.0, 0.0)

        programs.call = busy
        return programs

    measured = _measure(machine, peaks=Peaks({}), prepare=disturbed)
    assert set(_statuses(measured)) == {"noisy"}
    assert "beyond its overhead" in measured.records[-1].error


def test_a_time_below_the_roofline_is_eliminated(machine):
    measured = _measure(machine, peaks=Peaks({"float32": 1e10}))
    assert set(_statuses(measured)) == {"eliminated"}
    assert "below the roofline" in measured.records[0].error


def test_a_body_without_the_operation_is_eliminated(machine, hlo_loop):
    machine.hlo_text = hlo_loop("%s = s32[] add(%i, %j)")
    assert _statuses(_measure(machine)) == ["eliminated"] * 6


def test_small_layers_are_not_taken_for_eliminated(machine):
    small = [LayerSpec(op="dense", c_in=4, c_out=4)]
    machine.step_s = lambda layer: 1e-7
    assert _statuses(_measure(machine, small, peaks=Peaks({}))) == ["ok"]


def test_a_layer_too_large_is_out_of_memory_and_never_compiled(machine):
    large = LayerSpec(op="dense", batch=10**5, c_in=10**5, c_out=10**5)
    compiled = []

    def prepare(layer, device):
        compiled.append(layer)
        return machine.prepare(layer, device)

    measured = _measure(machine, [large, LAYERS[0]], prepare=prepare, free_memory=lambda d: 10**9)
    assert _statuses(measured) == ["oom", "ok"]
    assert "needs 120 GB, of which 0.8 GB may be used" in measured.records[0].error
    assert large not in compiled


def test_scratch_memory_counts_too(machine):
    machine.memory_bytes = 10**9
    assert set(_statuses(_measure(machine, free_memory=lambda d: 1.2 * 10**9))) == {"oom"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory"), "oom"),
        (MemoryError(), "oom"),
        (NotImplementedError("no such\nkernel"), "error"),
    ],
)
@pytest.mark.parametrize("when", ["prepare", "load", "loop"])
def test_a_fault_of_one_layer_spares_the_others(machine, error, status, when):
    def prepare(layer, device):
        programs = machine.prepare(layer, device)

        def fail(*_):
            raise error

        if layer == LAYERS[1] and when == "prepare":
            fail()
        if layer == LAYERS[1]:
            setattr(programs, when, fail)
        return programs

    measured = _measure(machine, prepare=prepare)
    assert _statuses(measured) == ["ok", status, "ok", "ok", "ok", "ok"]
    assert "\n" not in measured.records[1].error


def test_results_that_are_not_finite_are_invalid(machine):
    machine.finite = False
    measured = _measure(machine)
    assert _statuses(measured) == ["invalid"] * 6
    assert measured.to_frame().time_s.isna().all()


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_zero_and_negative_times_are_invalid(machine, seconds):
    def prepare(layer, device):
        programs = machine.prepare(layer, device)
        if layer == LAYERS[2]:
            programs.loop = lambda steps: machine.advance(seconds)
        return programs

    assert _statuses(_measure(machine, prepare=prepare))[2] == "invalid"


def test_a_layer_too_slow_is_skipped(machine):
    rules = TimingRules(longest_step_s=1.01 * machine.step_s(LAYERS[3]))
    assert _statuses(_measure(machine, rules=rules)) == ["ok"] * 4 + ["skipped"] * 2


def test_the_budget_ends_a_measurement_and_what_was_not_visited_is_skipped(machine):
    slow = [LayerSpec(op="dense", batch=n, c_in=10**5, c_out=10**5) for n in range(1, 9)]
    measured = _measure(machine, slow, budget_s=10.0)
    statuses = _statuses(measured)
    assert statuses.count("skipped") >= 1
    assert statuses.count("skipped") < 8
    assert measured.elapsed_s < 10 + 30 * machine.step_s(slow[-1])
    assert "budget was spent" in measured.records[statuses.index("skipped")].error


def test_progress_only_grows_and_ends_complete(machine):
    reports = []
    _measure(machine, budget_s=1000, progress=reports.append)
    shares = [report.done / report.total for report in reports]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert shares[0] < 0.1
    assert reports[-1].remaining_s == 0
    assert all(0 <= report.remaining_s <= 1000 for report in reports)


def test_the_sentinel_shows_drift(machine):
    machine.slowdown = lambda now: (now / 100, 0.0)
    measured = _measure(machine, rules=TimingRules(converged=0.0, most_rounds=6))
    assert len(measured.sentinel_s) == 6
    assert measured.sentinel_s == sorted(measured.sentinel_s)
    assert measured.drift > 0.05


@pytest.mark.parametrize(
    ("layers", "budget", "message"),
    [([], 1.0, "layers is empty"), (LAYERS, 0.0, "budget_s = 0.0 is not allowed")],
)
def test_bad_arguments_are_named(machine, layers, budget, message):
    with pytest.raises(ValueError, match=message):
        _measure(machine, layers, budget_s=budget)


def _unused(apply):
    def step(_, carry):
        apply(carry[0], carry[1])
        return carry

    return lambda steps, swap, x, w, y: lax.fori_loop(0, steps, step, (x, w, y))


def _invariant(apply):
    def step(_, carry):
        return carry[0], carry[1], apply(carry[0], carry[1])

    return lambda steps, swap, x, w, y: lax.fori_loop(0, steps, step, (x, w, y))


def _closed_over(apply):
    def loop(steps, swap, x, w, y):
        constants = [jax.numpy.ones(operand.shape, operand.dtype) for operand in (x, w)]
        return lax.fori_loop(0, steps, lambda i, c: (c[0], c[1], apply(*constants)), (x, w, y))

    return loop


def _barrier(apply):
    def step(_, carry):
        x, w, y = carry
        x, w, _ = lax.optimization_barrier((x, w, apply(x, w)))
        return x, w, y

    return lambda steps, swap, x, w, y: lax.fori_loop(0, steps, step, (x, w, y))


def _times_zero(apply):
    def step(_, carry):
        x, w, y = carry
        return x, w, y + 0 * lax.stop_gradient(jax.numpy.sign(apply(x, w)) * 0).astype(int)

    return lambda steps, swap, x, w, y: lax.fori_loop(0, steps, step, (x, w, y))


FAST = TimingRules(block_s=8e-3, most_rounds=2, blocks_per_visit=2)
REAL = [
    LayerSpec(op="dense", batch=64, c_in=256, c_out=256),
    LayerSpec(op="conv2d", in_h=16, in_w=16, c_in=16, c_out=16, k_h=3, k_w=3),
]


BAD_LOOPS = (_unused, _invariant, _closed_over, _barrier, _times_zero)
HONEST = [
    *REAL,
    LayerSpec(op="dense", c_in=1, c_out=1),
    LayerSpec(op="dense", batch=16, c_in=300, c_out=10),
    LayerSpec(op="conv2d", in_h=8, in_w=8, c_in=8, c_out=8, k_h=3, k_w=3, groups=8),
    LayerSpec(op="conv2d", batch=2, in_h=14, in_w=14, c_in=32, c_out=64, stride=2),
    LayerSpec(op="dense", batch=32, c_in=64, c_out=64, dtype="bfloat16"),
    LayerSpec(op="dense", batch=2048, c_in=2, c_out=4096),  # its call mostly finds memory
]


def _memory_bound():
    """The first layer of each operation."""
    layers = other_sweep("memory_bound")
    return [next(layer for layer in layers if layer.op == op) for op in MEMORY_BOUND]


@pytest.fixture(scope="module")
def deleted():
    """What was measured of layers whose work the compiler deletes, by how their loop invites it."""
    layers = {
        dataclasses.replace(layer, sweep=bad_loop.__name__): bad_loop
        for bad_loop in BAD_LOOPS
        for layer in (REAL if bad_loop is not _unused else [*REAL, *_memory_bound()])
    }

    def prepare(layer, device):
        if layer not in layers:  # a probe
            return compile_layer(layer, device)
        return compile_layer(layer, device, build_loop=layers[layer])

    return measure_layers([*layers], rules=FAST, prepare=prepare).records


@pytest.mark.parametrize("bad_loop", BAD_LOOPS)
def test_work_that_the_compiler_deletes_is_caught(deleted, bad_loop):
    records = [record for record in deleted if record.layer.sweep == bad_loop.__name__]
    assert {record.status for record in records} == {"eliminated"}
    assert all(math.isnan(record.time_s) for record in records)
    ops = {"dense", "conv2d"} | (set(MEMORY_BOUND) if bad_loop is _unused else set())
    assert {record.layer.op for record in records} == ops


def test_honest_work_on_this_machine_is_never_called_eliminated():
    measured = measure_layers([*HONEST, *_memory_bound()], rules=FAST)
    faults = [(x.status, x.error) for x in measured.records if x.status not in ("ok", "noisy")]
    assert faults == []
    assert (measured.to_frame().time_s > 0).all()

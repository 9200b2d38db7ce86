"""What is larger than a layer by the rules of layers: real steps on this machine, and faults."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fake_machine import replay

from jaxcost.measure.chain import Chain, ChainBench, chained_passes, compile_chain
from jaxcost.measure.clock.timing import Stopwatch, TimingRules
from jaxcost.measure.energy import CounterReader, EnergyRules
from jaxcost.measure.energy.power import PowerMeter

DEVICE = jax.devices()[0]
RULES = TimingRules(block_s=1e-3, least_rounds=2, blocks_per_visit=4)


def passes():
    """Two products with a rectifier between them, on a batch of four."""

    def begin(seed):
        keys = jax.random.split(jax.random.key(seed), 3)
        first, second, x = (jax.random.normal(k, s) for k, s in zip(keys, ((8, 6), (6, 5), (4, 8))))
        return [first, second], x

    return chained_passes(lambda w, x: jnp.maximum(x @ w[0], 0) @ w[1], begin)


def bench(machine, rules=RULES, fault=None, kind=None, **given):
    """A bench of the made-up machine, whose programs are made up as well."""
    made = (kind or FakeChain)(machine, fault)
    return ChainBench(rules, watch=machine.watch(), prepare=lambda *_: made, **given)


def measured(*given, energy=False, reader=None, **more):
    return bench(*given, energy=reader, **more).measure(passes, energy=energy)


class FakeChain:
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


def test_each_pass_hangs_on_the_one_before():
    chain = passes()
    (x, _), (weights, swap) = chain.begin(jnp.uint32(3))
    after, y = chain.step((x, None), (weights, swap))
    np.testing.assert_array_equal(after, x)
    np.testing.assert_allclose(y, np.maximum(x @ weights[0], 0) @ weights[1], rtol=1e-5)
    changed, _ = chain.step((x, None), (weights, ~swap))
    assert (np.asarray(changed) == float(y[0, 0])).all()


def test_a_chain_gets_a_time_and_a_reason_for_no_energy():
    reader = CounterReader(PowerMeter("none", reason="no counter here"), Stopwatch())
    found = ChainBench(RULES, watch=Stopwatch(), energy=reader).measure(passes, energy=True)
    assert found["status"] in ("ok", "noisy")
    assert 1e-8 < found["time_s"] < 1
    assert (found["energy_j"], found["energy_reason"]) == (None, "no counter here")


def test_times_and_joules_are_those_of_a_step(machine):
    # 50 W at rest and 250 W at work: the counter ticks with the made-up clock
    spent = itertools.accumulate(range(4000), lambda joules, _: joules + 0.5, initial=0.0)
    trace = [(100.0 + 0.01 * n, joules) for n, joules in enumerate(spent)]

    def sleep(seconds):
        machine.time_s += seconds

    reader = CounterReader(replay(trace, machine.now), machine.watch(), EnergyRules(), sleep)
    found = measured(machine, TimingRules(), energy=True, reader=reader)
    assert (found["status"], found["error"]) == ("ok", "")
    assert found["time_s"] == pytest.approx(0.01)
    assert found["call_time_s"] == pytest.approx(0.0101)
    assert found["energy_j"] == pytest.approx(50 * 0.01, rel=0.01)
    assert found["window_s"] >= 5


def test_energy_that_is_not_asked_for_is_not_read(machine):
    found = measured(machine, reader=lambda *_: pytest.fail("read"))
    assert (found["energy_j"], found["energy_reason"]) == (None, "not asked for")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "oom"),
        (RuntimeError("unsupported type"), "error"),
    ],
)
def test_a_fault_is_a_row_and_nothing_more(machine, fault, status):
    found = measured(machine, fault=fault)
    assert (found["status"], found["time_s"]) == (status, None)
    assert found["error"]


def test_what_does_not_compile_fit_or_end_in_numbers_is_said(machine):
    def build():
        raise NotImplementedError("no bfloat16 on this device")

    found = bench(machine).measure(build)
    assert (found["status"], found["error"]) == ("error", "no bfloat16 on this device")
    assert measured(machine, most_bytes=999)["status"] == "oom"
    machine.finite = False
    assert measured(machine)["status"] == "invalid"


def test_few_visits_are_noisy(machine):
    found = measured(machine, TimingRules(rounds=1))
    assert found["status"] == "noisy"
    assert found["error"] == "5 accepted blocks are too few for a 95% interval"


def test_a_loop_that_does_nothing_is_eliminated(machine):
    class Deleted(FakeChain):
        def loop(self, steps):
            self.machine.advance(0.01)

    found = measured(machine, TimingRules(), kind=Deleted)
    assert found["status"] == "eliminated"
    assert found["time_s"] is None
    assert math.isnan(found["doubling_ratio"]) or found["doubling_ratio"] < 1.25


def test_a_bench_says_where_it_measures():
    said = ChainBench(RULES).description
    assert said["fingerprint"]["platform"] == DEVICE.platform
    assert {"device", "facts", "processors"} <= set(said)


def test_any_step_can_be_timed():
    chain = Chain(lambda seed: (jnp.ones(3), 2.0), lambda x, by: x * by, lambda x: x)
    loaded = compile_chain(chain, DEVICE).load(0)
    loaded.loop(4)
    np.testing.assert_array_equal(loaded._state, 16.0)

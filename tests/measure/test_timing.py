import math
import time

import pytest

from jaxcost.measure.clock.timing import (
    InvalidTimingError,
    Stopwatch,
    TimingRules,
    checked,
    prove_doubling,
    steps_per_block,
)
from jaxcost.measure.clock.visit import Block, Doubling

RULES = TimingRules()


def _loop(machine, step_s, start_s=0.0):
    return lambda steps: machine.advance(start_s + steps * step_s)


def steps_of(run, watch):
    """How many steps make a block, from a first block of one."""
    (first,) = checked([watch.time(run, 1)])
    return steps_per_block(run, RULES, watch, first)


@pytest.mark.parametrize(
    ("step_s", "steps"),
    [(1e-6, 20000), (1e-3, 20), (3e-3, 7), (1e-2, 5), (0.019, 5), (0.021, 2), (5.0, 2)],
)
def test_a_block_is_long_enough_in_time_and_steps(machine, step_s, steps):
    assert steps_of(_loop(machine, step_s), machine.watch()) == pytest.approx(steps, abs=1)


def test_finding_the_steps_takes_little_time(machine):
    begin = machine.now()
    steps_of(_loop(machine, 2e-7), machine.watch())
    assert machine.now() - begin < 3 * RULES.block_s


def test_a_loop_that_takes_no_time_a_step_stays_within_an_int32(machine):
    steps = steps_of(_loop(machine, 1e-15, start_s=1e-5), machine.watch())
    assert 2 * steps < 2**31


@pytest.mark.parametrize("now", [lambda: 5.0, lambda: math.nan])
def test_a_clock_that_stands_still_or_lies_is_invalid(now):
    with pytest.raises(InvalidTimingError, match="1 steps took"):
        steps_of(lambda steps: None, Stopwatch(now=now))


def test_a_clock_that_goes_back_is_invalid():
    with pytest.raises(InvalidTimingError, match="-0.5 s"):
        checked([Block(3, -0.5)])


def test_an_honest_loop_doubles_at_once(machine):
    doubling, blocks = prove_doubling(_loop(machine, 1e-3), 20, RULES, machine.watch())
    assert doubling.passed
    assert [block.steps for block in blocks] == [20, 40]


def test_a_hoisted_operation_fails_to_double(machine):
    doubling, blocks = prove_doubling(_loop(machine, 1e-6, 0.03), 20, RULES, machine.watch())
    assert doubling.failed
    assert doubling.ratio == pytest.approx(1.0, abs=0.01)
    assert len(blocks) == 6


def test_a_disturbed_pair_is_tried_again(machine):
    machine.slowdown = lambda now: (1.5, 1 / 3) if now < 100.05 else (1.0, 0.0)
    doubling, blocks = prove_doubling(_loop(machine, 1e-3), 20, RULES, machine.watch())
    assert doubling.passed
    assert len(blocks) == 4


def test_noise_alone_neither_passes_nor_fails(machine):
    machine.slowdown = lambda now: (1.0 + now % 0.7, 0.5)
    doubling, blocks = prove_doubling(_loop(machine, 1e-3), 20, RULES, machine.watch())
    assert not doubling.passed
    assert not doubling.failed
    assert len(blocks) == 2 * RULES.doubling_attempts


def test_a_later_visit_adds_one_pair_to_those_before(machine):
    before = Doubling(ratios=(1.5, 1.2), accepted=(False, False))
    doubling, blocks = prove_doubling(_loop(machine, 1e-3), 20, RULES, machine.watch(), before)
    assert doubling.ratios == pytest.approx((1.5, 1.2, 2.0))
    assert doubling.passed
    assert len(blocks) == 2


def test_calls_are_timed_together_and_apart(machine):
    machine.slowdown = lambda now: (3.0, 0.0) if 100.005 < now < 100.015 else (1.0, 0.0)
    block = machine.watch().time_calls(lambda: machine.advance(0.01), 4)
    assert block.duration_s == pytest.approx(0.06)
    assert block.step_s == pytest.approx(0.015)
    assert block.shortest_s == pytest.approx(0.01)


def test_the_clock_is_monotonic():
    assert Stopwatch().now is time.perf_counter

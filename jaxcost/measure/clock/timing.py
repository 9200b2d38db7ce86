"""Timing one layer: how many steps make a block, the blocks themselves, and their proofs."""

import dataclasses
import math
import time
from collections.abc import Callable

from jaxcost.measure.clock.gates import Meter, NoMeter, rejections
from jaxcost.measure.clock.visit import Block, Doubling

_MOST_STEPS = 1 << 24  # a loop without work would need ever more


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimingRules:
    """How layers are measured; times in s.

    Args:
        block_s: shortest block of loop steps; calls get half of it.
        least_steps: fewest steps of a block.
        least_steps_slow: the same for a layer whose step takes `block_s` or longer.
        longest_step_s: a layer that takes longer a step is skipped.
        blocks_per_visit: blocks of loop steps each time a layer comes up.
        rounds: visits that every layer gets, unless it converges before.
        most_rounds: visits that a layer gets while its interval is too wide.
        least_rounds: visits before a layer may count as converged.
        converged: half-width of the interval, over the time, at which a layer is done.
        noisy: half-width over which a layer's record is `noisy`.
        least_accepted: fraction of accepted blocks under which it is `noisy`.
        quantile: of the accepted blocks, which is the layer's time. Disturbances only ever add, so
            0.25 repeats better between processes than the median (CV 1.0 % against 1.2 % on
            a quiet two-core machine, 1.6 % against 1.8 % on a busy one).
        confidence: of its interval.
        doubling_attempts: pairs of blocks that may be tried to prove that time follows steps.
        memory_fraction: share of the free memory that a layer may need.
        seed: of operands and of the order of layers.
    """

    block_s: float = 0.02
    least_steps: int = 5
    least_steps_slow: int = 2
    longest_step_s: float = math.inf
    blocks_per_visit: int = 3
    rounds: int = 8
    most_rounds: int = 24
    least_rounds: int = 3
    converged: float = 0.01
    noisy: float = 0.05
    least_accepted: float = 0.5
    quantile: float = 0.25
    confidence: float = 0.95
    doubling_attempts: int = 5
    memory_fraction: float = 0.8
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Stopwatch:
    """A clock and a meter; replaced by fakes in tests.

    Args:
        now: a monotonic time in s; a wall clock that may jump must not be used.
        meter: what the machine did meanwhile.
        processors: how many this process may use.
    """

    now: Callable[[], float] = time.perf_counter
    meter: Meter = dataclasses.field(default_factory=NoMeter)
    processors: int = 1

    def time(self, run: Callable[[int], None], steps: int) -> Block:
        """One block of `steps` steps."""
        started = self.meter.start()
        begin = self.now()
        run(steps)
        duration = self.now() - begin
        return Block(steps, duration, **self.meter.stop(started, duration))

    def time_calls(self, call: Callable[[], None], repeats: int) -> Block:
        """One block of `repeats` isolated calls, each timed apart."""
        durations = []

        def run(steps: int) -> None:
            for _ in range(steps):
                begin = self.now()
                call()
                durations.append(self.now() - begin)

        block = self.time(run, repeats)
        return dataclasses.replace(block, shortest_s=min(durations))

    def accepted(self, blocks: list[Block]) -> list[bool]:
        """Whether each block passes the noise gates."""
        return [not reason for reason in rejections(blocks, processors=self.processors)]


class InvalidTimingError(Exception):
    """A clock or a result that no timing can be made of."""


def steps_per_block(
    run: Callable[[int], None], rules: TimingRules, watch: Stopwatch, block: Block
) -> int:
    """How many steps make a block of at least `rules.block_s`, found by timing ever longer ones.

    One that seems long enough is timed again: a disturbance only ever adds, and may have done so.

    Args:
        block: one of a single step.
    Raises:
        InvalidTimingError: a time that is not finite and positive.
    """
    while True:
        if _is_long(block, rules):
            block = min([block, *checked([watch.time(run, block.steps)])], key=_duration)
            if _is_long(block, rules):
                break
        steps = block.steps * max(2, min(64, int(rules.block_s / 2 / block.duration_s)))
        (block,) = checked([watch.time(run, min(steps, _MOST_STEPS))])
    slow = block.step_s >= rules.block_s
    least = rules.least_steps_slow if slow else rules.least_steps
    return min(_MOST_STEPS, max(least, math.ceil(rules.block_s / block.step_s)))


def prove_doubling(
    run: Callable[[int], None],
    steps: int,
    rules: TimingRules,
    watch: Stopwatch,
    before: Doubling | None = None,
) -> tuple[Doubling, list[Block]]:
    """Pairs of blocks of `steps` and of twice as many, until they pass or fail clearly.

    Args:
        before: pairs of an earlier visit that did not pass; one more is tried then.
    Returns:
        How the time grew, and the new blocks, which are timings as good as others.
    Raises:
        InvalidTimingError: a time that is not finite and positive.
    """
    blocks: list[Block] = []
    doubling = before or Doubling()
    for _ in range(1 if doubling.ratios else rules.doubling_attempts):
        pair = checked([watch.time(run, steps), watch.time(run, 2 * steps)])
        good = _is_long(pair[0], rules) and all(watch.accepted(blocks + pair)[-2:])
        doubling += Doubling((pair[1].duration_s / pair[0].duration_s,), (good,))
        blocks += pair
        if doubling.passed or doubling.failed:
            break
    return doubling, blocks


def _is_long(block: Block, rules: TimingRules) -> bool:
    """Whether a block tells of its steps, not of how it is started; or cannot be made longer."""
    return block.duration_s >= rules.block_s / 4 or block.steps >= _MOST_STEPS


def _duration(block: Block) -> float:
    return block.duration_s


def checked(blocks: list[Block]) -> list[Block]:
    """The blocks as they are.

    Raises:
        InvalidTimingError: a time that is not finite and positive.
    """
    for block in blocks:
        if not (math.isfinite(block.duration_s) and block.duration_s > 0):
            raise InvalidTimingError(f"{block.steps} steps took {block.duration_s} s by the clock")
    return blocks

"""What a row of readings of energy counters says: power, ticks, and wraps or resets between."""

import dataclasses
import itertools
import statistics
from collections.abc import Sequence

_PACE = 5  # a wrap's step may be that many times the largest other step


class NoEnergyError(Exception):
    """No energy can be made of the readings; the message says why."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """Counters' readings in J at a time in s."""

    time_s: float
    joules: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Idle:
    """An idle device: its power in W, and the time between two ticks of its counter in s."""

    power_w: float
    tick_s: float


def rise(samples: Sequence[Sample], ranges_j: Sequence[float | None]) -> float:
    """How much all counters grew from the first sample to the last, in J.

    A counter that wraps at its range is corrected, once; a reset cannot be.

    Raises: NoEnergyError: a reading that fell otherwise, or fell twice.
    """
    counters = zip(*(sample.joules for sample in samples), strict=True)
    return sum(_growth(list(one), top) for one, top in zip(counters, ranges_j, strict=True))


def idle_power(samples: Sequence[Sample], ranges_j: Sequence[float | None]) -> Idle:
    """Power and tick of an idle device, from its first tick to its last.

    Raises: NoEnergyError: fewer than three ticks, a wrap that cannot be corrected, or a reset.
    """
    edges = _edges(samples)
    if len(edges) < 3:
        elapsed = samples[-1].time_s - samples[0].time_s
        raise NoEnergyError(f"the counter ticked {len(edges)} times in {elapsed:.3g} s at rest")
    times = [edge.time_s for edge in edges]
    tick = statistics.median(after - before for before, after in itertools.pairwise(times))
    return Idle(rise(edges, ranges_j) / (times[-1] - times[0]), tick)


def longest_still(samples: Sequence[Sample]) -> float:
    """The longest time over which no reading changed, in s."""
    times = [samples[0].time_s, *(edge.time_s for edge in _edges(samples)), samples[-1].time_s]
    return max(after - before for before, after in itertools.pairwise(times))


def _edges(samples: Sequence[Sample]) -> list[Sample]:
    """The samples at which a reading had changed."""
    return [b for a, b in itertools.pairwise(samples) if a.joules != b.joules]


def _growth(readings: list[float], top: float | None) -> float:
    steps = [after - before for before, after in itertools.pairwise(readings)]
    falls = [step for step in steps if step < 0]
    if not falls:
        return sum(steps)
    wrapped = falls[0] + (top or 0.0)
    usual = max(steps)
    if len(falls) > 1:
        raise NoEnergyError(f"the counter fell {len(falls)} times: its wraps cannot be told apart")
    if top is None or not 0 <= wrapped <= _PACE * usual:
        raise NoEnergyError("the counter was reset while it was read")
    return sum(steps) + top

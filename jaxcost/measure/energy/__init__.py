"""The energy of one step of a layer, from a counter that can be trusted, or the reason why not."""

import dataclasses
import itertools
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxcost.measure.clock.bench import Track
from jaxcost.measure.clock.programs import LoadedLayer
from jaxcost.measure.clock.timing import Stopwatch, TimingRules, checked
from jaxcost.measure.clock.visit import Block
from jaxcost.measure.energy.power import PowerMeter

_MOST_STEPS = 1 << 24
_HELD_UP = 1.1  # of the time that the window's stretches take at their median
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnergyRules:
    """How energies are read; times in s.

    Args:
        window_s: shortest window of work.
        least_ticks: fewest ticks of the counter in the window: each of its ends is off by up
            to one.
        longest_s: longest window that may be needed for them.
        stretch_s: least work between two readings; settle_s: rest before an idle reading.
        warm_s: work before the window opens, so that the power is that of work at both ends.
        idle_s, longest_idle_s: how long the idle device is watched, at most where it ticks slowly.
        idle_ticks: ticks after which it need not be watched any longer than `idle_s`.
        poll_s: between two readings of the idle device.
    """

    window_s: float = 5.0
    least_ticks: int = 50
    longest_s: float = 60.0
    stretch_s: float = 0.25
    settle_s: float = 0.5
    warm_s: float = 0.5
    idle_s: float = 1.0
    longest_idle_s: float = 5.0
    idle_ticks: int = 10
    poll_s: float = 0.002


@dataclasses.dataclass(frozen=True)
class CounterReader:
    """Reads the energy of a step of a layer; whatever fails, it says why and raises nothing.

    Args:
        meter: the counters.
        watch: clock, and judge of whether work was disturbed.
        rules: how to read.
        sleep: waits for a time in s.
    """

    meter: PowerMeter
    watch: Stopwatch
    rules: EnergyRules = EnergyRules()
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, track: Track, timing: TimingRules) -> Mapping[str, Any]:
        """The energy of a step of the track's loop, in J, or None with the reason.

        Returns: `energy_j`, all that the device took during a step, its idle power included; the
            idle power apart, before and after (`idle_power_w` is their mean); the window and its
            ticks. Without an energy: `energy_j`, None, and `reason`.
        """
        if self.meter.reason:
            return self._none(self.meter.reason)
        if track.programs is None:
            return self._none("the layer has no programs to run")
        try:
            loaded = track.programs.load(timing.seed + track.visits)
            return self._measured(loaded, track.found.steps, timing)
        except NoEnergyError as error:
            return self._none(str(error))
        except Exception as error:  # a driver that fails must not end the timing
            line = " ".join(str(error).split())
            return self._none(f"{type(error).__name__}: {line}"[:200])

    def _none(self, reason: str) -> dict[str, Any]:
        return {"energy_j": None, "reason": reason, "meter": self.meter.name}

    def _measured(self, loaded: LoadedLayer, steps: int, timing: TimingRules) -> dict[str, Any]:
        before = self._idle()
        length = max(self.rules.window_s, self.rules.least_ticks * before.tick_s)
        if length > self.rules.longest_s:
            slow = f"the counter ticks every {before.tick_s:.2g} s"
            least, most = self.rules.least_ticks, self.rules.longest_s
            raise NoEnergyError(f"{slow}: {least} ticks take over {most:g} s")
        steps = self._warm(loaded, max(1, steps))
        samples, blocks = self._window(loaded, steps, length)
        after = self._idle()
        self._check(samples, blocks, before, timing)
        return self._result(samples, len(blocks) * steps, before, after)

    def _sample(self) -> Sample:
        joules = tuple(self.meter.read())
        return Sample(self.watch.now(), joules)

    def _idle(self) -> Idle:
        """Watches the idle device, after a rest."""
        rules = self.rules
        self.sleep(rules.settle_s)
        samples, ticks = [self._sample()], 0
        for _ in range(math.ceil(rules.longest_idle_s / rules.poll_s)):
            elapsed = samples[-1].time_s - samples[0].time_s
            if elapsed >= (rules.idle_s if ticks >= rules.idle_ticks else rules.longest_idle_s):
                break
            self.sleep(rules.poll_s)
            samples.append(self._sample())
            ticks += samples[-1].joules != samples[-2].joules
        return idle_power(samples, self.meter.ranges_j)

    def _warm(self, loaded: LoadedLayer, steps: int) -> int:
        """Works for a while; returns how many steps make a stretch."""
        loaded.loop(1)  # operands are fresh and cold
        (block,) = checked([self.watch.time(loaded.loop, steps)])
        stretch = min(_MOST_STEPS, math.ceil(self.rules.stretch_s / block.step_s))
        worked = 0.0
        while worked < self.rules.warm_s:
            (block,) = checked([self.watch.time(loaded.loop, stretch)])
            worked += block.duration_s
        return stretch

    def _window(
        self, loaded: LoadedLayer, steps: int, length: float
    ) -> tuple[list[Sample], list[Block]]:
        """Readings between stretches of work, each of which ends when its result is there."""
        samples, blocks = [self._sample()], []
        while samples[-1].time_s - samples[0].time_s < length:
            blocks += checked([self.watch.time(loaded.loop, steps)])
            samples.append(self._sample())
        return samples, blocks

    def _check(
        self, samples: list[Sample], blocks: list[Block], idle: Idle, timing: TimingRules
    ) -> None:
        """Raises NoEnergyError for a window in which something else went on, or nothing did."""
        elapsed = samples[-1].time_s - samples[0].time_s
        typical = statistics.median(block.duration_s for block in blocks)
        if elapsed > _HELD_UP * len(blocks) * typical:
            raise NoEnergyError(
                f"held up: {elapsed:.3g} s for work that takes {len(blocks) * typical:.3g} s"
            )
        accepted = sum(self.watch.accepted(blocks))
        if accepted < timing.least_accepted * len(blocks):
            raise NoEnergyError(
                f"disturbed: {accepted} of {len(blocks)} stretches of work pass the noise gates"
            )
        still = longest_still(samples)
        if still > 5 * idle.tick_s + 2 * typical:
            raise NoEnergyError(f"the counter stood still for {still:.3g} s of work")

    def _result(
        self, samples: list[Sample], steps: int, before: Idle, after: Idle
    ) -> dict[str, Any]:
        elapsed = samples[-1].time_s - samples[0].time_s
        joules = rise(samples, self.meter.ranges_j)
        return {
            "energy_j": joules / steps,
            "power_w": joules / elapsed,
            "idle_power_w": (before.power_w + after.power_w) / 2,
            "idle_before_w": before.power_w,
            "idle_after_w": after.power_w,
            "window_s": elapsed,
            "steps": steps,
            "ticks": math.floor(elapsed / before.tick_s),
            "tick_s": before.tick_s,
            "meter": self.meter.name,
        }

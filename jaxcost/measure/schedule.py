"""Measuring many layers in shuffled rounds within a budget of time."""

import dataclasses
import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import jax

from jaxcost.measure.gates import meter_for, processors
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.memory import free_memory_bytes
from jaxcost.measure.probes import Baseline, baseline, probes
from jaxcost.measure.programs import compile_layer
from jaxcost.measure.proofs import Peaks
from jaxcost.measure.records import Record, conclude, converged, to_frame
from jaxcost.measure.timing import Stopwatch, TimingRules
from jaxcost.measure.track import Prepare, Track, compile_track, visit

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a measurement has come.

    Args:
        phase: "compile" or "measure".
        done, total: compilations and visits.
        elapsed_s, remaining_s: time since the start and estimated to the end, in s.
        layer: the one that was just handled.
    """

    phase: str
    done: int
    total: int
    elapsed_s: float
    remaining_s: float
    layer: LayerSpec


@dataclasses.dataclass(frozen=True)
class Measurements:
    """The outcome of a measurement.

    Args:
        records: one for each layer, in the order given.
        sentinel_s: the sentinel's time in each round, in s; its trend is the machine's drift.
        baseline: what the probes found.
        elapsed_s: time from start to end, in s.
    """

    records: list[Record]
    sentinel_s: list[float]
    baseline: Baseline
    elapsed_s: float

    @property
    def drift(self) -> float:
        """Largest over smallest of the sentinel's times, less 1; NaN without rounds."""
        times = self.sentinel_s
        return max(times) / min(times) - 1 if times else math.nan

    def to_frame(self) -> "pd.DataFrame":
        """The records as a layer table, with the loop's own cost a step in `loop_overhead_s`."""
        return to_frame(self.records).assign(loop_overhead_s=self.baseline.loop_overhead_s)


def measure_layers(
    layers: Sequence[LayerSpec],
    *,
    rules: TimingRules | None = None,
    budget_s: float = math.inf,
    progress: Callable[[Progress], None] | None = None,
    device: jax.Device | None = None,
    peaks: Peaks | None = None,
    watch: Stopwatch | None = None,
    prepare: Prepare = compile_layer,
    free_memory: Callable[[jax.Device], int | None] = free_memory_bytes,
) -> Measurements:
    """Times each layer by isolated calls and by a chained loop, in shuffled rounds.

    Args:
        layers: what to measure; equal ones are measured as often as they appear.
        rules: see `TimingRules`, whose defaults hold where there are none.
        budget_s: after this time in s nothing new is begun, compilation included.
        progress: called after each compilation and each visit.
        device: default: the first of `jax.devices()`.
        peaks: the device's peaks where they are known; otherwise measured along the way.
        watch, prepare, free_memory: clock and meter, compiler, and free bytes of the device.
    Returns:
        A record for every layer, whatever became of it.
    Raises:
        ValueError: no layers, or a budget that is not positive.
    """
    if not layers:
        raise ValueError("layers is empty; give at least one layer")
    if not budget_s > 0:
        raise ValueError(f"budget_s = {budget_s} is not allowed; give a time above 0 s")
    rules = rules or TimingRules()
    device = device or jax.devices()[0]
    watch = watch or Stopwatch(meter=meter_for(device), processors=processors())
    tracks, beside = ([Track(x) for x in xs] for xs in (layers, probes(layers, device.platform)))
    campaign = _Campaign(tracks, beside, rules, watch, budget_s, progress)

    def compile_one(track: Track) -> None:
        free = free_memory(device)
        most = math.inf if free is None else rules.memory_fraction * free
        compile_track(track, device, prepare, most)

    campaign.compile_all(compile_one)
    campaign.measure_all()
    found = baseline([(t.layer, t.loops, t.calls) for t in beside], watch.processors)
    if peaks is not None:
        found = dataclasses.replace(found, peaks=peaks)
    records = [conclude(track, found, rules, watch.processors) for track in tracks]
    return Measurements(records, campaign.sentinel_s, found, campaign.elapsed_s)


class _Campaign:
    """One run of `measure_layers`."""

    def __init__(
        self,
        tracks: list[Track],
        probes: list[Track],
        rules: TimingRules,
        watch: Stopwatch,
        budget_s: float,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.tracks, self.probes, self.rules, self.watch = tracks, probes, rules, watch
        self.sentinel_s: list[float] = []
        self._progress, self._budget_s = progress, budget_s
        self._begun = watch.now()
        self._compiled = 0

    @property
    def elapsed_s(self) -> float:
        """Time since the start, in s."""
        return self.watch.now() - self._begun

    def compile_all(self, compile_one: Callable[[Track], None]) -> None:
        """Compiles probes and layers until the time is up."""
        for track in self.probes:
            compile_one(track)
        for track in self.tracks:
            if self._out_of_time():
                return
            compile_one(track)
            self._compiled += 1
            self._report("compile", track)

    def measure_all(self) -> None:
        """Rounds of visits in ever new order, until every layer is done or the time is up."""
        order = random.Random(self.rules.seed)
        for _ in range(self.rules.most_rounds):
            waiting = [track for track in self.tracks if track.programs and not track.is_over]
            order.shuffle(waiting)
            if not waiting or self._out_of_time():
                return
            self._round(waiting)

    def _round(self, waiting: list[Track]) -> None:
        for probe in self.probes:
            visit(probe, self.rules, self.watch)
        recent = self.probes[0].loops[-self.rules.blocks_per_visit :]
        self.sentinel_s += [min(block.step_s for block in recent)] if recent else []
        for track in waiting:
            if self._out_of_time():
                return
            visit(track, self.rules, self.watch)
            if track.visits >= self.rules.least_rounds:
                track.settled = converged(track, self.rules, self.watch.processors)
            self._report("measure", track)

    def _out_of_time(self) -> bool:
        return self.elapsed_s >= self._budget_s

    def _report(self, phase: str, track: Track) -> None:
        if self._progress is None:
            return
        rounds = self.rules.rounds
        visits = sum(rounds if t.is_over else min(t.visits, rounds) for t in self.tracks)
        done, total = self._compiled + visits, len(self.tracks) * (1 + rounds)
        elapsed = self.elapsed_s
        remaining = min(elapsed / done * (total - done), self._budget_s - elapsed)
        self._progress(Progress(phase, done, total, elapsed, max(0.0, remaining), track.layer))

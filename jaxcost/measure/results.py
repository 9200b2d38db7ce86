"""From what a store holds to tables: every layer once, whatever became of it."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jaxcost.measure.clock.bench import Track
from jaxcost.measure.clock.proofs import PROBE, Baseline, Peaks, baseline
from jaxcost.measure.clock.timing import TimingRules
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.records import Record, conclude, to_frame
from jaxcost.measure.store import Attempt, Partition, Store

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Measurements:
    """The outcome of a sweep.

    Args:
        records: one for each layer, in their order.
        sentinel_s: the sentinel's time in each round, in s; its trend is the machine's drift.
        baseline: what the probes found.
        elapsed_s: time from start to end, in s; NaN where it is not known.
        timed_s, accepted_s: of it, within blocks, and within those that count, in s.
        compile_s: of it, compiling, in s.
    """

    records: list[Record]
    sentinel_s: list[float]
    baseline: Baseline
    elapsed_s: float = math.nan
    timed_s: float = math.nan
    accepted_s: float = math.nan
    compile_s: float = math.nan

    @property
    def drift(self) -> float:
        """Largest over smallest of the sentinel's times, less 1; NaN without rounds."""
        times = self.sentinel_s
        return max(times) / min(times) - 1 if times else math.nan

    def to_frame(self) -> "pd.DataFrame":
        """The records as a layer table, with the loop's own cost a step in `loop_overhead_s`."""
        return to_frame(self.records).assign(loop_overhead_s=self.baseline.loop_overhead_s)


def collect(
    store: Store,
    partition: Partition,
    rules: TimingRules | None = None,
    *,
    layers: Sequence[LayerSpec] | None = None,
    peaks: Peaks | None = None,
    elapsed_s: float = math.nan,
) -> Measurements:
    """What a partition of a store says of its layers.

    Args:
        rules: what makes a record noisy.
        layers: which, in this order; None: all but the probes.
        peaks: the device's peaks where they are known, keyword-only.
        elapsed_s: time that the sweep took, in s, keyword-only.
    """
    rules = rules or TimingRules()
    processors = int(partition.fingerprint.get("processors") or 1)
    attempts = list(store.attempts(partition))
    tracks = _tracks(attempts)
    known = store.layers(partition)
    probes = [layer for layer in known if layer.sweep == PROBE]
    found = baseline([_pooled(layer, tracks) for layer in probes], processors)
    if peaks is not None:
        found = dataclasses.replace(found, peaks=peaks)
    if layers is None:
        layers = [layer for layer in known if layer.sweep != PROBE]
    records = [
        conclude(tracks.get(layer, [Track(layer)]), found, rules, processors) for layer in layers
    ]
    blocks = [(b, not why) for r in records for b, why in zip(r.loops, r.rejected)]
    calls = sum(block.duration_s for record in records for block in record.calls)
    return Measurements(
        records,
        _sentinel(attempts, probes[0]) if probes else [],
        found,
        elapsed_s,
        timed_s=calls + sum(block.duration_s for block, _ in blocks),
        accepted_s=calls + sum(block.duration_s for block, good in blocks if good),
        compile_s=sum(a.visit.compile_s for a in attempts if not math.isnan(a.visit.compile_s)),
    )


def _tracks(attempts: Sequence[Attempt]) -> dict[LayerSpec, list[Track]]:
    """What each process gathered of each layer."""
    found: dict[LayerSpec, dict[int, Track]] = {}
    for attempt in attempts:
        layer, visit = attempt.layer, attempt.visit
        track = found.setdefault(layer, {}).setdefault(attempt.process, Track(layer))
        track.loops += visit.loops
        track.calls += visit.calls
        track.doubling = visit.doubling if visit.doubling.ratios else track.doubling
        track.work = visit.work or track.work
        track.hlo_hash = visit.hlo_hash or track.hlo_hash
        track.compile_s = track.compile_s if math.isnan(visit.compile_s) else visit.compile_s
        track.memory_bytes = max(track.memory_bytes, visit.memory_bytes)
        track.steps = visit.steps or track.steps
        track.visits += 1
        track.status, track.error = visit.status, visit.error
    return {layer: _settle_timeouts(list(by.values())) for layer, by in found.items()}


def _settle_timeouts(tracks: list[Track]) -> list[Track]:
    """One process that hung is forgiven where another was timed."""
    timed = [track for track in tracks if track.loops and not track.status]
    hung = [track for track in tracks if track.status == "timeout"]
    return [t for t in tracks if t not in hung] if timed and len(hung) == 1 else tracks


def _pooled(layer: LayerSpec, tracks: dict[LayerSpec, list[Track]]) -> tuple[LayerSpec, list, list]:
    parts = tracks.get(layer, [])
    return layer, [b for t in parts for b in t.loops], [b for t in parts for b in t.calls]


def _sentinel(attempts: Sequence[Attempt], sentinel: LayerSpec) -> list[float]:
    visits = [a.visit for a in attempts if a.layer == sentinel and a.visit.loops]
    return [min(block.step_s for block in visit.loops) for visit in visits]


_ENERGY = {
    "energy_j": "energy_j",
    "energy_reason": "reason",
    "power_w": "power_w",
    "idle_power_w": "idle_power_w",
    "window_s": "window_s",
    "meter": "meter",
}
_STATE = ("sm_clock_hz", "memory_clock_hz", "temperature_c", "power_limit_w")
_VERSIONS = ("driver", "jax", "jaxlib", "xla_flags")


def export_table(
    store: Store, partition: Partition, rules: TimingRules | None = None
) -> "pd.DataFrame":
    """Every layer of a partition, one row each, times in s, energies in J, clocks in Hz.

    `energy_reason` says why an energy is empty: it is "not asked for" where none was to be read.
    Clocks and temperature are those after the layer's last visit.

    Args: rules: what makes a time noisy.
    """
    frame = collect(store, partition, rules).to_frame()
    last: dict[LayerSpec, dict[str, Any]] = {}
    for attempt in store.attempts(partition):
        row = last.setdefault(attempt.layer, {"energy_reason": "not asked for"})
        row |= _energy(attempt.visit.energy) | _state(attempt.visit.state)
    layers = [layer for layer in store.layers(partition) if layer.sweep != "probe"]
    for column in (*_ENERGY, *_STATE, "throttle_reasons"):
        frame[column] = [last.get(layer, {}).get(column) for layer in layers]
    frame["device"] = partition.device.get("name")
    for name in _VERSIONS:
        frame[name] = partition.fingerprint.get(name)
    return frame


def _energy(read: Mapping[str, Any]) -> dict[str, Any]:
    if not read:
        return {}
    return {column: read.get(name) for column, name in _ENERGY.items()} | {
        "energy_reason": read.get("reason", "")
    }


def _state(read: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: read[name] for name in _STATE if name in read}
    if "throttle_reasons" in read:
        found["throttle_reasons"] = " ".join(read["throttle_reasons"])
    return found

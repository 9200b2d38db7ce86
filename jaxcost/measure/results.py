"""From what a store holds to tables: every layer once, whatever became of it."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jaxcost.measure.clock.proofs import PROBE, Baseline, Peaks, baseline
from jaxcost.measure.clock.timing import TimingRules
from jaxcost.measure.clock.visit import Visit
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
    found = _gathered(attempts)
    known = store.layers(partition)
    probes = [layer for layer in known if layer.sweep == PROBE]
    timed = {layer: sum(found.get(layer, ()), start=Visit()) for layer in probes}
    base = baseline(timed, processors)
    if peaks is not None:
        base = dataclasses.replace(base, peaks=peaks)
    if layers is None:
        layers = [layer for layer in known if layer.sweep != PROBE]
    records = [conclude(layer, found.get(layer, []), base, rules, processors) for layer in layers]
    blocks = [(b, not why) for r in records for b, why in zip(r.loops, r.rejected)]
    calls = sum(block.duration_s for record in records for block in record.calls)
    return Measurements(
        records,
        _sentinel(attempts, probes[0]) if probes else [],
        base,
        elapsed_s,
        timed_s=calls + sum(block.duration_s for block, _ in blocks),
        accepted_s=calls + sum(block.duration_s for block, good in blocks if good),
        compile_s=sum(a.visit.compile_s or 0.0 for a in attempts),
    )


def _gathered(attempts: Sequence[Attempt]) -> dict[LayerSpec, list[Visit]]:
    """What each process brought of each layer; one that hung is forgiven where another timed it."""
    found: dict[LayerSpec, dict[int, Visit]] = {}
    for layer, _, process, visit in attempts:
        of = found.setdefault(layer, {})
        of[process] = of.get(process, Visit()) + visit
    return {layer: _settle_timeouts(list(of.values())) for layer, of in found.items()}


def _settle_timeouts(found: list[Visit]) -> list[Visit]:
    timed = [each for each in found if each.loops and not each.status]
    hung = [each for each in found if each.status == "timeout"]
    return [each for each in found if each not in hung] if timed and len(hung) == 1 else found


def _sentinel(attempts: Sequence[Attempt], sentinel: LayerSpec) -> list[float]:
    visits = [a.visit for a in attempts if a.layer == sentinel and a.visit.loops]
    return [min(block.step_s for block in visit.loops) for visit in visits]


_ENERGY = ("energy_j", "energy_reason", "power_w", "idle_power_w", "window_s", "meter")
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
    found = collect(store, partition, rules)
    frame = found.to_frame()
    rows = [_further(record) for record in found.records]
    for name in (*_ENERGY, *_STATE, "throttle_reasons"):
        frame[name] = [row.get(name) for row in rows]
    frame["device"] = partition.device.get("name")
    for name in _VERSIONS:
        frame[name] = partition.fingerprint.get(name)
    return frame


def _further(record: Record) -> dict[str, Any]:
    """What a record has beside times, by column."""
    row = {**record.energy, "energy_reason": record.energy.get("reason", ""), **record.state}
    if "throttle_reasons" in row:
        row["throttle_reasons"] = " ".join(row["throttle_reasons"])
    return row

"""What a traced program costs on a calibrated device: latency and energy, by layer and in total."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost._support import text
from jaxcost._support.screen import OnScreen
from jaxcost.calibrate import Calibration, load_calibration
from jaxcost.calibrate.features import SORTS
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.outside import MOST_LINES
from jaxcost.calibrate.outside import sizes_outside as sizes_of_layers_outside
from jaxcost.calibrate.precision import unsaid
from jaxcost.device.data_sheets import may_be_here
from jaxcost.measure.layers import DTYPE_BYTES
from jaxcost.models.base import LayerwiseCost
from jaxcost.trace import count, on_screen
from jaxcost.trace.by_bytes import priced_as_flat, priced_by_bytes, without_a_start
from jaxcost.trace.counts import Counts
from jaxcost.trace.measured import measure_program
from jaxcost.trace.training_cost import TrainingCost, training_cost
from jaxcost.trace.whole_program import Costs, program_costs

if TYPE_CHECKING:
    import pandas as pd

_TARGETS = {"latency_s": "time_s", "energy_j": "energy_j"}
_WORDS = {"latency_s": "time", "energy_j": "energy"}
_ENDS = ("", "_lo", "_hi")
_NOTED = 0.05  # of the time: a share that is worth a line


@dataclasses.dataclass(frozen=True, repr=False)
class ProgramEstimate(OnScreen):
    """What a program costs on the calibrated device.

    Attributes:
        counts: what it computes.
        costs: by `latency_s` and `energy_j`, as far as the calibration knows them.
        energy_reason: why there is no energy; None where there is.
        warnings: what the reader must mind.
        other_precision: places of products in another precision than the calibration's.
        unpriced: by `latency_s` and `energy_j`, places of operations that the model has no price
            for; totals are without them.
        measured_s: how long one call took on this machine, in s, where it was asked for.
    """

    counts: Counts
    costs: dict[str, Costs]
    energy_reason: str | None
    warnings: tuple[str, ...]
    other_precision: tuple[int, ...] = ()
    unpriced: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    measured_s: float | None = None

    @property
    def latency_s(self) -> float | None:
        """Of one run of the program, in s; None where the calibration has no times."""
        return self._total("latency_s", "total")

    @property
    def latency_s_lo(self) -> float | None:
        """The lower end of its 90 % interval, in s."""
        return self._total("latency_s", "total_lower")

    @property
    def latency_s_hi(self) -> float | None:
        """The upper end of its 90 % interval, in s."""
        return self._total("latency_s", "total_upper")

    @property
    def energy_j(self) -> float | None:
        """Of one run of the program, in J; None, with `energy_reason`, where it is not known."""
        return self._total("energy_j", "total")

    @property
    def energy_j_lo(self) -> float | None:
        """The lower end of its 90 % interval, in J."""
        return self._total("energy_j", "total_lower")

    @property
    def energy_j_hi(self) -> float | None:
        """The upper end of its 90 % interval, in J."""
        return self._total("energy_j", "total_upper")

    latency = latency_s
    energy = energy_j

    def layers(self) -> list[dict[str, Any]]:
        """The rows of `Counts.layers` with what each costs for one run of `repeat`.

        A cost is None where it is not known: the calibration has none, or no price for the row.
        `other_precision` is the type of a product that the calibration was not measured in.
        """
        rows, places = self.counts.layers(), self.counts.rows_of_operations()
        for row in rows:
            known = {n + end: 0.0 if n in self.costs else None for n in _TARGETS for end in _ENDS}
            row.update(known, other_precision=None)
        for name, found in self.costs.items():
            for end, values in zip(_ENDS, (found.each, found.lower, found.upper)):
                for place, value in zip(places, values):
                    rows[place][name + end] += float(value)
            # A row is a product, or has none: one without a price has no other cost.
            for index in self.unpriced.get(name, ()):
                rows[places[index]].update(dict.fromkeys(name + end for end in _ENDS))
        for index in self.other_precision:
            rows[places[index]]["other_precision"] = self.counts.operations[index].dtype
        return rows

    def to_frame(self) -> "pd.DataFrame":
        """The rows of `layers` as a table; numbers are for one run of `repeat`."""
        import pandas as pd

        return pd.DataFrame(self.layers())

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        return on_screen.estimate(self)

    def training(
        self, *, steps: int, trials: int = 1, grams_per_kwh: float | None = None
    ) -> TrainingCost:
        """Hours, kWh and CO2 of trainings of so many such steps: see `training_cost`."""
        return training_cost(self, steps=steps, trials=trials, grams_per_kwh=grams_per_kwh)

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        record = self.counts.record()
        for name in _TARGETS:
            record |= {end: getattr(self, end) for end in (name, f"{name}_lo", f"{name}_hi")}
        layers = [row | {"output": list(row["output"])} for row in self.layers()]
        if self.measured_s is not None:
            record["measured_s"] = self.measured_s
        return record | {
            "energy_reason": self.energy_reason,
            "warnings": list(self.warnings),
            "layers": layers,
        }

    def _total(self, name: str, end: str) -> float | None:
        return float(getattr(self.costs[name], end)) if name in self.costs else None


def estimate(
    fn: Any,
    *args: Any,
    calibration: Calibration | str,
    backward: bool = False,
    step: str | None = None,
    trips: float | Sequence[float] | None = None,
    measure: bool = False,
    **kwargs: Any,
) -> ProgramEstimate:
    """Latency and energy of any JAX callable or model on a calibrated device; nothing is run.

    Args:
        fn, args, kwargs, backward, step, trips: as `jaxcost.count` takes them.
        calibration: one that was loaded, a file, or a preset; keyword-only.
        measure: whether to run it after all, on random numbers, and to say in `measured_s` how long
            that takes on this machine, which has to be the calibrated one; keyword-only.
    Returns: a `ProgramEstimate`, in seconds and joules, by layer and in total.
    Raises: ValueError: `fn` cannot be traced, or the calibration is not one of single layers, or
        not of this machine and `fn` is to be measured.
    """
    loaded = load_calibration(calibration) if isinstance(calibration, str) else calibration
    if measure:
        check_is_here(loaded)
    asked: dict[str, Any] = {"backward": backward, "step": step}
    found = estimate_counts(count(fn, *args, **asked, trips=trips, **kwargs), loaded)
    if not measure:
        return found
    return dataclasses.replace(found, measured_s=measure_program(fn, *args, **asked, **kwargs))


def estimate_counts(found: Counts, calibration: Calibration | str) -> ProgramEstimate:
    """The same of a program that was counted."""
    loaded = load_calibration(calibration) if isinstance(calibration, str) else calibration
    fitted = {name: loaded.models[t] for name, t in _TARGETS.items() if t in loaded.models}
    usable = {n: f for n, f in fitted.items() if isinstance(f.model, LayerwiseCost)}
    if not usable:
        raise ValueError(
            f"the calibration of {loaded.device.name} has no cost of single layers; "
            "make one with jaxcost calibrate"
        )
    costs = {name: program_costs(found, f, loaded.device) for name, f in usable.items()}
    reason = None if "energy_j" in costs else f"the calibration of {loaded.device.name} has none"
    others = _other_precision(found, usable)
    warnings = [*found.warnings, *_nothing(found), *other_device(loaded), *unsaid(usable)]
    warnings += loaded.unmeasured
    warnings += _precision_lines(found, usable, costs, others)
    unpriced = {name: _unpriced(found, f) for name, f in usable.items()}
    if any(unpriced.values()):
        warnings += _without_bandwidth(found)
    if "latency_s" in costs and found.operations:
        warnings += _gradients(found, usable["latency_s"], costs["latency_s"])
        warnings += outside(found, usable["latency_s"], costs["latency_s"])
        warnings += priced_by_bytes(found, costs["latency_s"], loaded.device.platform)
        warnings += priced_as_flat(found, costs["latency_s"])
        warnings += without_a_start(costs["latency_s"], usable["latency_s"])
    return ProgramEstimate(found, costs, reason, tuple(warnings), others, unpriced)


def _unpriced(found: Counts, fitted: Fitted) -> tuple[int, ...]:
    """Places of what moves bytes alone, where the model knows no bandwidth."""
    if hasattr(fitted.parts.get("memory-bound", fitted).model, "bandwidth"):
        return ()
    moving = enumerate(found.operations)
    return tuple(i for i, o in moving if o.work.sizes is None and o.bytes_moved > 0)


def _other_precision(found: Counts, fitted: Mapping[str, Fitted]) -> tuple[int, ...]:
    """The places of products in a precision in which not all was measured."""
    known = [{f.dtype} for f in fitted.values() if f.dtype]
    return tuple(
        i
        for i, o in enumerate(found.operations)
        if o.work.sizes is not None and any({o.dtype} != dtype for dtype in known)
    )


def _precision_lines(
    found: Counts, fitted: Mapping[str, Fitted], costs: Mapping[str, Costs], others: Sequence[int]
) -> list[str]:
    """A line for each precision that is priced as another, with its share of the cost."""
    name, of = next(iter(costs.items()))
    by_type: dict[str, list[int]] = {}
    for index in others:
        by_type.setdefault(found.operations[index].dtype, []).append(index)
    lines = []
    for dtype, places in by_type.items():
        part = sum(found.operations[i].repeat * of.each[i] for i in places)
        share = f"{part / max(of.total, 1e-300):.1%} of the {_WORDS[name]}"
        measured = fitted[name].dtype
        way = f"calibrate with --dtype {dtype}, or " if dtype in DTYPE_BYTES else ""
        lines.append(
            f"{len(places)} products in {dtype} ({share}) are priced as if in {measured}, which "
            f"the calibration was measured in; {way}give the model in {measured}"
        )
    return lines


def outside(found: Counts, fitted: Fitted, costs: Costs) -> list[str]:
    """What of the products' sizes lies outside what was measured, the costliest first: a line for
    all of which the same is said."""
    share, alike = _shares(found, costs), dict[str, list[int]]()
    lines = sizes_outside(found, fitted)
    for row in sorted(lines, key=lambda row: -share[row]):
        alike.setdefault(lines[row], []).append(row)
    groups = sorted(alike.items(), key=lambda one: -share[one[1]].sum())
    said = []
    for words, rows in groups[:MOST_LINES]:
        first = found.operations[rows[0]].name or "a layer without a name"
        others = f" and {text.count(len(rows) - 1, 'more layer')}" if len(rows) > 1 else ""
        part = f"({share[rows].sum():.1%} of the time) {'lie' if others else 'lies'}"
        said.append(f"{first}{others} {part} outside the calibration: {words}")
    if rest := [row for _, rows in groups[MOST_LINES:] for row in rows]:
        part = f"{share[rest].sum():.1%} of the time"
        said.append(f"{text.count(len(rest), 'more layer')} ({part}) outside it")
    return said


def share_outside(found: Counts, fitted: Fitted, costs: Costs) -> float:
    """The share of the cost, from 0 to 1, of the products whose sizes lie outside."""
    return float(_shares(found, costs)[list(sizes_outside(found, fitted))].sum())


def _shares(found: Counts, costs: Costs) -> np.ndarray:
    """What share of the cost each operation has, in all its runs, `(operations,)`."""
    return costs.each * np.array([o.repeat for o in found.operations]) / max(costs.total, 1e-300)


def sizes_outside(found: Counts, fitted: Fitted) -> dict[int, str]:
    """In words, by operation, what of a product lies outside what was measured."""
    if not found.operations:
        return {}
    products = np.array([o.work.sizes is not None for o in found.operations])
    return sizes_of_layers_outside(found.workload()[: len(products)], fitted, products)


def _gradients(found: Counts, fitted: Fitted, costs: Costs) -> list[str]:
    """Says that gradients of convolutions are priced as convolutions, where none was measured."""
    measured = [SORTS[sort].holds for sort in fitted.parts]
    layers = found.workload()[: len(found.operations)]
    unseen = np.asarray(layers.gradient > 0)
    for holds in measured:
        unseen = unseen & ~np.asarray(holds(layers))
    share = (costs.each * unseen) @ [o.repeat for o in found.operations] / max(costs.total, 1e-300)
    if share < _NOTED:
        return []
    line = (
        f"{unseen.sum()} gradients of convolutions ({share:.0%} of the time) are priced as "
        "convolutions, since the calibration has measured none: on a CPU they take up to nine "
        "times as long; calibrate with --for this program or --preset standard, or try --measure"
    )
    return [line]


def _without_bandwidth(found: Counts) -> list[str]:
    """Says that what is no product is left out, where the model has no price for it."""
    left_out = sum(o.repeat * o.bytes_moved for o in found.operations if o.work.sizes is None)
    line = (
        f"operations that are no product ({left_out:.3g} bytes) are left out: the calibration's "
        "model knows no bandwidth; make one with jaxcost calibrate"
    )
    return [line]


def _nothing(found: Counts) -> list[str]:
    """Says why a cost of 0 is one where something is computed: what is known does nothing."""
    if not found.unknown or any(o.repeat * (o.flops + o.bytes_moved) for o in found.operations):
        return []
    return ["the cost of 0 is of what is known alone: all that computes is unknown"]


def check_is_here(calibration: Calibration) -> None:
    """ValueError where a program that is measured here cannot be held against a calibration."""
    for line in other_device(calibration):
        raise ValueError(f"nothing to measure against: {line}; calibrate here, or do not measure")


def other_device(calibration: Calibration) -> list[str]:
    """A line where a calibration is not of this machine."""
    if may_be_here(calibration.device):
        return []
    return [f"the calibration is of {calibration.device.kind}, not of this machine"]

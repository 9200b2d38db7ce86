"""An estimate for a person to read, and for a file: always marked as estimated, not measured."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost._support import text
from jaxcost.app.report.tables import Table
from jaxcost.calibrate.data_sheet import Estimate
from jaxcost.workload import counts

if TYPE_CHECKING:
    import pandas as pd

MARK = "estimate from data sheets, not measured"
_COUNTS = ("flops", "macs", "parameters", "bytes_moved")


@dataclasses.dataclass(frozen=True)
class Use:
    """How many inferences there are, and what their electricity emits: g/kWh, None if not said."""

    inferences: float = 1.0
    grams_per_kwh: float | None = None

    def kwh(self, found: Estimate) -> float | None:
        """Of all inferences."""
        return None if found.kwh is None else found.kwh * self.inferences

    def hours(self, found: Estimate) -> float | None:
        """Of all inferences, one after the other."""
        return None if found.latency is None else found.latency * self.inferences / 3600

    def carbon(self, found: Estimate) -> float | None:
        """kg of CO2 of all inferences; None unless energy and intensity are known."""
        if self.grams_per_kwh is None:
            return None
        once = found.carbon(self.grams_per_kwh)
        return None if once is None else once * self.inferences


def table(found: Estimate, use: Use) -> Table:
    """The estimate in two columns."""
    rows = [("arithmetic", text.quantity(found.flops, "FLOP")), *_assumed(found)]
    if found.latency is not None:
        rows.append(("time", text.quantity(found.latency, "s")))
    rows += [*_energy(found), *_of_all(found, use)]
    rows.append(("figures from", str(found.assumptions["source"])))
    return Table(("", ""), tuple(rows), (False, False))


def record(found: Estimate, use: Use, layers: pd.DataFrame | None) -> dict[str, Any]:
    """The estimate as JSON holds it; `layers` is the table it was counted from, if any."""
    kwh, carbon = use.kwh(found), use.carbon(found)
    return {
        "kind": MARK,
        "basis": found.basis,
        **_counted(found, layers),
        "latency_s": found.latency,
        "latency_s_lo": None,
        "latency_s_hi": None,
        "energy_j": found.energy,
        "energy_j_lo": found.energy_lower,
        "energy_j_hi": found.energy_upper,
        "energy_reason": found.energy_reason,
        "inferences": use.inferences,
        "hours": use.hours(found),
        "energy_kwh": kwh,
        "carbon_intensity_g_per_kwh": use.grams_per_kwh,
        "co2_kg": carbon,
        "co2_reason": _no_carbon(found, use),
        "assumptions": found.assumptions,
        "warnings": list(found.warnings),
    }


def _no_carbon(found: Estimate, use: Use) -> str | None:
    if use.grams_per_kwh is None:
        return "no carbon intensity was given (--carbon-intensity)"
    return found.energy_reason


def _assumed(found: Estimate) -> list[tuple[str, str]]:
    given = found.assumptions
    if "line" in given:
        efficiency = text.quantity(given["efficiency_flop_per_j"], "FLOP/J")
        return [("assumed", f"{efficiency}, a GPU of {given['date']}")]
    peak = text.quantity(given["peak_flop_per_s"], "FLOP/s")
    return [("assumed", f"{given['assumed_share_of_peak']:.3g} of the peak {peak}")]


def _energy(found: Estimate) -> list[tuple[str, str]]:
    if found.energy is None:
        return [("energy", f"{text.NONE} {found.energy_reason}")]
    rows = [("energy", text.quantity(found.energy, "J"))]
    if found.energy_lower is not None and found.energy_upper is not None:
        ends = text.interval(found.energy_lower, found.energy_upper, "J")
        rows.append(("90 % interval", ends))
    return rows


def _of_all(found: Estimate, use: Use) -> list[tuple[str, str]]:
    hours, kwh, carbon = use.hours(found), use.kwh(found), use.carbon(found)
    rows = []
    if hours is not None and use.inferences != 1:
        rows.append(("", f"{hours:.3g} h"))
    if kwh is not None:
        rows.append(("", f"{kwh:.3g} kWh"))
    if carbon is not None:
        rows.append(("", f"{carbon:.3g} kg CO2 at {use.grams_per_kwh:g} g/kWh"))
    many = "one inference" if use.inferences == 1 else f"{use.inferences:,.0f} inferences"
    return [(many if place == 0 else "", words) for place, (_, words) in enumerate(rows)]


def _counted(found: Estimate, layers: pd.DataFrame | None) -> dict[str, Any]:
    """What `count` says; where FLOPs alone are given, the rest is not known."""
    if layers is None:
        nothing = dict.fromkeys(_COUNTS[1:])
        return {"flops": found.flops, **nothing, "unknown": [], "layers": []}
    work = found.workload
    each = {name: _floats(getattr(counts, name)(work)) for name in _COUNTS}
    repeat = _floats(work.repeat)
    rows = [
        {
            "name": str(row.get("name", f"layer {index + 1}")),
            "op": row["op"],
            **{name: float(each[name][index]) for name in _COUNTS},
            "repeat": float(repeat[index]),
            "latency_s": _share(found.latency, found, each["flops"][index]),
            "energy_j": _share(found.energy, found, each["flops"][index]),
        }
        for index, row in enumerate(layers.to_dict("records"))
    ]
    totals = {name: float((repeat * each[name]).sum()) for name in _COUNTS}
    return {**totals, "unknown": [], "layers": rows}


def _share(total: float | None, found: Estimate, flops: float) -> float | None:
    """What of a total falls to a layer: all is in proportion to FLOPs."""
    return None if total is None else total * float(flops) / found.flops


def _floats(values: Any) -> np.ndarray:
    return np.asarray(values, np.float64)

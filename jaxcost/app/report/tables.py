"""The tables of a report, as text in cells: the terminal and the page show the same ones."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost._support import text
from jaxcost.app.report.layers import KINDS
from jaxcost.app.report.study import Study, repeats_of
from jaxcost.calibrate.features import SORTS
from jaxcost.calibrate.fit import Accuracy, Estimate
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.on_screen import WAYS
from jaxcost.calibrate.units import QUANTITIES
from jaxcost.device import Device
from jaxcost.models.base import parameters_of

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Table:
    """Columns, and rows of as many cells; `right` says which columns hold numbers.

    `strong` is the row to be shown bold, `note` a line that says how to read the table.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[bool, ...]
    strong: int | None = None
    note: str = ""


def of_sort(fitted: Fitted, part: Fitted) -> str:
    """Which layers a part of a calibration's target is of, where it has several."""
    return f", {SORTS[part.sort].words}" if fitted.apart else ""


def name_of(fitted: Fitted, part: Fitted) -> str:
    """The model of a part of a calibration's target, and which layers it is of."""
    return part.name + ("" if part.name == part.sort else of_sort(fitted, part))


def warnings(fitted: Fitted) -> list[str]:
    """What the data of a calibration's target leave open or contradict, a line each.

    All parameters of a model that stay near what is believed of them are one line.
    """
    lines: list[str] = []
    for part in fitted.parts.values():
        if not part.errors:  # carried over from another device: there are no data
            lines += part.warnings
            continue
        believed = {p.name for p in parameters_of(part.model) if p.spread is not None}
        left = [e.name for e in part.estimates if e.name in believed and not e.determined]
        said = tuple(f"{name} (" for name in left)
        lines += [line for line in part.warnings if not line.startswith(said)]
        if left:
            lines.append(
                f"{name_of(fitted, part)}: these data do not determine "
                f"{', '.join(left)} (* above), which stay near what is usual: layers that depend "
                "on them are less certain, until some are measured"
            )
    return lines


def accuracy(fitted: Fitted, of: str = "layers") -> Table:
    """The chosen model's errors: in sample, cross-validated, held out, as far as they are known."""
    sweeps = {"sweeps": "networks left out"} if of == "runs" else {}
    ways = WAYS | sweeps
    named = {
        f"{ways[way]}{of_sort(fitted, part)}": part.errors[way]
        for part in fitted.parts.values()
        for way in WAYS
        if way in part.errors
    }
    repeated = [a for a in named.values() if a.layers is not None]
    return Table(
        ("predicted", of, "mean error", "median error", "within ±10 %"),
        tuple((name, str(a.distinct), *_sizes(a)) for name, a in named.items()),
        (False, True, True, True, True),
        note=f"In {max(a.rows for a in repeated)} rows: each of the {of} counts once."
        if repeated else "",
    )  # fmt: skip


def models(fitted: Fitted, of: str = "layers") -> Table:
    """The chosen model beside the others: median error and share within ±10 %, by way."""
    names = WAYS | ({"sweeps": "networks left out"} if of == "runs" else {})
    ways = [way for way in WAYS if way in fitted.errors]
    named = {f"{fitted.name}, corrected": fitted.errors} if fitted.correction is not None else {}
    named |= {fitted.name: fitted.model_errors} | fitted.baselines
    return Table(
        ("model", *(names[way] for way in ways)),
        tuple((name, *(_pair(errors.get(way)) for way in ways)) for name, errors in named.items()),
        (False, *(True for _ in ways)),
        strong=0,
        note=f"Median error · share of {of} within ±10 %.",
    )


def parameters(fitted: Fitted) -> Table:
    """The parameters with their 90 % intervals and what they mean."""
    return Table(
        ("parameter", "value", "90 % interval", "unit", "meaning"),
        tuple(_parameter(e) for e in fitted.estimates),
        (False, True, True, False, False),
        note="" if all(e.determined for e in fitted.estimates) else
        "* not determined by these data; see the warnings.",
    )  # fmt: skip


def by_kind(study: Study) -> Table:
    """The errors by kind of layer, of predictions by a fit that had not seen the layer."""
    rows = study.table[np.isfinite(study.table["unseen"])]
    found = {kind: rows[rows["kind"] == kind] for kind in KINDS}
    return Table(
        ("kind of layer", "layers", "mean error", "median error", "within ±10 %"),
        tuple(
            (kind, str(a.distinct), *_sizes(a))
            for kind, a in ((kind, accuracy_of(part)) for kind, part in found.items() if len(part))
        ),
        (False, True, True, True, True),
    )  # fmt: skip


def held_out(study: Study, most: int | None = None) -> Table:
    """Held-out layers, predicted against measured; `most` of them, evenly by measured cost."""
    rows = study.held_out.sort_values("measured")
    places = np.arange(len(rows))
    if most is not None and len(rows) > most:
        places = np.linspace(0, len(rows) - 1, most).round().astype(int)
    unit = QUANTITIES[study.target][1]
    return Table(
        ("kind", "layer", "measured", "predicted", "90 % interval", "error"),
        tuple(_held_out(row, unit) for row in rows.iloc[places].to_dict("records")),
        (False, False, True, True, True, True),
        note="Layers as batch × height × width × channels → channels out, kernel.",
    )


def unmeasured(study: Study) -> Table:
    """What could not be measured, and why: a row for each status, with the reason of the first."""
    rows = study.unmeasured
    groups = [] if rows is None else list(rows.groupby("status", sort=True))
    return Table(
        ("status", "layers", "for example"),
        tuple(
            (str(status), str(len(part)), f"{part['sizes'].iloc[0]}: {part['error'].iloc[0]}")
            for status, part in groups
        ),
        (False, True, False),
    )


def device(found: Device) -> Table:
    """A device, a row for each thing known of it."""
    return Table(("", ""), tuple(_device_facts(found).items()), (False, False))


def facts(values: Mapping[str, Any]) -> Table:
    """Names and values, such as a calibration's provenance."""
    known = {name: value for name, value in values.items() if value is not None}
    rows = tuple((name.replace("_", " "), str(value)) for name, value in known.items())
    return Table(("", ""), rows, (False, False))


def memory(found: Device) -> str:
    """The levels of a device's memory: `L1 32 KiB × 2, RAM 8 GiB`; a dash where none is known."""
    levels = [
        f"{m.name} {text.storage(float(m.bytes_per_unit))}"
        + (f" × {float(m.units):.0f}" if m.units > 1 else "")
        for m in found.memory
    ]
    return ", ".join(levels) or text.NONE


def accuracy_of(rows: "pd.DataFrame") -> Accuracy:
    """The accuracy of the column `unseen` of a study's table."""
    return Accuracy.of(np.log(rows["unseen"]), np.log(rows["measured"]), repeats_of(rows))


def _sizes(a: Accuracy) -> tuple[str, str, str]:
    return (
        text.error(a.mean_absolute),
        text.error(a.median_absolute),
        text.share(a.within_10_percent),
    )


def _pair(a: Accuracy | None) -> str:
    if a is None:
        return text.NONE
    return f"{text.error(a.median_absolute)} · {text.share(a.within_10_percent):>5}"


def _parameter(e: Estimate) -> tuple[str, ...]:
    (value, lower, upper), unit = text.scaled(e.unit, e.value, e.lower, e.upper)
    interval = text.NONE if e.lower == e.upper else f"{lower} to {upper}"
    return e.name + ("" if e.determined else " *"), value, interval, unit, e.doc


def _held_out(row: Mapping[Any, Any], unit: str) -> tuple[str, ...]:
    return (
        row["kind"],
        row["sizes"],
        text.quantity(row["measured"], unit),
        text.quantity(row["predicted"], unit),
        text.interval(row["lower"], row["upper"], unit),
        text.signed(row["predicted"] / row["measured"] - 1),
    )


def _device_facts(found: Device) -> dict[str, str]:
    units = "cores" if found.platform == "cpu" else "multiprocessors"
    known = {
        "name": found.name,
        "kind": found.kind,
        "platform": found.platform,
        units: found.compute_units and f"{float(found.compute_units):.0f}",
        "memory": memory(found) if found.memory else None,
        "peak": found.peak_flops and text.quantity(float(found.peak_flops), "FLOP/s"),
        "bandwidth": found.bandwidth and text.quantity(float(found.bandwidth), "B/s"),
        "design power": found.design_power and text.quantity(float(found.design_power), "W"),
    }
    return {name: str(value) for name, value in known.items() if value is not None}

"""Counts and estimates on one screen: the whole in a few lines, and the largest layers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jaxcost._support import text
from jaxcost.trace.names import NO_NAME

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.trace.comparison import Comparison
    from jaxcost.trace.counts import Counts
    from jaxcost.trace.estimate import ProgramEstimate
    from jaxcost.trace.roofline import Roofline
    from jaxcost.trace.training_cost import TrainingCost


def counts(found: "Counts") -> "tuple[list[str], pd.DataFrame]":
    """What is counted, and the layers with most FLOPs, each in all its runs."""
    import pandas as pd

    rows = sorted(found.layers(), key=lambda row: -row["repeat"] * row["flops"])
    table = pd.DataFrame([_layer(row) | _counted(row) for row in rows])
    return [f"Counts: {_totals(found)}", *_unknown(found)], table


def estimate(found: "ProgramEstimate") -> "tuple[list[str], pd.DataFrame]":
    """Latency and energy with their intervals, and the layers that take most."""
    import pandas as pd

    lines, named = [], (("latency_s", "latency", "s"), ("energy_j", "energy", "J"))
    for name, label, unit in named:
        if name in found.costs:
            of = found.costs[name]
            ends = text.interval(of.total_lower, of.total_upper, unit)
            lines.append(f"{label} {text.quantity(of.total, unit)}, 90 % interval {ends}")
    main, _, unit = next(one for one in named if one[0] in found.costs)
    rows = sorted(found.layers(), key=lambda row: -row["repeat"] * (row[main] or 0.0))
    table = pd.DataFrame([_layer(row) | _cost(row, main, unit) for row in rows])
    lines[0] = f"Estimate: {lines[0]}"
    of_counts = (_totals(found.counts), *_unknown(found.counts))
    return [*lines, *of_counts, *warned(found.warnings)], table


def roofline(found: "Roofline") -> "tuple[list[str], pd.DataFrame]":
    """The ceiling, and the layers that take longest."""
    import pandas as pd

    peak = text.quantity(found.ceilings.peak_flops, "FLOP/s")
    rows = [
        {"layer": point.name, "op": point.op, "FLOP/B": text.significant(point.intensity)}
        | {found.kind: text.quantity(point.flops_per_s, "FLOP/s")}
        | {"bound by": found.bound_by(point), "share": text.error(point.share)}
        for point in found.points
    ]
    lines = [f"Roofline: {text.count(len(rows), 'layer')} under {peak}, {found.ceilings.basis}"]
    return [*lines, *warned(found.warnings)], pd.DataFrame(rows)


def comparison(found: "Comparison") -> "tuple[list[str], pd.DataFrame]":
    """What is counted, and a row a calibration with its latency and energy."""
    import pandas as pd

    rows = []
    for row in found.rows():
        cells = {"calibration": row["calibration"]}
        for name, unit in (("latency_s", "s"), ("energy_j", "J")):
            known = row[name] is not None
            ends = (row[f"{name}_lo"], row[f"{name}_hi"])
            cells[name] = text.quantity(row[name], unit) if known else text.NONE
            cells[f"{name}, 90 %"] = text.interval(*ends, unit) if known else text.NONE
        rows.append(cells | {"outside": text.share(row["outside"])})
    return [f"Comparison: {_totals(found.counts)}", *_unknown(found.counts)], pd.DataFrame(rows)


def training(found: "TrainingCost") -> "tuple[list[str], pd.DataFrame]":
    """What all trainings take, a line each."""
    import pandas as pd

    lines = [f"{text.count(found.trials, 'training')} of {found.steps:,} steps"]
    for ends, unit in ((found.hours, "h"), (found.kwh, "kWh"), (found.co2_kg, "kg CO2")):
        if ends is not None:
            value, lower, upper = map(text.significant, ends)
            lines.append(f"{value} {unit}, 90 % interval {lower} to {upper} {unit}")
    reason = [f"no energy: {found.energy_reason}"] if found.energy_reason else []
    return [*lines, *reason], pd.DataFrame()


def warned(warnings: Sequence[str]) -> list[str]:
    """Where the warnings are, if there are any."""
    return [f"{text.count(len(warnings), 'warning')}: see warnings"] if warnings else []


def _totals(found: "Counts") -> str:
    return (
        f"{text.quantity(found.flops, 'FLOP')}, {found.parameters:,} parameters, "
        f"{text.storage(found.bytes_moved)} moved, {text.storage(found.peak_bytes)} at the peak"
    )


def _unknown(found: "Counts") -> list[str]:
    names = ", ".join(sorted({unknown.primitive for unknown in found.unknown}))
    return [f"lower bounds: what {names} does is not known"] if names else []


def _layer(row: dict[str, Any]) -> dict[str, str]:
    output = "×".join(map(str, row["output"]))
    return {"layer": row["name"] or NO_NAME, "op": row["op"], "output": output}


def _counted(row: dict[str, Any]) -> dict[str, str]:
    many = row["repeat"]
    return {
        "FLOPs": text.quantity(many * row["flops"], "") if row["flops"] else "0",
        "parameters": f"{many * row['parameters']:,.0f}",
        "bytes": text.storage(many * row["bytes_moved"]),
    }


def _cost(row: dict[str, Any], main: str, unit: str) -> dict[str, str]:
    if row[main] is None:
        return {main: "unknown", "90 % interval": ""}
    many = row["repeat"]
    ends = text.interval(many * row[f"{main}_lo"], many * row[f"{main}_hi"], unit)
    return {main: text.quantity(many * row[main], unit), "90 % interval": ends}

"""Counts and estimates on one screen: the whole in a few lines, and the largest layers."""

from typing import TYPE_CHECKING, Any

from jaxcost._support import text
from jaxcost.trace.names import NO_NAME

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.trace.counts import Counts
    from jaxcost.trace.estimate import ProgramEstimate


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
    many = len(found.warnings)
    warned = [f"{text.count(many, 'warning')}: see warnings"] if many else []
    lines[0] = f"Estimate: {lines[0]}"
    return [*lines, _totals(found.counts), *_unknown(found.counts), *warned], table


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

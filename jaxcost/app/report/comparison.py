"""One program on several devices, for a person to read."""

from typing import Any

from jaxcost._support import text
from jaxcost.app.report.tables import Table
from jaxcost.trace.comparison import Comparison


def devices(found: Comparison) -> Table:
    """A row a calibration; the fastest is strong."""
    rows = found.rows()
    names = [row["calibration"] for row in rows]
    return Table(
        (
            "calibration",
            "latency",
            "90 % interval",
            "× fastest",
            "energy",
            "90 % interval",
            "outside",
        ),
        tuple(_cells(row) for row in rows),
        (False, *(True,) * 6),
        strong=None if found.fastest is None else names.index(found.fastest),
        note="Outside: the share of the cost that is of layers outside what was measured. Devices "
        "whose intervals overlap are not told apart for certain.",
    )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    times = row["times_fastest"]
    return (
        row["calibration"],
        *_cost(row, "latency_s", "s"),
        text.NONE if times is None else text.significant(times),
        *_cost(row, "energy_j", "J"),
        text.share(row["outside"]),
    )


def _cost(row: dict[str, Any], name: str, unit: str) -> tuple[str, str]:
    if row[name] is None:
        return text.NONE, text.NONE
    ends = text.interval(row[f"{name}_lo"], row[f"{name}_hi"], unit)
    return text.quantity(row[name], unit), ends

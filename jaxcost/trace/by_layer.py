"""What each layer of a program has in all, from the rows of `Counts` and of an estimate."""

from collections.abc import Iterable, Mapping
from typing import Any

from jaxcost.trace.names import NO_NAME


def layer_name(row: Mapping[str, Any]) -> str:
    """What a row's layer is called; where nothing names it, its kind of operation."""
    return str(row["name"]) or f"{NO_NAME} {row['op']}"


def by_layer(rows: Iterable[Mapping[str, Any]], quantity: str) -> dict[str, float]:
    """A quantity of each layer, over all its runs, largest first; unknown amounts are left out.

    Args: rows: as `Counts.layers` or `ProgramEstimate.layers` give them, for one run of `repeat`.
    """
    found: dict[str, float] = {}
    for row in rows:
        if row[quantity] is not None:
            name = layer_name(row)
            found[name] = found.get(name, 0.0) + row["repeat"] * row[quantity]
    return dict(sorted(found.items(), key=lambda item: -item[1]))

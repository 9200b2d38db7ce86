"""Which layers to measure next, for a person to read."""

import dataclasses

from jaxcost._support import text
from jaxcost.app.report.layers import describe
from jaxcost.app.report.tables import Table
from jaxcost.trace.unsure_layers import Ends, Unsure, UnsureLayer

_MOST = 20  # layers, those that are to be measured first


def whole(found: Unsure) -> Table:
    """The program's latency, and its interval as it is and as it would be at best."""
    rows = (
        ("latency", text.quantity(found.latency_s, "s"), ""),
        ("90 % interval", *_interval(found, found.interval)),
        ("were all measured", *_interval(found, found.all_measured)),
    )
    return Table(("", "", ""), rows, (False, True, True))


def layers(found: Unsure) -> Table:
    """A row a layer, those that narrow the interval most first."""
    rows = [_cells(found, row) for row in found.layers[:_MOST]]
    if rest := found.layers[_MOST:]:
        share = text.error(sum(row.share for row in rest))
        rows.append((text.count(len(rest), "further row"), *("",) * 3, share, "", ""))
    columns = ("layer", "times", "latency", "90 % interval", "share", "known", "then")
    note = (
        "Latency: of one of them. Share: of the program, all of them. Then: the program's "
        "half-width, were it measured."
    )
    return Table(columns, tuple(rows), (False, True, True, True, True, False, True), note=note)


def half_width(share: float) -> str:
    """Half an interval as a share of what it is of: `±12.3 %`."""
    return f"±{text.error(share)}"


def _interval(found: Unsure, ends: Ends) -> tuple[str, str]:
    return text.interval(ends.lower, ends.upper, "s"), half_width(found.share(ends))


def _cells(found: Unsure, row: UnsureLayer) -> tuple[str, ...]:
    return (
        in_words(row),
        f"{row.occurrences:g}",
        text.quantity(row.latency_s, "s"),
        text.interval(row.latency_s_lo, row.latency_s_hi, "s"),
        text.error(row.share),
        row.known,
        half_width(found.share(row.measured)) if row.layer else text.NONE,
    )


def in_words(row: UnsureLayer) -> str:
    """Its sizes; of what no table holds, its kind of operation and the first name."""
    if row.layer is not None:
        return describe(dataclasses.asdict(row.layer))
    first, more = row.names[:1], len(row.names) - 1
    named = (", ".join(first) + (f" and {more} more" if more > 0 else "")) if first else ""
    return f"{row.op} ({named})" if named else row.op

"""A program's layers under a roofline, for a person to read."""

from jaxcost._support import text
from jaxcost.app.report.tables import Table
from jaxcost.trace.roofline import Roofline

_MOST = 20  # layers, those that take longest


def layers(found: Roofline) -> Table:
    """A row a layer, those that take longest first; what fusion leaves nothing of shares a row."""
    timed = [point for point in found.points if point.time_s]
    rows = [
        (
            point.name,
            point.op,
            text.significant(point.intensity),
            text.quantity(point.flops_per_s, "FLOP/s"),
            found.bound_by(point),
            text.quantity(point.time_s, "s"),
            text.error(point.share),
        )
        for point in timed[:_MOST]
    ]
    if rest := timed[_MOST:]:
        share = text.error(sum(point.share for point in rest))
        rows.append((text.count(len(rest), "smaller layer"), *("",) * 5, share))
    if fused := len(found.points) - len(timed):
        rows.append((f"{text.count(fused, 'layer')} fused into others", *("",) * 6))
    columns = ("layer", "op", "FLOP/B", found.kind, "bound by", "time", "share")
    note = f"Ceiling: {text.quantity(found.ceilings.peak_flops, 'FLOP/s')}, {found.ceilings.basis}."
    places = (False, False, True, True, False, True, True)
    return Table(columns, tuple(rows), places, note=note)

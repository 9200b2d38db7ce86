"""What a traced program costs, for a person to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxcost._support import text
from jaxcost.app.report.counts import keys, shape_words
from jaxcost.app.report.tables import Table
from jaxcost.trace.names import NO_NAME

if TYPE_CHECKING:
    from jaxcost.trace.estimate import ProgramEstimate
    from jaxcost.trace.training_cost import TrainingCost

_LEAST = 0.001  # of the whole: layers that cost less share a row


def layers(found: ProgramEstimate) -> Table:
    """A row a layer, in the program's order, with its latency (or energy) and 90 % interval.

    Those that the calibration has no price for are one row at the end, whose cost is unknown.
    """
    main = "latency_s" if "latency_s" in found.costs else "energy_j"
    every = found.layers()
    rows = [row for row in every if row[main] is not None]
    total = max(found.costs[main].total, 1e-300)
    shares = [row["repeat"] * row[main] / total for row in rows]
    cells = [_cells(row, main, s) for row, s in zip(rows, shares) if s >= _LEAST]
    rest = [(row, s) for row, s in zip(rows, shares) if s < _LEAST]
    if rest:
        seconds = sum(row["repeat"] * row[main] for row, _ in rest)
        of_all = sum(s for _, s in rest)
        name = text.count(len(rest), "smaller row")
        unit = "s" if main == "latency_s" else "J"
        took = text.quantity(seconds, unit)
        cells.append((name, text.NONE, text.NONE, "", took, "", _share(of_all)))
    if unpriced := len(every) - len(rows):
        name = text.count(unpriced, "unpriced row")
        cells.append((name, text.NONE, text.NONE, "", "unknown", "", "unknown"))
    head = "latency" if main == "latency_s" else "energy"
    columns = ("layer", "op", "output", "FLOPs", head, "90 % interval", "share")
    return Table(columns, tuple(cells), (False, False, False, *(True,) * 4))


def groups(found: ProgramEstimate, by: str) -> Table:
    """A row a module, or a kind of operation, the dearest first: one of `counts.BY`."""
    main = "latency_s" if "latency_s" in found.costs else "energy_j"
    unit = "s" if main == "latency_s" else "J"
    rows = found.layers()
    summed: dict[str, list[float]] = {}
    for row, name in zip(rows, keys(rows, by)):
        into = summed.setdefault(name, [0.0, 0.0])
        into[0] += row["repeat"] * row["flops"]
        into[1] += row["repeat"] * (row[main] or 0.0)
    total = max(found.costs[main].total, 1e-300)
    cells = [
        (
            name,
            text.quantity(flops, "") if flops else "0",
            text.quantity(cost, unit) if cost else "0",
            _share(cost / total),
        )
        for name, (flops, cost) in sorted(summed.items(), key=lambda item: -item[1][1])
    ]
    unpriced = sum(row[main] is None for row in rows)
    if unpriced:
        cells.append((text.count(unpriced, "unpriced row"), "", "unknown", "unknown"))
    head = "latency" if main == "latency_s" else "energy"
    return Table((by, "FLOPs", head, "share"), tuple(cells), (False, True, True, True))


def totals(found: ProgramEstimate) -> Table:
    """Latency and energy of the whole program, and what it computes."""
    counted = found.counts
    rows = (
        *costs(found).rows,
        ("FLOPs", text.quantity(counted.flops, "FLOP"), ""),
        ("parameters", f"{counted.parameters:,}", ""),
        ("peak memory, unfused, estimated", text.storage(counted.peak_bytes), ""),
    )
    return Table(("", "", ""), rows, (False, True, False))


def costs(found: ProgramEstimate) -> Table:
    """Latency and energy of the whole program, with their 90 % intervals."""
    rows: list[tuple[str, str, str]] = []
    for name, label, unit in (("latency_s", "latency", "s"), ("energy_j", "energy", "J")):
        if name in found.costs:
            of = found.costs[name]
            ends = text.interval(of.total_lower, of.total_upper, unit)
            rows.append((label, text.quantity(of.total, unit), f"90 % interval {ends}"))
        elif name == "energy_j":
            rows.append((label, text.NONE, found.energy_reason or ""))
    if found.measured_s is not None:
        rows.append(("measured here", text.quantity(found.measured_s, "s"), _held(found)))
    return Table(("", "", ""), tuple(rows), (False, True, False))


def training(found: TrainingCost) -> Table:
    """Hours, kWh and CO2 of trainings, with their 90 % intervals."""
    rows = []
    for label, ends, unit in (
        ("time", found.hours, "h"),
        ("energy", found.kwh, "kWh"),
        ("emitted", found.co2_kg, "kg CO2"),
    ):
        if ends is not None:
            value, lower, upper = map(text.significant, ends)
            rows.append((label, f"{value} {unit}", f"90 % interval {lower} to {upper} {unit}"))
        elif label == "energy":
            rows.append((label, text.NONE, found.energy_reason or ""))
    return Table(("", "", ""), tuple(rows), (False, True, False))


def _held(found: ProgramEstimate) -> str:
    """What was measured beside what was estimated."""
    lower, estimated, upper = found.latency_s_lo, found.latency_s, found.latency_s_hi
    if not (found.measured_s and estimated and lower and upper):
        return ""
    where = "inside" if lower <= found.measured_s <= upper else "outside"
    return f"{found.measured_s / estimated:.2f} times the estimate, {where} its interval"


def _cells(row: dict[str, Any], main: str, share: float) -> tuple[str, ...]:
    unit = "s" if main == "latency_s" else "J"
    many = row["repeat"]
    ends = (many * row[f"{main}_lo"], many * row[f"{main}_hi"])
    repeated = f" (× {many:g})" if many != 1 else ""
    return (
        (row["name"] or NO_NAME) + repeated,
        row["op"] + (f" in {row['other_precision']} (!)" if row["other_precision"] else ""),
        shape_words(row["output"]),
        text.quantity(many * row["flops"], "") if row["flops"] else "0",
        text.quantity(many * row[main], unit),
        text.interval(*ends, unit),
        _share(share),
    )


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"

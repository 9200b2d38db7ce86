"""What a profile says of a program's layers, for a person to read."""

from jaxcost._support import text
from jaxcost.app.report.layers import describe
from jaxcost.app.report.tables import Table
from jaxcost.trace.profile.imported import ImportedTrace

_MOST = 20  # kernels, those that took longest


def whole(found: ImportedTrace) -> Table:
    """The time of the program's kernels, what of it is in the table, and why the rest is not."""
    calls = "not known; --calls" if found.calls is None else f"{found.calls}"
    total = found.total_s / (found.calls or 1)
    of_one = "all calls" if found.calls is None else "one call"
    rows = [
        ("program", found.module, ""),
        ("calls", calls, ""),
        (f"time of the kernels, {of_one}", text.quantity(total, "s"), ""),
        ("of layers in the table", text.error(found.matched), ""),
        *((f"left out: {why}", text.error(share), "") for why, share in found.reasons().items()),
    ]
    return Table(("", "", ""), tuple(rows), (False, True, False))


def kernels(found: ImportedTrace) -> Table:
    """A row a kernel, those that took longest first, with its layer or why it has none."""
    rows = []
    for kernel, match in found.kernels[:_MOST]:
        known = describe(match.layer.row()) if match.layer else ""
        layer = "; ".join(filter(None, (known, match.reason)))
        time, share = text.quantity(kernel.time_s, "s"), kernel.total_s / (found.total_s or 1.0)
        rows.append((kernel.op, layer, match.name, f"{kernel.runs}", time, text.error(share)))
    if rest := found.kernels[_MOST:]:
        share = sum(kernel.total_s for kernel, _ in rest) / (found.total_s or 1.0)
        rows.append((text.count(len(rest), "further kernel"), *("",) * 4, text.error(share)))
    columns = ("kernel", "layer", "name", "runs", "time", "share")
    return Table(columns, tuple(rows), (False, False, False, True, True, True))

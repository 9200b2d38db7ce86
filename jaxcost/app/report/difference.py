"""What changed between two programs, for a person to read."""

from jaxcost._support import text
from jaxcost.app.report.tables import Table
from jaxcost.trace.difference import Change, Difference
from jaxcost.trace.limits import in_words

_MOST = 30  # layers, those that changed most


def totals(found: Difference) -> Table:
    """A row a quantity that either program knows."""
    rows = [
        (name, *_both(name, change), *_by(name, change))
        for name, change in found.totals.items()
        if (change.before, change.after) != (None, None)
    ]
    if any(found.unknown):
        before, after = (f"{many:g}" for many in found.unknown)
        rows.append(("unknown operations", before, after, "", ""))
    return Table(("", "A", "B", "change", ""), tuple(rows), (False, *(True,) * 4))


def layers(found: Difference) -> Table:
    """A row a layer that changed, those that changed most first."""
    rows = []
    for layer in found.layers[:_MOST]:
        main = layer.quantities[found.by]
        others = (_by(name, layer.quantities[name])[0] for name in ("parameters", "bytes_moved"))
        rows.append((layer.name, layer.what, *_both(found.by, main), *_by(found.by, main), *others))
    if rest := len(found.layers) - _MOST if len(found.layers) > _MOST else 0:
        rows.append((text.count(rest, "smaller change"), *("",) * 7))
    columns = ("layer", "", f"A {found.by}", f"B {found.by}", "change", "", "parameters", "bytes")
    return Table(columns, tuple(rows), (False, False, *(True,) * 6))


def _both(name: str, change: Change) -> tuple[str, str]:
    before, after = (text.NONE if v is None else in_words(name, v) for v in change)
    return before, after


def _by(name: str, change: Change) -> tuple[str, str]:
    """The difference with its sign, and relative to what was before."""
    if change.by is None:
        return text.NONE, ""
    if not change.is_one:
        return "0", ""
    sign = "−" if change.by < 0 else "+"
    relative = text.signed(change.by / change.before) if change.before else ""
    return sign + in_words(name, abs(change.by)), relative

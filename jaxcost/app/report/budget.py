"""A program beside its budget, for a person to read."""

from jaxcost._support import text
from jaxcost.app.report.tables import Table
from jaxcost.trace.budget import BudgetCheck, Judged
from jaxcost.trace.limits import UNITS, in_words


def limits(found: BudgetCheck) -> Table:
    """A row a limit, with what was found and the verdict."""
    columns = ("", "limit", "found", "90 % interval", "of the limit", "verdict")
    rows = tuple(_row(one) for one in found.judged)
    return Table(columns, rows, (False, *(True,) * 4, False))


def _row(one: Judged) -> tuple[str, ...]:
    return (
        one.name,
        in_words(one.name, one.limit),
        ("≥ " if one.missing else "") + in_words(one.name, one.found),
        text.interval(*one.interval, UNITS[one.name]) if one.interval else text.NONE,
        text.share(one.found / one.limit),
        one.verdict + (", uncertain" if one.uncertain else ""),
    )

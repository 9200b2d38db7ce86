"""Rows of a table that belong together: those of one device, and of one precision."""

from typing import TYPE_CHECKING

from jaxcost._support.messages import refused
from jaxcost.workload.cells import filled, usual

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {"device": "devices", "dtype": "precisions"}


def names_in(frame: "pd.DataFrame", column: str) -> "pd.Series":
    """A column as text, '' in cells that say nothing; empty where there is no such column."""
    if column not in frame:
        return frame.index[:0].to_series().astype(str)
    cells = frame[column].astype(object)
    return cells.where(filled(cells), "").astype(str)


def one_of(frame: "pd.DataFrame", column: str, wanted: str | None, source: str) -> "pd.DataFrame":
    """The rows with one value of a column: a calibration is for one device, in one precision.

    Args:
        frame: a table; without the column, all of it.
        column: `device` or `dtype`.
        wanted: the value; None: the table's only one.
        source: what errors call the table.
    Raises: ValueError: several values and none wanted, or no row with the one wanted.
    """
    if column not in frame:
        return frame
    values = names_in(frame, column)
    names, unnamed = sorted(set(values) - {""}), int((values == "").sum())
    if wanted is not None and column == "dtype":
        wanted = usual(wanted)
    if wanted is None and len(names) + bool(unnamed) > 1:
        given = f"{len(names)} {_KINDS[column]}" if len(names) > 1 else "one"
        given += f" ({', '.join(names)})" + (f" and {unnamed} rows of none" if unnamed else "")
        raise ValueError(
            f"{source}: column {column!r} has {given}, but a calibration is for one; choose with "
            f"--{column}, such as --{column} {names[0]}"
        )
    if wanted is not None and wanted not in names:
        raise ValueError(f"{source}: {refused(column, wanted, 'one of ' + ', '.join(names))}")
    return frame if wanted is None else frame[values == wanted]


def rows_to_fit(
    frame: "pd.DataFrame", device: str | None, dtype: str | None, source: str
) -> "pd.DataFrame":
    """The rows of one device, in one precision.

    Of a table of one device, `device` may be another name for it.

    Raises: ValueError: several and none chosen, or none of the one chosen.
    """
    names = set(names_in(frame, "device"))
    chosen = device if device in names or len(names) > 1 else None
    return one_of(one_of(frame, "device", chosen, source), "dtype", dtype, source)

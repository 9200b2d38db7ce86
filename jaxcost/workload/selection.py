"""Rows of a table that belong together: those of one device, and of one precision."""

from typing import TYPE_CHECKING

from jaxcost._support.messages import refused

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {"device": "devices", "dtype": "precisions"}


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
    values = frame[column].astype(str)
    names = sorted(set(values))
    if wanted is None and len(names) > 1:
        raise ValueError(
            f"{source}: column {column!r} has {len(names)} {_KINDS[column]} ({', '.join(names)}), "
            f"but a calibration is for one; choose with --{column}, such as --{column} {names[0]}"
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
    names = set(frame["device"].astype(str)) if "device" in frame else set()
    chosen = device if device in names or len(names) > 1 else None
    return one_of(one_of(frame, "device", chosen, source), "dtype", dtype, source)

"""A table's columns under other names and in other units: converted when asked, never by guess."""

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxcost.messages import nearest, refused

if TYPE_CHECKING:
    import pandas as pd

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}  # both mu's
_JOULES = ("j", "nj", "uj", "µj", "μj", "mj", "kj", "wh", "mwh", "kwh")
_UNIT = re.compile(r"[\s_.(\[]([a-zµμ]+)[)\]]?$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Columns:
    """How a table's columns are to be read.

    Attributes:
        rename: pairs of a name in the file and the one it is read by.
        time: the column that holds times, in the unit that its name ends in (after renaming).
    """

    rename: tuple[tuple[str, str], ...] = ()
    time: str | None = None

    def of(self, frame: "pd.DataFrame", source: str) -> "pd.DataFrame":
        """The table with these names, and with time_s in seconds; what is no number as it is.

        Raises: ValueError: a column that is not there or that is already, or one without a unit.
        """
        for old, new in self.rename:
            _check_move(frame, old, new, source, "--rename")
            frame = frame.rename(columns={old: new})
        if self.time in (None, "time_s"):
            return frame
        _check_move(frame, self.time, "time_s", source, "--time-column")
        return frame.assign(time_s=[_times(cell, _seconds(self.time)) for cell in frame[self.time]])


AS_NAMED = Columns()


def missing(column: str, others: Sequence[str]) -> str:
    """What to do about a column that is missing: which of `others` it may be, in which unit."""
    own = unit(column)
    if column == "time_s":
        for other in others:
            if unit(other) in set(SECONDS) - {"s"}:
                return f"give --time-column {other!r} to convert it"
    near = nearest(column, others)
    if near is None:
        return "add it"
    if own in SECONDS or own in _JOULES:
        given = unit(near)
        if given in (*SECONDS, *_JOULES) and given != own:
            return f"convert {near!r} to {own} and name it so"
        return f"rename {near!r} to it" + ("" if given == own else f" if it is in {own}")
    return f"rename {near!r} to it"


def unit(name: str) -> str | None:
    """The unit that a column's name ends in, in small letters; None where it ends in no word."""
    found = _UNIT.search(name)
    return found[1].lower() if found else None


def _seconds(name: str) -> float:
    if (given := unit(name)) not in SECONDS:
        allowed = "a column whose name ends in its unit, such as latency_ms; --rename gives it one"
        raise ValueError(refused("--time-column", name, allowed))
    return SECONDS[given]


def _check_move(frame: "pd.DataFrame", old: str, new: str, source: str, option: str) -> None:
    if old not in frame:
        allowed = "one of " + ", ".join(str(c) for c in frame.columns)
        raise ValueError(f"{source}: {refused(option, old, allowed)}")
    if new in frame:
        raise ValueError(f"{source}: column {new!r} is there already; remove it, or {option}")


def _times(cell: str, factor: float) -> str:
    """A number as text, times a factor; what is no number as it is, for its check to refuse."""
    try:
        return repr(float(cell) * factor)
    except ValueError:
        return cell

"""A table's columns under other names and in other units: converted when asked, never by guess."""

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxcost._support.messages import nearest, refused
from jaxcost.workload.cells import Where, check_rows

if TYPE_CHECKING:
    import pandas as pd

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}  # both mu's
# In capitals as SI has them, or all small: mJ and mj are a thousandth of a joule, MJ a million.
JOULES = {
    "J": 1.0,
    "mJ": 1e-3,
    "uJ": 1e-6,
    "µJ": 1e-6,
    "μJ": 1e-6,
    "nJ": 1e-9,
    "kJ": 1e3,
    "Wh": 3.6e3,
    "mWh": 3.6,
    "kWh": 3.6e6,
}
JOULES |= {name.lower(): factor for name, factor in JOULES.items()} | {"MJ": 1e6, "MWh": 3.6e9}
_OPTIONS = {"--time-column": SECONDS, "--energy-column": JOULES}
_SUMS = {"--time-column": "times", "--energy-column": "energies"}
_UNIT = re.compile(r"[\s_.(\[]([a-zµμ]+)[)\]]?$", re.IGNORECASE)
_RATE = re.compile(r"(/|(^|[\s_.(\[])per)[\s_.]*[a-zµμ]+[)\]]?$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Columns:
    """How a table's columns are to be read.

    Attributes:
        rename: pairs of a name in the file and the one it is read by.
        time: the column that holds times, in the unit that its name ends in (after renaming).
        energy: the same for energies: of layers, or of an epoch where the table is of runs.
        dtype: the precision of all rows of a table of layers that has no column of that name.
    """

    rename: tuple[tuple[str, str], ...] = ()
    time: str | None = None
    energy: str | None = None
    dtype: str | None = None

    def of(self, frame: "pd.DataFrame", source: str) -> "pd.DataFrame":
        """The table with these names, times in seconds, energies in joules; no number as it is.

        Raises: ValueError: a column that is not there or that is already, or one without a unit.
        """
        for old, new in self.rename:
            _check_move(frame, old, new, source, "--rename")
            _check_units(old, new)
            frame = frame.rename(columns={old: new})
        of_runs = "widths" in frame and "op" not in frame
        if self.dtype and not of_runs and "dtype" not in map(str.lower, map(str, frame.columns)):
            frame = frame.assign(dtype=self.dtype)
        energy = "energy_per_epoch_j" if of_runs else "energy_j"
        frame = _converted(frame, self.time, "time_s", source)
        return _converted(frame, self.energy, energy, source)


_ROUNDED = 0.02  # numbers of two digits
AS_NAMED = Columns()


def as_frame(table: object, source: str = "table") -> "pd.DataFrame":
    """The table as it is; ValueError where it is none, or has one name twice."""
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        kind = type(table).__name__
        raise ValueError(f"{source} is of type {kind}; give a pandas DataFrame")
    if (twice := table.columns.duplicated()).any():
        name = str(table.columns[twice][0])
        raise ValueError(f"{source}: column {name!r} occurs twice; remove one")
    return table


def check_agrees(frame: "pd.DataFrame", target: str, where: Where) -> None:
    """ValueError for a row whose target stands there in another unit, too, and differs.

    Args: target: `time_s`, say, a column of numbers above 0; beside it `time_ms` is looked at.
    """
    import pandas as pd

    stem, own = target.rpartition("_")[::2]
    known = SECONDS if own in SECONDS else JOULES
    for name in map(str, frame.columns):
        found = _UNIT.search(name)
        if name == target or not found or name[: found.start()].strip().lower() != stem:
            continue
        word = found[1].lower() if known is SECONDS else found[1]
        numbers = pd.to_numeric(frame[name], errors="coerce").to_numpy(float, na_value=np.nan)
        other = numbers * known.get(word, np.nan)
        same = np.isnan(other) | np.isclose(other, frame[target], rtol=_ROUNDED, atol=0)
        check_rows(frame[name], same, f"what {target} says, or leave out either", where)


def missing(column: str, others: Sequence[str], wanted: Sequence[str] = ()) -> str:
    """What to do about a column that is missing: which of `others` it may be, in which unit, unless
    that one is rather another of the columns `wanted`."""
    own = unit(column)
    for option, known in _OPTIONS.items():
        for other in others if own in known else []:
            if unit(other) in set(known) - {own}:
                return f"give {option} {other!r} to convert it"
    by_small = {other.lower(): other for other in others}
    near = by_small.get(nearest(column, by_small) or "")
    if near is None or nearest(near.lower(), [column, *wanted]) != column:
        return "add it"
    if own in SECONDS or own in JOULES:
        return f"rename {near!r} to it" + ("" if unit(near) == own else f" if it is in {own}")
    return f"rename {near!r} to it"


def unit(name: str) -> str | None:
    """The unit that a column's name ends in, in small letters; None where it ends in no word, or is
    of a rate such as `tokens_per_s`."""
    found = None if _RATE.search(name) else _UNIT.search(name)
    return found[1].lower() if found else None


def _check_units(old: str, new: str) -> None:
    """ValueError for a renaming that would take one unit, or a rate, for another."""
    for option, known in _OPTIONS.items():
        if _RATE.search(old) and unit(new) in set(known):
            words = f"--rename = '{old}={new}' would take a rate for {unit(new)}"
            raise ValueError(f"{words}; give a column of {_SUMS[option]}")
        if {unit(old), unit(new)} <= set(known) and unit(old) != unit(new):
            words = f"--rename = '{old}={new}' would take {unit(old)} for {unit(new)}"
            raise ValueError(f"{words}; give {option} {old!r} to convert it")


def _converted(frame: "pd.DataFrame", old: str | None, new: str, source: str) -> "pd.DataFrame":
    """The table with the column `new` in seconds or joules, from one in its name's unit."""
    if old in (None, new):
        return frame
    option = "--time-column" if new == "time_s" else "--energy-column"
    _check_move(frame, old, new, source, option)
    factor = _factor(old, option)
    if old.lower() == new:
        return frame.rename(columns={old: new})
    if frame[old].dtype.kind in "iuf":
        return frame.assign(**{new: frame[old] * factor})
    return frame.assign(**{new: [_times(cell, factor) for cell in frame[old]]})


def _factor(name: str, option: str) -> float:
    """How many seconds or joules the unit is that a column's name ends in."""
    if _RATE.search(name):
        raise ValueError(refused(option, name, f"a column of {_SUMS[option]}, not of a rate"))
    found = _UNIT.search(name)
    word = found[1] if found else ""
    given = _OPTIONS[option].get(word.lower() if option == "--time-column" else word)
    if given is None:
        example = "latency_ms" if option == "--time-column" else "energy_mJ"
        allowed = f"a column whose name ends in its unit, such as {example}; --rename gives it one"
        raise ValueError(refused(option, name, allowed))
    return given


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

"""The wording of errors: one line that names the field, its value, and what to give instead."""

import difflib
import unicodedata
from collections.abc import Iterable
from numbers import Real
from typing import Any


class RowError(ValueError):
    """What is wrong with one row of a table; who knows its line or its file says that instead.

    Attributes: row: its position, from 0; text: the line without it.
    """

    def __init__(self, row: int, text: str):
        super().__init__(f"row {row + 1}: {text}")
        self.row, self.text = row, text


def refused(field: str, value: Any, allowed: str) -> str:
    """The line for a value out of range: `c_in = 0 is not allowed; give <allowed>`."""
    if isinstance(value, str) and not value:
        return f"{field} is empty; give {allowed}"
    return f"{field} = {shown(value)} is not allowed; give {allowed}"


def unknown(kind: str, name: object, options: Iterable[str]) -> str:
    """The line for a name that is not one of `options`, with the nearest of them."""
    options = list(options)
    near = nearest(str(name), options)
    hint = f"did you mean {near!r}? " if near else ""
    return f"{kind} {shown(name)} is not known; {hint}choose one of: {', '.join(options)}"


def nearest(name: str, options: Iterable[str], least: float = 0.5) -> str | None:
    """The one of `options` most like `name`; None where none is like it by `least` (0 to 1)."""
    near = difflib.get_close_matches(name, list(options), n=1, cutoff=least)
    return near[0] if near else None


def shown(value: Any, limit: int = 40) -> str:
    """`value` for a message: numbers without noise, text quoted, long text cut."""
    if isinstance(value, Real) and not (isinstance(value, bool) or _huge(value)):
        number = float(value)
        # Seven digits hide the noise of float32; a whole number is shown in full.
        return f"{number:.0f}" if number % 1 == 0 and abs(number) < 1e15 else f"{number:.7g}"
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def printable(text: str) -> str:
    """`text` with the characters that steer a terminal written out, line ends and tabs apart."""
    return "".join(one if one in "\n\t" or not _steers(one) else _escaped(one) for one in text)


def _steers(character: str) -> bool:
    """Whether a character is a control, a mark of direction, or half of none."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _huge(value: object) -> bool:
    return isinstance(value, int) and value.bit_length() > 1000  # no float holds it

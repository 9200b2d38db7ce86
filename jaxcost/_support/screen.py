"""What an object shows of itself on one screen: lines of words, and the largest rows of a table."""

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_MOST = 12  # rows


class OnScreen:
    """A record that shows itself on one screen, in text and in notebooks."""

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        """Lines on the whole, and a table of its parts, the largest first, as text in cells."""
        raise NotImplementedError

    def __repr__(self) -> str:
        lines, table = self._screen()
        shown = [] if table.empty else [table.head(_MOST).to_string(index=False)]
        return "\n".join([*lines, *shown, *_more(table)])

    def _repr_html_(self) -> str:
        lines, table = self._screen()
        first, *others = (escape(line) for line in (*lines, *_more(table)))
        shown = "" if table.empty else table.head(_MOST).to_html(index=False, border=0)
        return f"<b>{first}</b>" + "".join(f"<br>{line}" for line in others) + shown


def _more(table: "pd.DataFrame") -> list[str]:
    rest = len(table) - _MOST
    return [f"and {rest} more: to_frame() has all"] if rest > 0 else []

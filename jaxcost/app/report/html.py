"""The few pieces of HTML that the report is put together from; all text is escaped here."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from jaxcost import figures
from jaxcost.app.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 180  # a figure fills at most 7.2 inches of the page: sharp on dense screens too


def section(title: str, *parts: str) -> str:
    """A heading and what stands below it; nothing where all parts are empty."""
    content = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>" if content else ""


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph of plain text; nothing where there is none."""
    if not words:
        return ""
    return f'<p class="{kind}">{escape(words)}</p>' if kind else f"<p>{escape(words)}</p>"


def cards(numbers: Iterable[tuple[str, str]]) -> str:
    """Numbers in large type, each with what it is."""
    items = [f"<li><b>{escape(n)}</b><span>{escape(what)}</span></li>" for n, what in numbers]
    return '<ul class="cards">\n' + "\n".join(items) + "\n</ul>" if items else ""


def warnings(lines: Sequence[str]) -> str:
    """A box of warnings; nothing where there are none."""
    if not lines:
        return ""
    items = "\n".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<aside class="warnings">\n<h2>Warnings</h2>\n<ul>\n{items}\n</ul>\n</aside>'


def table(content: Table) -> str:
    """A table, with its note below; nothing where it has no rows."""
    if not content.rows:
        return ""
    titled = any(content.columns)
    head = f"<thead>\n{_row(content.columns, content.right, 'th')}\n</thead>\n" if titled else ""
    rows = [
        _row(cells, content.right, "td", "strong" if index == content.strong else "")
        for index, cells in enumerate(content.rows)
    ]
    kind = "" if titled else ' class="pairs"'
    body = "<tbody>\n" + "\n".join(rows) + "\n</tbody>"
    framed = f'<div class="scroll"><table{kind}>\n{head}{body}\n</table></div>'
    return framed + paragraph(content.note, "note")


def figure(drawn: "Figure", says: str) -> str:
    """A figure as a picture within the page; `says` describes it to who cannot see it."""
    data = base64.b64encode(figures.png(drawn, dpi=_DPI)).decode()
    wide, high = (round(96 * inches) for inches in drawn.get_size_inches())
    return (
        f'<figure><img width="{wide}" height="{high}" alt="{escape(says, quote=True)}" '
        f'src="data:image/png;base64,{data}"></figure>'
    )


def scrolled(piece: str) -> str:
    """A piece that keeps its size on a narrow page, and moves sideways there."""
    return f'<div class="scroll">{piece}</div>'


def grid(figures: Sequence[str]) -> str:
    """Figures side by side where the page is wide enough."""
    return '<div class="grid">\n' + "\n".join(figures) + "\n</div>" if figures else ""


def _row(cells: Sequence[str], right: Sequence[bool], tag: str, kind: str = "") -> str:
    places = [' class="right"' if is_right else "" for is_right in right]
    written = "".join(f"<{tag}{p}>{escape(c)}</{tag}>" for c, p in zip(cells, places, strict=True))
    return f'<tr class="{kind}">{written}</tr>' if kind else f"<tr>{written}</tr>"

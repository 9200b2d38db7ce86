"""What commands print: calm and aligned on a terminal, plain text elsewhere."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jaxcost._support.messages import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from jaxcost.app.report.tables import Table
    from jaxcost.calibrate.fitted import Fitted

_PLAIN_WIDTH = 110  # of tables in files and pipes, where there is no window


def console() -> "Console":
    """Where results go: standard output, without guessing at markup, numbers or emoji."""
    from rich.console import Console

    found = Console(highlight=False, markup=False, emoji=False)
    if not found.is_terminal and "COLUMNS" not in os.environ:
        return Console(highlight=False, markup=False, emoji=False, width=_PLAIN_WIDTH)
    # A notebook asks for colours (FORCE_COLOR), but cannot draw a line anew.
    found.is_interactive &= found.file.isatty()
    return found


def title(out: "Console", words: str) -> None:
    """A heading, with an empty line above it."""
    out.print()
    out.print(printable(words), style="bold", soft_wrap=True)


def line(out: "Console", words: str, style: str = "") -> None:
    """A line of text, never broken, so that paths can be copied."""
    out.print(printable(words), style=style, soft_wrap=True)


def notices(out: "Console", lines: Iterable[str]) -> None:
    """What was done that nobody asked for, a line each; empty ones are none."""
    for words in filter(None, lines):
        line(out, words)


def table(out: "Console", content: "Table") -> None:
    """A table, its numbers flush right, and the note that belongs to it."""
    from rich.table import Table as Drawn

    titled = any(content.columns)
    drawn = Drawn(box=None, show_header=titled, header_style="dim", pad_edge=False, padding=(0, 2))
    for name, right in zip(content.columns, content.right, strict=True):
        drawn.add_column(
            printable(name), justify="right" if right else "left", overflow="fold", no_wrap=right
        )
    for index, cells in enumerate(content.rows):
        drawn.add_row(*map(printable, cells), style="bold" if index == content.strong else "")
    _draw(out, drawn)
    if content.note:
        out.print(printable(content.note), style="dim")


def warnings(out: "Console", lines: Iterable[str]) -> None:
    """What the reader must mind, a point each."""
    from rich.table import Table as Grid

    lines = list(lines)
    if not lines:
        return
    title(out, "Warnings")
    points = Grid.grid(padding=(0, 1))
    points.add_column(style="yellow")
    points.add_column(overflow="fold")
    for words in lines:
        points.add_row("!", printable(words))
    _draw(out, points)


def parameters(out: "Console", fitted: "Fitted") -> None:
    """The parameters of each model of a calibration's target, and what the reader must mind."""
    from jaxcost.app.report import tables

    for part in fitted.parts.values():
        title(out, f"Parameters of {tables.name_of(fitted, part)}")
        table(out, tables.parameters(part))
    warnings(out, tables.warnings(fitted))


def written(out: "Console", paths: Iterable[object]) -> None:
    """Which files were written, of those that were asked for."""
    if names := [str(path) for path in paths if path is not None]:
        out.print()
        line(out, "Wrote " + ", ".join(names))


def _draw(out: "Console", drawn: "RenderableType") -> None:
    """On a terminal as it is; elsewhere without the spaces that fill up its lines."""
    if out.is_terminal:
        out.print(drawn)
        return
    with out.capture() as captured:
        out.print(drawn)
    for text in captured.get().splitlines():
        line(out, text.rstrip())

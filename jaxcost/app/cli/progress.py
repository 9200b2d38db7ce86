"""Progress: a bar with the time left on a terminal, plain lines elsewhere."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from jaxcost.app.cli.show import line

if TYPE_CHECKING:
    from rich.console import Console

    from jaxcost.measure import Progress

_EVERY = 0.1  # of the work, between two plain lines


@contextlib.contextmanager
def measuring(out: "Console") -> Iterator[Callable[["Progress"], None]]:
    """Within it, what it yields shows how far a measurement has come."""
    if not out.is_interactive:
        yield _Lines(out)
        return
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    words, left = TextColumn("{task.description}"), TextColumn("{task.fields[left]}", style="dim")
    columns = (words, BarColumn(bar_width=40), TaskProgressColumn(), left)
    # Drawn between timings only: a thread that redraws would be a busy neighbour to them.
    with Bar(*columns, console=out, auto_refresh=False, transient=True) as bar:
        task = bar.add_task("measuring", left="")

        def show(now: "Progress") -> None:
            bar.update(task, total=now.total, completed=now.done, left=_left(now))
            bar.refresh()

        yield show


@contextlib.contextmanager
def working(out: "Console", words: str) -> Iterator[None]:
    """Within it, something takes a while of which nobody knows how much is left."""
    if out.is_interactive:
        with out.status(f"{words} …", spinner="dots"):
            yield
    else:
        line(out, words)
        yield


class _Lines:
    """A line for each tenth of the work."""

    def __init__(self, out: "Console"):
        self.out, self.next = out, 0.0

    def __call__(self, now: "Progress") -> None:
        done = now.done / now.total
        if done >= self.next:
            self.next = done + _EVERY
            line(self.out, f"measuring: {100 * done:.0f} %, {_left(now)}")


def _left(now: "Progress") -> str:
    from jaxcost._support.text import duration

    return f"about {duration(now.remaining_s)} left"

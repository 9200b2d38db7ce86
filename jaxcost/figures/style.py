"""The one look of the project's figures: colours, markers, labelled axes, units, PNG.

Colours are Okabe and Ito's, told apart by colour-blind readers; lines differ by marker as well.
Figures are made without pyplot: no window, no global state.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.typing import ArrayLike

from jaxcost._support.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
GREY = "#5f5f5f"
_PREFIXES = ((1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"))
_STYLE: Any = {
    "figure.figsize": (6.4, 4.2),
    "figure.constrained_layout.use": True,
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "legend.frameon": False,
    "legend.fontsize": 9.0,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Make a function that draws a figure draw it in the project's style."""

    @functools.wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Figure:
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


def axes(
    x: str, y: str, title: str = "", *, size: tuple[float, float] | None = None
) -> tuple[Figure, Axes]:
    """One empty figure with labelled axes; call it inside a function that is `styled`.

    Args:
        x, y: axis labels, with units.
        title: above the plot.
        size: width and height in inches; keyword-only.

    Returns:
        The figure and its axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    ax = figure.subplots()
    ax.set(xlabel=x, ylabel=y, title=title)
    return figure, ax


def prefixed(unit: str, *values: ArrayLike | None) -> tuple[float, str]:
    """The factor and the unit to draw values with: `(1e3, "ms")` for some milliseconds in s.

    Args:
        unit: SI unit of the values, such as `s` or `J`; a quantity without unit has no prefix.
        values: any shapes; None is left out. The largest finite one decides.

    Returns:
        What to multiply by, and the prefixed unit.
    """
    if not unit:
        return 1.0, ""
    given = [np.ravel(np.asarray(v, dtype=float)) for v in values if v is not None]
    finite = np.concatenate([np.zeros(1), *(np.abs(v[np.isfinite(v)]) for v in given)])
    size, prefix = next((p for p in _PREFIXES if finite.max() >= p[0]), _PREFIXES[-1])
    return 1.0 / size, prefix + unit


def plain_ticks(axis: Axis) -> None:
    """Write 0.1, 1, 10 rather than powers, and 2 and 5 between them on a short axis."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    low, high = axis.get_view_interval()
    axis.set_major_formatter(FuncFormatter(_plain))
    axis.set_minor_formatter(FuncFormatter(_two_or_five) if high / low < 1000 else NullFormatter())


def _plain(value: float, _: int) -> str:
    return f"{value:,.0f}" if value >= 1e4 else f"{value:g}"


def _two_or_five(value: float, _: int) -> str:
    return _plain(value, _) if f"{value:e}"[0] in "25" else ""


def png(figure: Figure, *, dpi: int = 150) -> bytes:
    """The figure as a PNG file's content.

    Args:
        figure: what to render.
        dpi: dots per inch; keyword-only.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure to `path` as PNG, whole or not at all, and return the path."""
    return write_bytes(path, png(figure))

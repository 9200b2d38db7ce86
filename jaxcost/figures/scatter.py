"""Points in groups, with lines and references through them: how something moved over the years."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxcost._support.messages import refused
from jaxcost.figures.style import GREY, MARKERS, PALETTE, axes, plain_ticks, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMALLEST, _LARGEST = 12.0, 420.0  # areas of bubbles, in points²
_AREA = 26.0


class Points(NamedTuple):
    """A group of points: arrays of shape `(n,)`; `size`, if given, decides the bubbles' areas."""

    label: str
    x: ArrayLike
    y: ArrayLike
    size: ArrayLike | None = None


class Curve(NamedTuple):
    """A line through points, of shape `(n,)`; `lower` and `upper` bound an interval around it.

    `colour` is an index into the palette; None is black.
    """

    label: str
    x: ArrayLike
    y: ArrayLike
    style: str = "-"
    lower: ArrayLike | None = None
    upper: ArrayLike | None = None
    colour: int | None = None


class Name(NamedTuple):
    """The name of the point at (x, y), written above it to the left, or else below to the right."""

    text: str
    x: float
    y: float
    above: bool = False


@styled
def scatter(
    groups: Sequence[Points],
    curves: Sequence[Curve] = (),
    *,
    x: str,
    y: str,
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    levels: dict[str, float] | None = None,
    names: Sequence[Name] = (),
    size_label: str = "",
) -> Figure:
    """Points by group (colour and marker), lines over them, and named horizontal levels.

    Args:
        groups: at least one.
        curves: lines, drawn over the points.
        x, y: labels of the axes, with units; keyword-only, as are all below.
        title: above the plot.
        log_x, log_y: whether an axis is logarithmic.
        levels: name -> height of a horizontal reference line.
        names: of points, written beside them.
        size_label: what the areas of bubbles stand for; areas grow with its logarithm.

    Returns:
        The figure, its legend below.

    Raises:
        ValueError: no groups.
    """
    if not groups:
        raise ValueError(refused("groups", groups, "at least one group of points"))
    figure, ax = axes(x, y, title, size=(7.2, 4.8))
    area, bubbles = _areas(groups), any(group.size is not None for group in groups)
    for index, group in enumerate(groups):
        ax.scatter(
            np.asarray(group.x), np.asarray(group.y), s=area[index], alpha=0.7,
            linewidth=0.6 if bubbles else 0, edgecolor="white", label=group.label,
            marker="o" if bubbles else MARKERS[index % len(MARKERS)],
            color=PALETTE[index % len(PALETTE)],
        )  # fmt: skip
    for curve in curves:
        _draw(ax, curve)
    _scale(ax, log_x, log_y)
    _draw_levels(ax, levels or {})
    _draw_names(ax, names)
    _legend(figure, ax, size_label)
    return figure


def _areas(groups: Sequence[Points]) -> list[float | np.ndarray]:
    sizes = [np.log(np.asarray(group.size, float)) for group in groups if group.size is not None]
    if not sizes:
        return [_AREA] * len(groups)
    low, high = np.concatenate(sizes).min(), np.concatenate(sizes).max()
    span = max(high - low, 1e-9)
    return [_SMALLEST + (_LARGEST - _SMALLEST) * ((size - low) / span) ** 2 for size in sizes]


def _draw(ax: Axes, curve: Curve) -> None:
    colour = "black" if curve.colour is None else PALETTE[curve.colour]
    x = np.asarray(curve.x, float)
    ax.plot(x, np.asarray(curve.y), curve.style, color=colour, linewidth=1.4, label=curve.label)
    if curve.lower is not None and curve.upper is not None:
        below, above = np.asarray(curve.lower), np.asarray(curve.upper)
        ax.fill_between(x, below, above, color=colour, alpha=0.12, linewidth=0)


def _scale(ax: Axes, log_x: bool, log_y: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.margins(y=0.08)
    if log_x:
        ax.set_xscale("log")
        plain_ticks(ax.xaxis)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.ticklabel_format(axis="x", useOffset=False)
    if log_y:
        ax.set_yscale("log")
        plain_ticks(ax.yaxis)


def _draw_levels(ax: Axes, levels: dict[str, float]) -> None:
    for name, height in levels.items():
        ax.axhline(height, color=GREY, linewidth=1.0, linestyle=(0, (1, 1)))
        ax.annotate(
            name, (0, height), xycoords=("axes fraction", "data"), color=GREY, fontsize=8.5,
            xytext=(3, -10), textcoords="offset points",
        )  # fmt: skip


def _draw_names(ax: Axes, names: Sequence[Name]) -> None:
    for name in names:
        place, side = ((-5, 4), "right") if name.above else ((5, -9), "left")
        ax.annotate(
            name.text, (name.x, name.y), xytext=place, textcoords="offset points",
            horizontalalignment=side, fontsize=7.5,
        )  # fmt: skip
    if names:
        ax.margins(x=0.22)


def _legend(figure: Figure, ax: Axes, size_label: str) -> None:
    from matplotlib.collections import PathCollection

    handles, labels = ax.get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=min(3, len(labels)), handlelength=2.2,
        title=f"area: {size_label}" if size_label else None,
    )  # fmt: skip
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([_AREA])  # bubbles of a legend as large as others

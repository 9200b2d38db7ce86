"""The few kinds of figures that reports and papers need; measured is solid, predicted is dashed.

Values come in SI units and are drawn with the prefix that suits them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxcost._support.messages import refused
from jaxcost.figures.style import GREY, MARKERS, PALETTE, axes, plain_ticks, prefixed, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Line(NamedTuple):
    """A line of a sweep: arrays of shape `(n,)`, of which all but `x` may be left out.

    `lower` and `upper` bound an interval around the prediction, and come together.
    """

    label: str
    x: ArrayLike
    measured: ArrayLike | None = None
    predicted: ArrayLike | None = None
    lower: ArrayLike | None = None
    upper: ArrayLike | None = None


@styled
def sweep(
    lines: Sequence[Line],
    *,
    x: str,
    title: str = "",
    quantity: str = "time",
    unit: str = "s",
    log_x: bool = False,
    log_y: bool = False,
) -> Figure:
    """Cost along one dimension: measured (solid, markers), predicted (dashed), interval (shaded).

    Args:
        lines: at least one; values in `unit`.
        x: label of the horizontal axis, with its unit.
        title, quantity, unit: of the plot and the vertical axis; keyword-only, as are the next.
        log_x, log_y: whether an axis is logarithmic; a linear vertical one starts at 0.

    Returns:
        The figure.

    Raises:
        ValueError: no lines.
    """
    if not lines:
        raise ValueError(refused("lines", lines, "at least one line to draw"))
    factor, shown = prefixed(unit, *(v for line in lines for v in (line.measured, line.predicted)))
    figure, ax = axes(x, f"{quantity} ({shown})" if shown else quantity, title)
    for index, line in enumerate(lines):
        _draw(ax, line, factor, PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)])
    if log_x:
        ax.set_xscale("log")
        plain_ticks(ax.xaxis)
    if log_y:
        ax.set_yscale("log")
        plain_ticks(ax.yaxis)
    else:
        ax.set_ylim(bottom=0)
    _sweep_legend(ax, lines)
    return figure


def _draw(ax: Axes, line: Line, factor: float, colour: str, marker: str) -> None:
    order = np.argsort(np.asarray(line.x), kind="stable")
    x = np.asarray(line.x, dtype=float)[order]

    def drawn(values: ArrayLike) -> np.ndarray:
        return np.asarray(values, dtype=float)[order] * factor

    if line.measured is not None:
        ax.plot(x, drawn(line.measured), marker=marker, color=colour, label=line.label)
    if line.predicted is not None:
        label = line.label if line.measured is None else None
        ax.plot(x, drawn(line.predicted), linestyle="--", color=colour, label=label)
    if line.lower is not None and line.upper is not None:
        below, above = drawn(line.lower), drawn(line.upper)
        ax.fill_between(x, below, above, color=colour, alpha=0.15, linewidth=0)


def _sweep_legend(ax: Axes, lines: Sequence[Line]) -> None:
    from matplotlib.lines import Line2D

    handles, _ = ax.get_legend_handles_labels()
    measured = any(line.measured is not None for line in lines)
    predicted = any(line.predicted is not None for line in lines)
    if measured and predicted:
        handles.append(Line2D([], [], color=GREY, marker="o", label="measured"))
        handles.append(Line2D([], [], color=GREY, linestyle="--", label="predicted"))
    ax.legend(handles=handles, loc="best", handlelength=2.6)


@styled
def predicted_against_measured(
    measured: ArrayLike,
    predicted: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    title: str = "",
    quantity: str = "time",
    unit: str = "s",
    band: float = 0.10,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
) -> Figure:
    """Predicted against measured cost, one point a layer, with the band of allowed relative error.

    Args:
        measured, predicted: shape `(n,)`, in `unit`, > 0.
        groups: name of each point's group, shape `(n,)`; one colour and marker a group.
        title, quantity, unit: of the plot; keyword-only, as are all but the first two.
        band: relative error that the grey band allows to either side.
        lower, upper: ends of each prediction's interval, shape `(n,)`, drawn as bars.

    Returns:
        The figure; its legend says what share of the points lies in the band.

    Raises:
        ValueError: no points, or values that a logarithmic axis cannot hold.
    """
    measured, predicted = _positive("measured", measured), _positive("predicted", predicted)
    factor, shown = prefixed(unit, np.median(measured))
    labels = np.asarray(groups if groups is not None else ["layers"] * measured.size)
    size = (7.2, 4.6)
    figure, ax = axes(
        f"measured {quantity} ({shown})", f"predicted {quantity} ({shown})", title, size=size
    )
    if lower is not None and upper is not None:
        ends = np.asarray(lower, float) * factor, np.asarray(upper, float) * factor
        ax.vlines(measured * factor, *ends, color=GREY, alpha=0.35, linewidth=1.0, zorder=1.8)
    for index, group in enumerate(dict.fromkeys(labels)):
        chosen = labels == group
        ax.plot(
            measured[chosen] * factor, predicted[chosen] * factor,
            marker=MARKERS[index % len(MARKERS)], color=PALETTE[index % len(PALETTE)],
            linestyle="none", alpha=0.75, markeredgewidth=0, label=str(group),
        )  # fmt: skip
    inside = np.mean(np.abs(predicted / measured - 1) <= band)
    label = f"±{100 * band:.0f} %: {100 * inside:.1f} % of {measured.size}"
    _draw_band(ax, _around(measured) * factor, _around(predicted) * factor, band, label)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


def _positive(name: str, values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    good = np.isfinite(array) & (array > 0)
    if not array.size or not good.all():
        bad = array[~good][0] if array.size else []
        raise ValueError(refused(name, bad, "one or more finite numbers greater than 0"))
    return array


def _around(values: np.ndarray) -> np.ndarray:
    return np.array([values.min() / 1.25, values.max() * 1.25])


def _draw_band(ax: Axes, x: np.ndarray, y: np.ndarray, band: float, label: str) -> None:
    ends = np.array([min(x[0], y[0]), max(x[1], y[1])])
    below, above = ends * (1 - band), ends * (1 + band)
    ax.fill_between(ends, below, above, color="#bdbdbd", linewidth=0, zorder=1, label=label)
    ax.plot(ends, ends, color=GREY, linewidth=0.9, zorder=1.5)
    ax.set(xscale="log", yscale="log", xlim=x, ylim=y)
    plain_ticks(ax.xaxis)
    plain_ticks(ax.yaxis)


@styled
def bars(
    values: Mapping[str, Mapping[str, float]], *, x: str, title: str = "", form: str = "{:.1f}"
) -> Figure:
    """Horizontal bars, one a name, side by side for several series; each with its number.

    Args:
        values: series -> name -> value (>= 0); every series has the same names.
        x: label of the horizontal axis, with its unit; keyword-only, as are the next.
        title: of the plot.
        form: how a number is written.

    Returns:
        The figure.
    """
    names = list(next(iter(values.values())))
    thickness = 0.8 / len(values)
    height = 1.0 + 0.24 * len(names) * max(len(values), 1.4)
    figure, ax = axes(x, "", title, size=(6.4, height))
    for index, (series, named) in enumerate(values.items()):
        places = np.arange(len(names)) + (index - (len(values) - 1) / 2) * thickness
        widths = [named[name] for name in names]
        colour = PALETTE[index % len(PALETTE)]
        drawn = ax.barh(places, widths, thickness * 0.9, color=colour, label=series)
        written = [form.format(width) for width in widths]
        ax.bar_label(drawn, labels=written, padding=3, fontsize=8.5)
    ax.set_yticks(np.arange(len(names)), names)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.margins(x=0.12)
    if len(values) > 1:
        ax.legend(loc="best")
    return figure

"""A roofline: what layers do with a byte and in a second, under what a device can do at most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jaxcost._support.messages import refused
from jaxcost._support.text import quantity
from jaxcost.figures.style import GREY, PALETTE, axes, plain_ticks, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LARGEST, _SMALLEST = 420.0, 12.0  # areas of points, in points²
_MOST_NAMED, _LEAST_NAMED, _LONGEST = 12, 0.02, 34  # layers with a number, from which share on
_ALIKE = 0.25  # in ln: slopes nearer than that are drawn once
_CORNERS = ((-0.7, -0.7), (0.7, 0.7), (0.7, -0.7), (-0.7, 0.7))  # where numbers stand in turn
_STYLES = ("-", "--", (0, (1, 1)), "-.")


class RoofPoint(NamedTuple):
    """A layer: FLOP/B, FLOP/s, and its share of the time, from 0 to 1."""

    name: str
    op: str
    intensity: float
    flops_per_s: float
    share: float


@styled
def roofline(
    points: Sequence[RoofPoint],
    *,
    peaks: Mapping[str, float],
    bandwidths: Mapping[str, float],
    rate: str = "rate",
    title: str = "",
) -> Figure:
    """Layers as points, the area of each its share of the time, below the device's ceilings.

    Args:
        points: at least one, with positive numbers.
        peaks: FLOP/s, by what they are of; keyword-only, as are the next.
        bandwidths: B/s, by what is moved, drawn up to the highest peak.
        rate: what the vertical axis is, without its unit.
        title: above the plot.

    Returns:
        The figure, its legend below.

    Raises:
        ValueError: no points.
    """
    if not points:
        raise ValueError(refused("points", points, "at least one layer to draw"))
    figure, ax = axes("arithmetic intensity (FLOP/B)", f"{rate} (FLOP/s)", title, size=(9.0, 5.0))
    ax.set(xscale="log", yscale="log")
    slopes = _distinct(bandwidths)
    _limit(ax, points, peaks, slopes)
    _draw_points(ax, points)
    _draw_roof(ax, peaks, slopes)
    ax.yaxis.set_major_formatter(lambda value, _: _in_short(value))
    plain_ticks(ax.xaxis)
    _legends(figure, ax, points)
    figure.draw_without_rendering()  # the layout decides at which angle a roof is seen
    _name_roof(ax, peaks, slopes)
    figure.set_layout_engine("none")
    return figure


def _distinct(bandwidths: Mapping[str, float]) -> dict[str, float]:
    """Those that can be told apart in the figure, the first of any that are near each other."""
    found: dict[str, float] = {}
    for what, bandwidth in bandwidths.items():
        if all(abs(math.log(bandwidth / other)) > _ALIKE for other in found.values()):
            found[what] = bandwidth
    return found


def _legends(figure: Figure, ax: Axes, points: Sequence[RoofPoint]) -> None:
    """The kinds of operations below, and beside the axes which layer has which number."""
    from matplotlib.lines import Line2D

    handles, labels = ax.get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=min(5, len(labels)),
        title="area: share of the time",
    )  # fmt: skip
    for handle in legend.legend_handles:
        handle.set_sizes([40.0])  # type: ignore[union-attr]
    named = [
        Line2D([], [], linestyle="none", marker=f"${number}$", color="black", markeredgewidth=0,
               markersize=4 + 2.5 * len(str(number)),
               label=f"{_shortened(point.name)}, {100 * point.share:.0f} %")
        for number, point in _numbered(points).items()
    ]  # fmt: skip
    if named:
        figure.legend(handles=named, loc="outside right upper", handletextpad=0.2)


def _numbered(points: Sequence[RoofPoint]) -> dict[int, RoofPoint]:
    """What takes longest, numbered."""
    largest = sorted(points, key=lambda point: -point.share)[:_MOST_NAMED]
    return dict(enumerate((p for p in largest if p.share >= _LEAST_NAMED), start=1))


def _shortened(name: str) -> str:
    """A name, without its middle where it is long."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST // 2 - 1]}…{name[-_LONGEST // 2 :]}"


def _in_short(value: float) -> str:
    """`10 G` of what a quantity writes as `10.0 G`."""
    number, _, prefix = quantity(value, "").partition(" ")
    return f"{float(number):g} {prefix}".rstrip()


def _limit(
    ax: Axes,
    points: Sequence[RoofPoint],
    peaks: Mapping[str, float],
    bandwidths: Mapping[str, float],
) -> None:
    """Room for all points, and for the ridge of the roof."""
    top = max(peaks.values())
    ridges = [top / bandwidth for bandwidth in bandwidths.values()]
    x = np.array([*(p.intensity for p in points), *ridges])
    y = np.array([*(p.flops_per_s for p in points), top])
    ax.set_xlim(x.min() / 4, x.max() * 6)
    ax.set_ylim(y.min() / 4, y.max() * 3)


def _draw_points(ax: Axes, points: Sequence[RoofPoint]) -> None:
    most = max(point.share for point in points) or 1.0
    kinds = list(dict.fromkeys(point.op for point in points))
    for index, kind in enumerate(kinds):
        chosen = [point for point in points if point.op == kind]
        ax.scatter(
            [p.intensity for p in chosen], [p.flops_per_s for p in chosen],
            s=[max(_SMALLEST, _LARGEST * p.share / most) for p in chosen], label=kind, alpha=0.65,
            color=PALETTE[index % len(PALETTE)], edgecolor="white", linewidth=0.8, zorder=3,
        )  # fmt: skip
    for number, point in _numbered(points).items():
        reach = math.sqrt(max(_SMALLEST, _LARGEST * point.share / most) / math.pi) + 1
        across, up = _CORNERS[number % len(_CORNERS)]
        ax.annotate(
            str(number), (point.intensity, point.flops_per_s), fontsize=8, zorder=5,
            xytext=(across * reach, up * reach), textcoords="offset points",
            horizontalalignment="left" if across > 0 else "right",
            verticalalignment="bottom" if up > 0 else "top",
        )  # fmt: skip


def _draw_roof(ax: Axes, peaks: Mapping[str, float], bandwidths: Mapping[str, float]) -> None:
    (left, right), top = ax.get_xlim(), max(peaks.values())
    first = max(bandwidths.values(), default=math.inf)
    for style, peak in zip(_STYLES, peaks.values()):
        start = max(left, peak / first)
        ax.plot([start, right], [peak, peak], color="black", linewidth=1.3, linestyle=style)
    for style, bandwidth in zip(_STYLES, bandwidths.values()):
        ends = np.array([left, top / bandwidth])
        ax.plot(ends, ends * bandwidth, color=GREY, linewidth=1.2, linestyle=style, zorder=1.5)


def _name_roof(ax: Axes, peaks: Mapping[str, float], bandwidths: Mapping[str, float]) -> None:
    left, right = ax.get_xlim()
    for what, peak in peaks.items():
        _note(ax, f"{quantity(peak, 'FLOP/s')}, {what}", (right, peak), "right")
    top, low = max(peaks.values()), ax.get_ylim()[0]
    for place, (what, bandwidth) in enumerate(bandwidths.items()):
        # Names of two slopes stand apart along them, so as not to meet.
        start, end = max(left, low / bandwidth), top / bandwidth
        x = start * (end / start) ** (0.5 - 0.15 * (place % 2))
        ends = ax.transData.transform([(x, x * bandwidth), (10 * x, 10 * x * bandwidth)])
        angle = math.degrees(math.atan2(ends[1][1] - ends[0][1], ends[1][0] - ends[0][0]))
        words = f"{quantity(bandwidth, 'B/s')}, {what}"
        _note(ax, words, (x, x * bandwidth), "center", angle)


def _note(ax: Axes, words: str, place: tuple[float, float], side: str, angle: float = 0) -> None:
    ax.annotate(
        words, place, xytext=(-4, 4), textcoords="offset points", horizontalalignment=side,
        verticalalignment="bottom", rotation=angle, rotation_mode="anchor", color=GREY, fontsize=8,
    )  # fmt: skip

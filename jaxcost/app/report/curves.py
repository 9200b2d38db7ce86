"""The curves of sweeps: cost along the one size that grows, measured solid and predicted dashed."""

from typing import TYPE_CHECKING

from jaxcost import figures
from jaxcost.app.report.study import Study
from jaxcost.calibrate.units import QUANTITIES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# What may run along x; where several sizes change together, the first of these does.
_AXES = {
    "k_h": "kernel size K",
    "batch": "batch size",
    "in_h": "height (pixels)",
    "in_w": "width (pixels)",
    "c_in": "input channels",
    "c_out": "output channels",
}
_NAMES = {"k_h": "K", "batch": "batch", "in_h": "H", "in_w": "W"}
_NAMES |= {"c_in": "$C_{in}$", "c_out": "$C_{out}$"}
_RATIO = "$C_{out}$ / $C_{in}$"
_LEAST_POINTS = 3

# The figures of the α-FLOPs paper that a sweep of its authors' name is drawn in.
_TITLES = {
    "conv_K_vs_C": "Kernel grows, channels shrink (figure 2a)",
    "conv_K_vs_S": "Kernel grows, image shrinks (figure 2b)",
    "increasing_W": "Image grows (figure 5a)",
    "increasing_Cout": "Output channels grow (figure 5b)",
    "increasing_Cout_with_K1": "Output channels grow, 1×1 kernel (figure 6a)",
    "increasing_Cin_100-1000": "Input channels grow (figure 6b)",
    "increasing_batch": "Batch grows, dense layers (figure 7)",
    "conv_fixed_progressive": "Equal FLOPs in several shapes (figure 1b)",
}


def curves(study: Study) -> dict[str, "Figure"]:
    """A figure for each sweep along which one size grows, by title; others have no curve."""
    if "sweep" not in study.table:
        return {}
    found = {}
    for name, part in study.table.groupby("sweep", sort=False):
        lines, axis = _lines(part)
        if axis is not None:
            title = _TITLES.get(str(name), str(name))
            found[title] = _figure(study.target, title, lines, axis)
    return found


def _figure(target: str, title: str, lines: list["pd.DataFrame"], axis: str) -> "Figure":
    quantity, unit = QUANTITIES[target]
    drawn = [
        figures.Line(label, p[axis], p["measured"], p["predicted"], p["lower"], p["upper"])
        for label, p in zip(_labels(lines), lines)
    ]
    x = lines[0][axis]
    log = bool(axis == "c_in" and x.max() > 20 * x.min())
    figure = figures.sweep(
        drawn, x=_AXES[axis], title=title, quantity=quantity, unit=unit, log_x=log, log_y=log
    )
    _finish(figure, lines, axis, unit)
    return figure


def _lines(sweep: "pd.DataFrame") -> tuple[list["pd.DataFrame"], str | None]:
    """The lines of a sweep that are long enough to draw, and what grows along all of them."""
    groups = sweep.groupby("line", sort=False) if "line" in sweep else [(0, sweep)]
    lines = [part for _, part in groups if len(part) >= _LEAST_POINTS]
    axes = [axis for axis in _AXES if all(_grows_along(axis, part) for part in lines)]
    return (lines, axes[0]) if lines and axes else ([], None)


def _grows_along(axis: str, line: "pd.DataFrame") -> bool:
    """Whether every point has its own place on the axis, and all else follows it or is constant."""
    ordered = line.sort_values(axis)
    alike = all(line[column].nunique() == 1 for column in ("op", "padding", "stride"))
    follows = all(
        ordered[size].is_monotonic_increasing or ordered[size].is_monotonic_decreasing
        for size in _AXES
    )
    return bool(line[axis].is_unique and alike and follows)


def _labels(lines: list["pd.DataFrame"]) -> list[str]:
    """What tells each line from the others: a size that is constant along it, or its shape."""
    words = [_constants(line) for line in lines]
    names = [name for name in words[0] if len({word.get(name) for word in words}) > 1]
    alone = [name for name in names if len({word.get(name) for word in words}) == len(lines)]
    names = alone[:1] or names
    labels = [", ".join(f"{n} = {w[n]}" for n in names if n in w) for w in words]
    if len(set(labels)) < len(lines):
        return [f"line {index + 1}" for index in range(len(lines))]
    return labels


def _constants(line: "pd.DataFrame") -> dict[str, str]:
    """The sizes that are constant along a line, as text; or the ratio of its channels."""
    ratio = line["c_out"] / line["c_in"]
    constant = {_NAMES[s]: str(line[s].iloc[0]) for s in _AXES if line[s].nunique() == 1}
    if ratio.nunique() == 1 and not {_NAMES["c_in"], _NAMES["c_out"]} & set(constant):
        constant[_RATIO] = f"{ratio.iloc[0]:.3g}"
    return constant


def _finish(figure: "Figure", lines: list["pd.DataFrame"], axis: str, unit: str) -> None:
    """Hollows the markers of layers held out; cuts what only wide intervals would need room for."""
    drawn = [line[column] for line in lines for column in ("measured", "predicted")]
    factor, _ = figures.prefixed(unit, *drawn)
    ax = figure.axes[0]
    needed = max(float(values.max()) for values in drawn) * factor
    ax.set_ylim(top=min(ax.get_ylim()[1], 1.4 * needed))
    for index, line in enumerate(lines):
        held = line[line["held_out"]]
        colour = figures.PALETTE[index % len(figures.PALETTE)]
        marker = figures.MARKERS[index % len(figures.MARKERS)]
        ax.plot(
            held[axis], held["measured"] * factor, linestyle="none", marker=marker,
            markerfacecolor="white", markeredgecolor=colour, markersize=6, zorder=4,
        )  # fmt: skip

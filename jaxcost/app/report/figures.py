"""Predicted against measured, and the error by kind of layer."""

from typing import TYPE_CHECKING

import numpy as np

from jaxcost import figures
from jaxcost._support import text
from jaxcost.app.report.layers import KINDS
from jaxcost.app.report.study import Study
from jaxcost.calibrate.units import QUANTITIES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEAST_FOR_A_BAR = 8


def agreement(study: Study) -> "Figure":
    """Predicted against measured with the ±10 % band: by kind, or what was held out apart."""
    quantity, unit = QUANTITIES[study.target]
    table = _grouped(study)
    figure = figures.predicted_against_measured(
        table["measured"], table["shown"],
        groups=list(table["group"]), quantity=quantity, unit=unit,
    )  # fmt: skip
    legend = figure.axes[0].get_legend()
    if legend is not None and len(study.held_out):
        # The share of all points says little where most of them were fitted to.
        legend.get_texts()[-1].set_text("within ±10 %")
    return figure


def _grouped(study: Study) -> "pd.DataFrame":
    """The table with `shown`, the prediction to draw, and `group`, in the order of the legend."""
    table = study.table
    if not len(study.held_out):
        shown = table["unseen"].where(np.isfinite(table["unseen"]), table["predicted"])
        places = table["kind"].map(KINDS.index)
        return table.assign(shown=shown, group=table["kind"]).iloc[
            np.argsort(places, kind="stable")
        ]
    close = (table["predicted"] / table["measured"] - 1).abs() <= 0.1
    table = table.assign(shown=table["predicted"], group="")
    for held, words in ((False, "fitted to"), (True, "held out")):
        rows = table["held_out"] == held
        label = f"{words}: {text.share(float(close[rows].mean()))} of {rows.sum()}"
        table.loc[rows, "group"] = label
    return table.sort_values("held_out", kind="stable")  # what was held out lies on top


@figures.styled
def errors_by_kind(study: Study) -> "Figure":
    """Relative errors of layers that the fit had not seen, a row for each kind of layer."""
    table = study.table[np.isfinite(study.table["unseen"])]
    error = 100 * (table["unseen"] / table["measured"] - 1)
    kinds = [kind for kind in KINDS if (table["kind"] == kind).any()]
    reach = float(np.clip(1.15 * error.abs().quantile(0.95), 20, 100))
    size = (7.2, 1.3 + 0.62 * len(kinds))
    figure, ax = figures.axes("predicted / measured − 1 (%)", "", size=size)
    ax.axvspan(-10, 10, color="#ededed", linewidth=0, zorder=0)
    ax.axvline(0, color="#8c8c8c", linewidth=0.9, zorder=1)
    for place, kind in enumerate(kinds):
        _strip(ax, place, error[table["kind"] == kind], reach)
    ax.set(xlim=(-reach, reach), ylim=(len(kinds) - 0.45, -0.55))
    ax.set_yticks(np.arange(len(kinds)), kinds)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    return figure


def _strip(ax: "Axes", place: int, error: "pd.Series", reach: float) -> None:
    """The layers of one kind as points, their middle half as a bar; what is beyond, as a number."""
    values = error.to_numpy()
    heights = place + np.random.default_rng(0).uniform(-0.22, 0.22, len(values))
    inside = np.abs(values) <= reach
    ax.plot(
        values[inside], heights[inside], linestyle="none", marker="o", markersize=4,
        color=figures.PALETTE[0], alpha=0.55, markeredgewidth=0, zorder=3,
    )  # fmt: skip
    low, middle, high = np.clip(np.quantile(values, (0.25, 0.5, 0.75)), -reach, reach)
    if len(values) >= _LEAST_FOR_A_BAR:
        ax.plot([low, high], [place, place], color="black", linewidth=1.4, zorder=4)
    ax.plot([middle], [place], "|", markersize=15, markeredgewidth=2.2, color="black", zorder=5)
    beyond = len(values) - int(inside.sum())
    if beyond:
        words = f"{beyond} beyond ±{reach:.0f} %"
        ax.text(1.01, place, words, transform=ax.get_yaxis_transform(), va="center", fontsize=9)

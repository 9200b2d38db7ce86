"""The paper's figures 4 and 6 again: measured solid, predicted dashed, cache boundaries grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxcost import figures
from jaxcost.device import MIB, device
from jaxcost.figures.style import GREY, PALETTE, plain_ticks, styled
from jaxcost.models.spills import SETS, set_sizes, spill_points
from jaxcost.papers.butter_e.isolines import NODES, Panel

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LINES = 10  # of an isoline figure: more cannot be told apart


@styled
def isolines(panels: list[Panel]) -> Figure:
    """Energy to reach each of several losses against size, a node a panel (figure 6)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(panels), 4.6))
    for ax, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels):
        _draw_panel(ax, panel)
    first = panels[0]
    figure.suptitle(
        f"Figure 6: {first.dataset}, {first.shape}, {first.depth} layers; "
        "energy to reach a test loss, measured solid, predicted dashed",
        x=0.01, ha="left", fontsize=11,
    )  # fmt: skip
    return figure


def _draw_panel(ax: Axes, panel: Panel) -> None:
    import matplotlib

    numbers = sorted(panel.lines)
    shown = numbers[:: -(-len(numbers) // _MOST_LINES)]
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(shown)))
    for number, colour in zip(shown, colours):
        measured, predicted = panel.lines[number]
        least = {0: "lowest loss", shown[-1]: "highest loss"}.get(number)
        ax.plot(panel.sizes, measured / 1e3, color=colour, linewidth=1.2, label=least)
        ax.plot(panel.sizes, predicted / 1e3, "--", color=colour, linewidth=1.2)
        if np.isfinite(measured).any():
            place = int(np.nanargmin(measured))
            ax.plot(panel.sizes[place], measured[place] / 1e3, "o", color=colour, markersize=4)
    ax.set(xscale="log", yscale="log", xlabel="parameters", ylabel="energy to the loss (kJ)")
    node = NODES[panel.hardware]
    ax.set_title(f"{node}; dots: least measured energy")
    _mark_spills(ax, panel)
    ax.set_ylim(bottom=ax.get_ylim()[0] / 4)  # room for the names of the boundaries
    ax.legend(loc="upper right")


def _mark_spills(ax: Axes, panel: Panel) -> None:
    """A grey line where a set leaves a level, named at the top; those at one size share it."""
    by_place: dict[float, list[str]] = {}
    for spill in spill_points(panel.runs, panel.sizes, device(NODES[panel.hardware])):
        by_place.setdefault(spill.at, []).append(f"{spill.working_set}>{spill.level}")
    for at, names in by_place.items():
        ax.axvline(at, color=GREY, linewidth=0.8, linestyle=":")
        ax.annotate(
            " ".join(names), (at, 0.02), xycoords=("data", "axes fraction"),
            rotation=90, fontsize=7.5, color=GREY, ha="right", va="bottom",
        )  # fmt: skip


@styled
def ramp(runs: pd.DataFrame, hardware: str) -> Figure:
    """Energy per observation and epoch against the size of each working set (figure 4)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6))
    sizes = set_sizes(runs)
    per_datum = runs["energy_per_epoch_j"] / runs["n_observations"] * 1e3
    predicted = runs["predicted_energy_per_epoch_j"] / runs["n_observations"] * 1e3
    names = [name for name in SETS if name != "d"]
    datasets = list(dict.fromkeys(runs["dataset"]))
    for ax, name in zip(figure.subplots(1, len(names), sharey=True), names):
        for i, dataset in enumerate(datasets):
            rows = (runs["dataset"] == dataset).to_numpy()
            order = np.argsort(sizes[name][rows])
            x, colour = sizes[name][rows][order] / MIB, PALETTE[i]
            ax.plot(x, per_datum[rows].to_numpy()[order], "o-", color=colour, label=dataset)
            ax.plot(x, predicted[rows].to_numpy()[order], "--", color=colour)
        _mark_capacities(ax, hardware, spread=name == "t")
        ax.set(xscale="log", yscale="log", xlabel=f"{SETS[name]}, {name} (MiB)")
        plain_ticks(ax.yaxis)
    figure.axes[0].set_ylabel("energy per observation, epoch (mJ)")
    figure.axes[0].legend(loc="upper left")
    figure.suptitle(
        f"Figure 4: {NODES[hardware]}, measured solid, table 4 dashed; dotted: capacity of a level",
        x=0.01, ha="left", fontsize=11,
    )  # fmt: skip
    return figure


def _mark_capacities(ax: Axes, hardware: str, *, spread: bool) -> None:
    """Capacity of each cache: of a unit for what is copied, of all for what is spread."""
    for level in device(NODES[hardware]).memory[:-1]:
        bytes_ = float(level.bytes_per_unit * (level.units if spread else 1))
        ax.axvline(bytes_ / MIB, color=GREY, linewidth=0.8, linestyle=":")
        ax.annotate(
            level.name, (bytes_ / MIB, 0.98), xycoords=("data", "axes fraction"),
            fontsize=8, color=GREY, ha="right", va="top", rotation=90,
        )  # fmt: skip


def agreement(runs: pd.DataFrame, hardware: str) -> Figure:
    """Table 4 against what was measured, a point a network."""
    return figures.predicted_against_measured(
        runs["energy_per_epoch_j"], runs["predicted_energy_per_epoch_j"],
        groups=runs["dataset"].tolist(), quantity="energy of an epoch", unit="J",
        title=f"Table 4, units corrected: {NODES[hardware]}",
    )  # fmt: skip

"""The figure of `measured.py`: time of a parameter over the width, a panel a run."""

import numpy as np

from jaxcost import figures

_HEIGHT = 3.5  # inches, of a panel


@figures.styled
def figure(runs: list[dict]) -> object:
    """Predicted with its band, measured with the range of its processes, choices and knees."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(7.6, _HEIGHT * len(runs)))
    panels = drawn.subplots(len(runs), 1, sharex=True, squeeze=False)[:, 0]
    for number, (ax, run) in enumerate(zip(panels, runs)):
        _curves(ax, run)
        _marks(ax, run["results"])
        ax.set_ylabel("time of a parameter (ps)")
        ax.set_title(f"run {number + 1}" if len(runs) > 1 else "")
    panels[-1].set_xlabel("width: inputs and outputs of the layer")
    panels[0].legend(loc="upper center", bbox_to_anchor=(0.44, 0.84), ncols=2, fontsize=8.5)
    return drawn


def _curves(ax: object, run: dict) -> None:
    colour = figures.PALETTE[0]
    widths, seconds = np.array(run["widths"]), np.array(run["seconds"])
    smooth = np.array(run["curve"]["widths"])
    expected, low, high = 1e12 * np.array(run["curve"]["seconds"]) / smooth**2
    ax.fill_between(smooth, low, high, color=colour, alpha=0.13, linewidth=0)
    ax.plot(smooth, expected, "--", color=colour, label="predicted, 90 % interval")
    pace = 1e12 * seconds / widths**2
    middle, ends = np.median(pace, 0), np.quantile(pace, [0.1, 0.9], axis=0)
    ax.errorbar(widths, middle, yerr=np.abs(ends - middle), fmt="o", markersize=4, linewidth=0.9,
                color=colour, label="measured, not fitted to")  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_ylim(0, 1.4 * middle.max())


def _marks(ax: object, results: dict) -> None:
    for i, (name, r) in enumerate(results.items()):
        ax.axvline(r["nominal"], color=figures.GREY, linestyle=":", linewidth=1)
        ax.annotate(f"{name} full", (r["nominal"], 0.03), rotation=90, fontsize=8.5,
                    xycoords=("data", "axes fraction"), ha="right", va="bottom")  # fmt: skip
        first = i == 0
        for width, marker, colour, word in (
            (r["chosen"], "D", figures.PALETTE[1], "chosen by prediction"),
            (r["best_measured"], "*", figures.PALETTE[2], "best of the sweep"),
        ):
            ax.plot(width, r["pace_ps"][word], marker, color=colour, markersize=9,
                    fillstyle="none", linestyle="none", label=word if first else None)  # fmt: skip
        for kind, level, face in (("measured", 0.92, None), ("predicted", 0.86, "white")):
            _knee(ax, r[kind], level, face, f"knee, {kind}" if first else None)


def _knee(ax: object, knee: dict, level: float, face: str | None, label: str | None) -> None:
    if not knee["visible"]:
        return
    reach = np.abs(np.array(knee["onset_interval"])[:, None] - knee["onset"])
    ax.errorbar([knee["onset"]], [level], xerr=reach, fmt="v", color=figures.PALETTE[3],
                markersize=7, markerfacecolor=face, linewidth=1, label=label,
                transform=ax.get_xaxis_transform())  # fmt: skip

"""The figure of `table_search.py`: how often each cost finds the best on each card, in budget."""

import pandas as pd

from jaxcost import figures

_TARGETS = {"best": 90, "met": 95}  # percent, of the issue
_TITLES = {"best": "best found within {:.0%}, budget met", "met": "budget met within {:.0%}"}
_WORDS = {"time_s": "time", "energy_j": "energy"}
_MARKS = {  # each its colour and marker, the worst expected first
    "FLOPs": (figures.GREY, "s"),
    "roofline": (figures.GREY, "^"),
    "extra trees": (figures.PALETTE[1], "D"),
    "ours": (figures.PALETTE[0], "o"),
    "ours, 5 measured": (figures.PALETTE[2], "o"),
    "ours, 15 layers": (figures.PALETTE[2], "*"),
}


@figures.styled
def figure(found: pd.DataFrame, near: float) -> object:
    """A row a card and budget, a mark a cost; `found` as `tables.summary` has it."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(9, 4))
    names = [f"{_short(d)}, {_WORDS[b]}" for d, b in zip(found["device"], found["budget"])]
    rows = {name: len(set(names)) - 1 - i for i, name in enumerate(dict.fromkeys(names))}
    panels = drawn.subplots(1, 2, sharey=True)
    for ax, (column, target) in zip(panels, _TARGETS.items()):
        ax.axvline(target, color=figures.GREY, linestyle=":", linewidth=1)
        for cost, (colour, marker) in _MARKS.items():
            own = (found["cost"] == cost).to_numpy()
            y = [rows[name] for name, is_own in zip(names, own) if is_own]
            ax.plot(found[column][own], y, marker, color=colour, label=cost,
                    markersize=9 if marker == "*" else 6, alpha=0.85)  # fmt: skip
        ax.set_xlabel("problems (%)")
        ax.set_xlim(-3, 103)
        ax.set_title(_TITLES[column].format(near), fontsize=10)
    panels[0].set_yticks(list(rows.values()), list(rows))
    handles, labels = panels[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8.5)
    return drawn


def _short(device: str) -> str:
    """`A100` of `NVIDIA A100-SXM4-80GB`."""
    return device.removeprefix("NVIDIA ").split("-")[0].split(" ")[0]

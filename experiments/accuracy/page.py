"""The bench's table as a page of the documentation."""

import pandas as pd

_HEAD = """# Layers, by device: cards that the model was not tuned on

Made by
`experiments/accuracy/bench.py --data FOLDER --out experiments/accuracy/bench.csv --page FILE`
of measurements by others: convolutions and products in float32 by NeuSight's authors, products in
bfloat16 by NVIDIA for AIConfigurator, the T2000 by the authors of α-FLOPs, and one CPU of our own.
Up to 400 rows are fitted, up to 1,000 others judged. *Ours* is `jaxcost fit` and `jaxcost predict`;
*extra trees* is a black box on the same features, which gives neither gradients nor intervals;
α-FLOPs and the roofline are fitted to the same rows. Bold: the smallest mean error. *Inside* is the
share of rows within our 90 % interval.
"""
_LEFT_OUT = """
## A device never measured, or by 20 layers

Each GPU is left out in turn, and predicted from the calibration of the one *from*, whose data
sheet is nearest, fitted to 400 rows: by data sheets alone (`jaxcost carry-over`), and by 20 of its
rows at random (`jaxcost fit --from`), beside a fit to these rows alone; mean and median error, of
20 rows over three draws. *Inside* is the share within the 90 % interval, of 20 rows the least of
the draws. Cards of 70 W, T4 and P4, do not hold the clocks that their data sheets' peaks are of.
What is common to all devices - how starts go with the peak, how wide the parameters are believed,
and the width of an interval from a data sheet - was chosen on these same tables, with other draws:
of a GPU that is in none of them expect somewhat less.

"""
_WAYS = ("0 rows", "20 rows", "20 rows alone")
_SPLITS = {
    "rows": "Rows like those measured",
    "deepbench": "Networks of 2016, on cards of 2014 to 2017",
    "operations": "Batched products, and memory-bound operations",
    "weights": "Shapes of weights never measured",
    "sweeps": "Whole sweeps never measured",
    "large": "Larger than all that were measured",
}
_WHAT = {
    "rows": "Drawn at random.",
    "deepbench": "DeepBench's convolutions and products, 160 rows a card; 70 % are fitted. "
    "Products come in layouts that no size tells apart, and take up to 2.2 times as long in one.",
    "operations": "*Side by side*: products in a batch. Drawn at random, of NeuSight's "
    "measurements in float32; H100 and A100 also by Vidur, in float16. All elementwise operations "
    "of one array are one kind, whatever each takes to begin; so are those of two.",
    "weights": "A fifth of the weight matrices is predicted from the others.",
    "sweeps": "Each sweep is predicted from the others; the mean over all their rows.",
    "large": "Products of 2,048 rows and more from those of 512 and fewer; of convolutions the "
    "quarter with the most FLOPs from the half with the fewest.",
}


def page(table: pd.DataFrame) -> str:
    """The page, in Markdown, of a table as from `bench.summary`."""
    parts = [_HEAD]
    for split, title in _SPLITS.items():
        some = table[table["split"] == split]
        if len(some):
            parts.append(f"\n## {title}\n\n{_WHAT[split]}\n\n{_markdown(some)}")
    if len(some := table[table["split"] == "left out"]):
        parts.append(_LEFT_OUT + _left_out(some))
    return "".join(parts)


def _left_out(table: pd.DataFrame) -> str:
    """A row a device, the worst first by its 20 rows."""
    ways = {how: table[table["predictor"] == how].set_index("device") for how in _WAYS}
    of_20 = ways["20 rows"].sort_values("mean", ascending=False)
    columns = ["device", "from", "data sheet", "inside", "20 layers", "inside", "20 layers alone"]
    lines = [_line(columns), _line(["---"] * len(columns))]
    for device in of_20.index:
        found = {how: some.loc[device] for how, some in ways.items()}
        errors = [f"{row['mean']:.1f}, {row['median']:.1f} %" for row in found.values()]
        held = [f"{row['least inside']:.0f} %" for row in found.values()]
        origin = found["0 rows"]["models"].split(":")[0]
        cells = [device, origin, errors[0], held[0], errors[1], held[1], errors[2]]
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def _markdown(table: pd.DataFrame) -> str:
    """A row a device, the worst first: ours in full, of the others the mean error."""
    means = table.pivot(index="device", columns="predictor", values="mean")
    others = [name for name in table["predictor"].unique() if name != "ours"]
    ours = table[table["predictor"] == "ours"].set_index("device")
    columns = ["device", "ours, mean", "median", "within 10 %", "inside", *others]
    lines = [_line(columns), _line(["---"] * len(columns))]
    for device in ours.sort_values("mean", ascending=False).index:
        row, least = ours.loc[device], means.loc[device].min()
        cells = [_cell(means.loc[device, "ours"], least), f"{row['median']:.1f} %"]
        cells += [f"{row['within 10 %']:.0f} %", f"{row['inside 90 %']:.0f} %"]
        cells += [_cell(means.loc[device, name], least) for name in others]
        lines.append(_line([device, *cells]))
    return "\n".join(lines) + "\n"


def _cell(mean: float, least: float) -> str:
    if mean != mean:  # no price
        return "–"
    return f"**{mean:.1f} %**" if mean == least else f"{mean:.1f} %"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"

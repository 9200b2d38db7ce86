"""The rows of `summary.json`: what the thesis prints, what comes out, and why they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxcost.papers.inference_trends import analyses, tables
from jaxcost.papers.inference_trends.analyses import Growth, Scaling
from jaxcost.papers.summary import SummaryRow

if TYPE_CHECKING:
    import pandas as pd

_SMALLER = "MobileNetV2"  # the network whose joules table 5.2 gives to MobileNetV2 1.4
_SWAPPED_FLOPS = 2895.9e9  # 2859.9 with two digits swapped gives equation A.12's result
_LARGEST = "A.3"


def accuracies(table_3_1: pd.DataFrame, table_4_1: pd.DataFrame) -> list[SummaryRow]:
    """Tables 3.1 and 4.1 against table A.3: accuracy and FLOPs."""
    found = [
        SummaryRow(
            f"Table 3.1, {row.model}, 1-crop", "top_1_percent",
            row.top_1_1_crop_percent, row.a_3_top_1_percent, "reproduced is table A.3's",
        )
        for row in table_3_1.itertuples()
    ]  # fmt: skip
    for row in table_4_1.itertuples():
        pairs = {
            "top_1_percent": (row.top_1_percent, row.a_3_top_1_percent),
            "flops": (row.flops, row.a_3_flops),
        }
        source, note = f"Table 4.1, {row.model}", "reproduced is table A.3's"
        found += [SummaryRow(source, name, *pair, note) for name, pair in pairs.items()]
    return found


def speedups(table_5_1: pd.DataFrame) -> list[SummaryRow]:
    """Table 5.1 from table B.2."""
    note = "mean over networks of the ratio of throughputs in table B.2"
    return [
        SummaryRow(
            f"Table 5.1, {row['gpu']} {row['precision']}, {task.upper()}", "speedup",
            row[f"{task}_speedup"], row[f"{task}_recomputed"], note,
        )
        for row in table_5_1.to_dict("records") for task in ("cnn", "nlp")
    ]  # fmt: skip


def joules(name: str, table: pd.DataFrame, vision: pd.DataFrame) -> list[SummaryRow]:
    """The joules of table 5.2 or 5.3, by the CNN line at each network's date of table A.3."""
    label = name.replace("_", ".")
    return [
        SummaryRow(
            f"Table {label}, {row.model}", "energy_j", row.energy_j, row.a_3_energy_j,
            _slip(vision) if row.model == "MobileNetV2 1.4" else "",
        )
        for row in table.itertuples()
    ]  # fmt: skip


def _slip(vision: pd.DataFrame) -> str:
    smaller = vision.set_index("model").loc[_SMALLER]
    return (
        f"a slip: {smaller.energy_j:.4f} J, which prints as {smaller.energy_j:.3f}, is what the "
        f"{smaller.flops / 1e9:.2f} GFLOPs of {_SMALLER} cost, which is of the same day"
    )


def energy_ratio(table_5_2: pd.DataFrame) -> list[SummaryRow]:
    """The text's claim that such networks of 2018 and 2019 take a tenth of AlexNet's energy."""
    energy = table_5_2.set_index("model")["a_3_energy_j"]
    notes = {
        "MobileNetV2 1.4": "'approximately 10 times less' of 2018 rests on the slip in table 5.2",
        "EfficientNet-B1": "'approximately 10 times less'; table 5.2 itself has 6.3",
        "NoisyStudent-B1": "'approximately 10 times less'; table 5.2 itself has 7.1",
    }
    source = "Text of chapter 5, AlexNet over"
    return [
        SummaryRow(f"{source} {name}", "ratio", 10.0, float(energy["AlexNet"] / energy[name]), note)
        for name, note in notes.items()
    ]


def lines(table: pd.DataFrame) -> list[SummaryRow]:
    """Slope and doubling time of each efficiency line, the interval in the note."""
    found = []
    for row in table.itertuples():
        source = f"{'Table B.3' if row.line == 'fp32' else 'Figure 5.2'}, {row.line.upper()} line"
        slope = f"90 % interval {row.slope_lo:.4f} to {row.slope_hi:.4f}; not printed"
        found.append(
            SummaryRow(source, "slope_decades_per_year", None, row.slope_decades_per_year, slope)
        )
        years = f"90 % interval {row.doubling_years_lo:.2f} to {row.doubling_years_hi:.2f}"
        found.append(SummaryRow(source, "doubling_time_years", None, row.doubling_years, years))
    return found


def growths(found: dict[tuple[str, str], Growth]) -> list[SummaryRow]:
    """Slopes of the dashed (best) and solid (all) lines of four figures; none is printed."""
    lines = {"best": "dashed line, best networks", "all": "solid line, all networks"}
    return [
        SummaryRow(
            f"{figure}, {lines[which]}", "slope_decades_per_year", None, line.slope,
            f"90 % interval {line.lower:.3f} to {line.upper:.3f}; not printed",
        )
        for (figure, which), line in found.items()
    ]  # fmt: skip


def correlations() -> list[SummaryRow]:
    """Section 4.1.1's two correlations of parameters with FLOPs."""
    note = "Pearson's; networks with the same parameters and FLOPs count once"
    printed = {"CNN": 0.772, "Transformer": 0.995}
    return [
        SummaryRow(
            f"Figure 4.1, {name}s", "correlation", value, analyses.correlation(name), note
        )
        for name, value in printed.items()
    ]  # fmt: skip


def scalings(table: pd.DataFrame) -> list[SummaryRow]:
    """The FLOPs of the appendix's equations; A.12 also with two digits swapped; 4.1 as printed."""
    found = []
    for row in table.itertuples():
        source, note = f"Equation {row.equation}, {row.model}", f"scaled from {row.scaled_from}"
        if row.equation == "A.12":
            note = "a slip: 2859.9 · 1.3490² is 5204; the printed result follows from 2895.9"
        found.append(SummaryRow(source, "flops", row.flops, row.recomputed_flops, note))
        found += _other_reading(row)
    return [*found, _growth_of_vit()]


def _other_reading(row: Any) -> list[SummaryRow]:
    """What else an equation of the appendix was, or should have been, computed from."""
    if row.equation == _LARGEST:
        note = "a slip: the appendix multiplies what equation 4.1 adds"
        source = f"Equation 4.1 as printed (a sum), {row.model}"
        return [SummaryRow(source, "flops", row.flops, row.as_a_sum_flops, note)]
    if row.equation != "A.12":
        return []
    finer = Scaling(resolution=row.resolution_to_px / row.resolution_from_px)
    again, source = float(finer.flops(_SWAPPED_FLOPS)), "Equation A.12 with 2895.9 for 2859.9"
    return [SummaryRow(source, "flops", row.flops, again, "two digits swapped")]


def _growth_of_vit() -> SummaryRow:
    coarse, fine = tables.table("a_2").flops
    note = "table A.2; resolution² grows by 2.9388, so FLOPs grow with about its square"
    return SummaryRow("Equation A.10, ViT-G/14", "flops_ratio", 2.9627, fine / coarse, note)


def consistency(b_1: pd.DataFrame, b_2: pd.DataFrame, b_3: pd.DataFrame) -> list[SummaryRow]:
    """How many rows of tables B.1 to B.3 follow from their other columns."""
    ratio = ((b_2.speedup - b_2.recomputed_speedup).abs() <= 0.0051).sum()
    return [
        _efficiencies("Table B.1", b_1),
        SummaryRow("Table B.2, speed-ups", "rows_that_follow", 58.0, float(ratio), ""),
        _efficiencies("Table B.3", b_3),
    ]


def _efficiencies(label: str, table: pd.DataFrame) -> SummaryRow:
    off = (~table.every_digit_follows).sum()
    note = f"peak over power; {off} differ in their last digits, by less than the peak is rounded"
    follow = float(table.follows.sum())
    return SummaryRow(f"{label}, efficiencies", "rows_that_follow", float(len(table)), follow, note)


def last_digits(label: str, table: pd.DataFrame) -> list[SummaryRow]:
    """The rows of table B.1 or B.3 whose last printed digits do not follow."""
    off = table[~table.every_digit_follows]
    return [
        SummaryRow(
            f"{label}, {row.gpu} {row.precision}", "efficiency_flop_per_j",
            row.efficiency_flop_per_j, row.recomputed_flop_per_j, "last digits",
        )
        for row in off.itertuples()
    ]  # fmt: skip


def context() -> list[SummaryRow]:
    """The two levels of figures 5.7 and 5.8, and a claim about accuracy in the text."""
    body = "2000 kcal a day; printed rounded"
    person = "79,897 kWh a year in the USA in 2019; printed rounded"
    source = "Figures 5.7 and 5.8"
    return [
        SummaryRow(f"{source}, internal consumption", "power_w", 100.0, analyses.BODY_W, body),
        SummaryRow(f"{source}, external consumption", "power_w", 1e4, analyses.PERSON_W, person),
        SummaryRow(
            "Text of chapter 5, EfficientNetV2-S over AlexNet", "accuracy_gain", 0.48,
            83.90 / 56.52 - 1, "printed rounded",
        ),
    ]  # fmt: skip


def contradictions(rows: list[SummaryRow], tolerance: float = 0.02) -> list[SummaryRow]:
    """The rows whose printed value does not follow: off by more than `tolerance`, or noted."""
    return [
        row for row in rows
        if row.note.startswith("a slip") or abs(row.relative_error or 0) > tolerance
    ]  # fmt: skip

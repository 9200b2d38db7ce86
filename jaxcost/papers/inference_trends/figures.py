"""The thesis's figures of chapters 4 and 5, drawn again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxcost import figures
from jaxcost.calibrate.trends import efficiency_line
from jaxcost.papers.inference_trends import analyses
from jaxcost.papers.inference_trends.analyses import Growth
from jaxcost.papers.inference_trends.tables import table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_YEAR, _ENERGY, _TOP_1 = "year of publication", "energy of one inference (J)", "top-1 accuracy (%)"
_LAUNCH, _EFFICIENCY = "year of launch", "peak efficiency (GFLOP/s per W)"
_GFLOP, _GLUE = "GFLOPs of one inference", "GLUE score"
_PRECISIONS = {"fp32": "FP32", "fp16": "FP16", "fp16-tensor": "FP16, tensor cores"}
_LEVELS = {
    "human body, one second": analyses.BODY_W,
    "all a person uses, one second": analyses.PERSON_W,
}


def compute(vision: pd.DataFrame, language: pd.DataFrame) -> dict[str, Figure]:
    """Figures 4.1 to 4.8: parameters, accuracy and FLOPs."""
    recent = vision[(vision.year >= 2019) & (vision.architecture != "Hybrid")]
    scored = language[language.glue_score.notna()]
    return {
        "figure_4_1": _parameters(vision),
        "figure_4_2": _bubbles(vision, "top_1_percent", "Figure 4.2: accuracy on ImageNet", _TOP_1),
        "figure_4_4": _front(vision, "flops", "Figure 4.4: accuracy against compute"),
        "figure_4_5": figures.scatter(
            _by_kind(recent, "flops"), log_x=True, x=_GFLOP, y=_TOP_1,
            title="Figure 4.5: transformers and CNNs, 2019 to 2021",
        ),
        "figure_4_6": _bubbles(scored, "glue_score", "Figure 4.6: score on GLUE", _GLUE),
        "figure_4_7": _scores(scored, "flops", "Figure 4.7: score on GLUE against compute"),
    }  # fmt: skip


def growth(
    vision: pd.DataFrame, language: pd.DataFrame, lines: dict[tuple[str, str], Growth]
) -> dict[str, Figure]:
    """Figures 4.3, 4.8, 5.3 and 5.4: growth, and 5.7 and 5.8, beside what a person uses."""
    return {
        "figure_4_3": _growth("Figure 4.3", "compute in vision", vision, "flops", lines),
        "figure_4_8": _growth("Figure 4.8", "compute in language", language, "flops", lines),
        "figure_5_3": _growth("Figure 5.3", "energy in vision", vision, "energy_j", lines),
        "figure_5_4": _growth("Figure 5.4", "energy in language", language, "energy_j", lines),
        "figure_5_7": _growth("Figure 5.3", "energy in vision", vision, "energy_j", lines, "5.7"),
        "figure_5_8": _growth(
            "Figure 5.4", "energy in language", language, "energy_j", lines, "5.8"
        ),
    }


def hardware() -> dict[str, Figure]:
    """Figures 5.1 and 5.2: efficiency of GPUs by the data sheet, and as adapted."""
    peaks = table("b_1").assign(year=lambda t: analyses.fractional_years(t.launch_date))
    groups = [
        _points(label, peaks[peaks.precision == name], "year", "efficiency_flop_per_j", y_unit=1e9)
        for name, label in _PRECISIONS.items()
    ]
    return {
        "figure_5_1": figures.scatter(
            groups, log_y=True, x=_LAUNCH, y=_EFFICIENCY,
            title="Figure 5.1: GPUs by their data sheets",
        ),
        "figure_5_2": _lines(),
    }  # fmt: skip


def energy(vision: pd.DataFrame, language: pd.DataFrame) -> dict[str, Figure]:
    """Figures 5.5 and 5.6: accuracy against joules, with the Pareto fronts."""
    scored = language[language.glue_score.notna()]
    return {
        "figure_5_5": _front(vision, "energy_j", "Figure 5.5: accuracy against energy"),
        "figure_5_6": _scores(scored, "energy_j", "Figure 5.6: score on GLUE against energy"),
    }


def _points(
    label: str, rows: pd.DataFrame, x: str, y: str, *, x_unit: float = 1, y_unit: float = 1
) -> figures.Points:
    return figures.Points(label, rows[x] / x_unit, rows[y] / y_unit)


def _in_figure(column: str) -> tuple[float, str]:
    """What to divide a cost by, and the label of its axis."""
    return (1e9, _GFLOP) if column == "flops" else (1.0, _ENERGY)


def _parameters(vision: pd.DataFrame) -> Figure:
    groups = [
        _points(f"{name} ({len(part)})", part, "parameters", "flops", x_unit=1e6, y_unit=1e9)
        for name, part in vision.groupby("architecture", sort=False)
    ]
    return figures.scatter(
        groups, log_x=True, log_y=True, x="parameters (millions)", y=_GFLOP,
        title="Figure 4.1: parameters and compute",
    )  # fmt: skip


def _kinds(rows: pd.DataFrame) -> dict[str, pd.Series]:
    extra = rows["extra_data"] != "no"
    return {"ImageNet-1k only": ~extra, "with extra data": extra}


def _by_kind(rows: pd.DataFrame, cost: str) -> list[figures.Points]:
    return [
        _points(f"{name}, {label}", part[chosen], cost, "top_1_percent", x_unit=1e9)
        for name, part in rows.groupby("architecture")
        for label, chosen in _kinds(part).items()
    ]


def _bubbles(rows: pd.DataFrame, score: str, title: str, label: str) -> Figure:
    parts = _kinds(rows) if "extra_data" in rows else {"networks for language": rows.year > 0}
    groups = [
        figures.Points(name, rows.year[chosen], rows[score][chosen], rows.flops[chosen])
        for name, chosen in parts.items()
    ]
    least, most = rows.flops.min() / 1e9, rows.flops.max() / 1e9
    area = f"{least:.2g} to {most:,.0f} GFLOPs, growing with the logarithm"
    return figures.scatter(groups, x=_YEAR, y=label, title=title, size_label=area)


def _front(vision: pd.DataFrame, cost: str, title: str) -> Figure:
    unit, label = _in_figure(cost)
    eras = {
        "2012 to 2015": (2012, 2016),
        "2016 to 2018": (2016, 2019),
        "2019 to 2021": (2019, 2022),
    }
    groups = [
        _points(name, vision[vision.year.between(*ends, inclusive="left")], cost, "top_1_percent",
                x_unit=unit)
        for name, ends in eras.items()
    ]  # fmt: skip
    curves = [
        _pareto(vision, cost, "top_1_percent", unit, "Pareto front", "-"),
        _pareto(vision[vision.extra_data == "no"], cost, "top_1_percent", unit,
                "front without extra data", "--"),
    ]  # fmt: skip
    return figures.scatter(groups, curves, log_x=True, x=label, y=_TOP_1, title=title)


def _scores(language: pd.DataFrame, cost: str, title: str) -> Figure:
    unit, label = _in_figure(cost)
    groups = [
        _points(str(year), part, cost, "glue_score", x_unit=unit)
        for year, part in language.groupby(language.year.astype(int))
    ]
    front = analyses.pareto(language[cost], language.glue_score)
    names = [
        figures.Name(*point)
        for point in zip(language.model, language[cost] / unit, language.glue_score, front)
    ]
    curve = _pareto(language, cost, "glue_score", unit, "Pareto front", "-")
    return figures.scatter(
        groups, [curve], names=names, log_x=True, x=label, y=_GLUE, title=title
    )  # fmt: skip


def _pareto(
    rows: pd.DataFrame, cost: str, score: str, unit: float, label: str, style: str
) -> figures.Curve:
    front = rows[analyses.pareto(rows[cost], rows[score])].sort_values([cost, score])
    return figures.Curve(label, front[cost] / unit, front[score], style)


def _growth(
    figure: str, what: str, rows: pd.DataFrame, column: str,
    lines: dict[tuple[str, str], Growth], beside_a_person: str = "",
) -> Figure:  # fmt: skip
    unit, label = _in_figure(column)
    best = "best of their year" if "top_1_percent" in rows else "largest yet"
    groups = [
        _points(name, rows[chosen], "year", column, y_unit=unit)
        for name, chosen in {best: rows.best, "others": ~rows.best}.items()
    ]
    years = np.linspace(rows.year.min(), rows.year.max(), 50)
    curves = [
        figures.Curve(f"{name}: {_doubling(lines[figure, which])}", years,
                    lines[figure, which].at(years) / unit, style)
        for which, name, style in (("best", best, "--"), ("all", "all", "-"))
    ]  # fmt: skip
    mean = analyses.yearly_mean(rows, column) / unit
    curves.append(figures.Curve("mean of each year", mean.index, mean, ":"))
    number = f"Figure {beside_a_person}" if beside_a_person else figure
    aside = " beside a person's" if beside_a_person else ""
    return figures.scatter(
        groups, curves, log_y=True, x=_YEAR, y=label, title=f"{number}: {what}{aside}",
        levels=_LEVELS if beside_a_person else None,
    )  # fmt: skip


def _doubling(line: Growth) -> str:
    if line.lower <= 0 <= line.upper:
        return "no clear growth"
    return f"×2 in {line.doubling_years:.2g} years"


def _lines() -> Figure:
    rows = table("b_3").assign(year=lambda t: analyses.fractional_years(t.launch_date))
    labels = {"none": "FP32", "cnn": "adapted, CNN", "nlp": "adapted, NLP"}
    groups = [
        _points(label, rows[rows.adapted_for == name], "year", "efficiency_flop_per_j", y_unit=1e9)
        for name, label in labels.items()
    ]
    years = np.linspace(rows.year.min(), rows.year.max(), 50)
    curves = [_line(name, index, years) for index, name in enumerate(("fp32", "cnn", "nlp"))]
    return figures.scatter(
        groups, curves, log_y=True, x=_LAUNCH, y=_EFFICIENCY,
        title="Figure 5.2: GPUs adapted for CNNs and NLP, and their lines",
    )  # fmt: skip


def _line(name: str, colour: int, years: np.ndarray) -> figures.Curve:
    line = efficiency_line(name)
    middle = np.array([float(line.model.efficiency(year)) for year in years]) / 1e9
    slope = next(e for e in line.result.estimates if e.name == "growth")
    least, usual, most = np.log10(2) / np.array([slope.upper, slope.value, slope.lower])
    label = f"{name.upper()}: ×2 in {usual:.2f} years ({least:.1f} to {most:.1f})"
    return figures.Curve(label, years, middle, colour=colour)

"""The rows of `summary.json`: what the paper prints, what comes out, and why they differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost._support.published import published
from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.papers.alpha_flops import tables
from jaxcost.papers.alpha_flops.figures import FIGURE_2A, FIGURES
from jaxcost.papers.summary import SummaryRow
from jaxcost.workload import counts, dense

if TYPE_CHECKING:
    import pandas as pd

_ALL_ROWS = 721
# From an analysis of the whole file by another program.
_ON_ALL_ROWS = {
    "mean_absolute_relative_error": 0.216,
    "median_absolute_relative_error": 0.127,
    "share_within_10_percent": 0.416,
    "r_squared": 0.975,
}
_CONTRADICTION = (
    "the paper contradicts itself: the predictions printed in table 3a do not follow from the "
    "parameters printed in section 5"
)


def table_1a(table: pd.DataFrame) -> list[SummaryRow]:
    """FLOPs and times of table 1a, the dense layer's parameters, and the text's speed-up."""
    found = []
    for row in table.itertuples():
        source = f"Table 1a ({row.config})"
        found.append(SummaryRow(source, "flops", 327.68e6, row.flops, "equation 4"))
        note = "published is a measurement, reproduced the prediction with the printed parameters"
        found.append(SummaryRow(source, "time_s", row.time_s, row.predicted_time_s, note))
    parameters = float(counts.parameters(dense(c_in=12800, c_out=12800, bias=True))[0])
    found.append(SummaryRow("Section 4, dense layer", "parameters", 163_852_800.0, parameters))
    times = table.set_index("config")["time_s"]
    note = "the text's 'approximately 16 times faster', against the ratio of table 1a's own times"
    speedup = float(times["dense"] / times["4"])
    return [*found, SummaryRow("Section 4, dense layer over (4)", "speedup", 16.0, speedup, note)]


def table_3a(table: pd.DataFrame) -> list[SummaryRow]:
    """Table 3a's predictions from the printed parameters, and from those they imply."""
    notes = {"printed": _CONTRADICTION, "implied": "fitted to these four predictions"}
    return [
        SummaryRow(
            f"Table 3a ({row['config']}), {reading} parameters", "time_s",
            row["predicted_time_s"], row[f"{reading}_parameters_time_s"], note,
        )
        for reading, note in notes.items() for row in table.to_dict("records")
    ]  # fmt: skip


def parameters(implied: AlphaFlops) -> list[SummaryRow]:
    """The printed parameters beside those that the predictions printed in table 3a imply."""
    printed = published("alpha_flops_parameters").set_index("parameter")["value"]
    units = {"scale": "scale_s_per_flop", "beta_1": "beta_1", "gamma_1": "gamma_1"}
    return [
        SummaryRow(
            "Table 3a, implied parameters", unit,
            float(printed[name]), float(getattr(implied, name)), _CONTRADICTION,
        )
        for name, unit in units.items()
    ]  # fmt: skip


def measured_1a(measured: pd.DataFrame) -> list[SummaryRow]:
    """Table 1a's times, found again in the data set among layers with the same FLOPs and extent."""
    return [_found_again(row, measured) for row in published("alpha_flops_table_1a").itertuples()]


def _found_again(row: Any, measured: pd.DataFrame) -> SummaryRow:
    source = f"Table 1a ({row.config}), data set"
    alike = measured[
        np.isclose(measured.flops, 327.68e6)
        & (measured.in_h * measured.in_w == row.in_h * row.in_w)
        & (measured.batch * measured.k_h * measured.k_w == 1)
    ]
    if alike.empty:
        return SummaryRow(source, "time_s", row.time_s, None, "no such layer in the data")
    nearest = alike.loc[(alike.time_s - row.time_s).abs().idxmin()]
    shape = ", ".join(str(nearest[name]) for name in ("in_w", "in_h", "c_in", "c_out"))
    note = f"(W, H, C_in, C_out) = ({shape}): nearest in time of as many FLOPs and pixels"
    return SummaryRow(source, "time_s", row.time_s, float(nearest.time_s), note)


def figure_2(measured: pd.DataFrame) -> list[SummaryRow]:
    """The FLOPs that section 4 gives for figure 2's lines, against equation 4 where K = 1."""
    unary = measured[(measured.sweep == "conv_K_vs_S") & (measured.k_h == 1)]
    lines = unary.groupby("c_in")["flops"].first()
    note = "section 4 counts a multiply-add once here, equation 4 twice"
    return [
        SummaryRow(
            f"Figure 2b, {row.colour} line", "flops", row.flops, float(lines[row.c_in]),
            note if row.c_in != 70 else f"{note}; and 490 is a slip for 441 = 300² x 70² / 10⁶",
        )
        for row in published("alpha_flops_figure_2").itertuples() if row.c_in in lines.index
    ]  # fmt: skip


def errors(measured: pd.DataFrame) -> list[SummaryRow]:
    """How well the printed formula predicts the measurements: of all rows, and of each sweep."""
    note = f"{len(measured)} of the authors' {_ALL_ROWS} rows; the paper prints no such figure"
    found = []
    for quantity, value in tables.errors(measured).items():
        others = f"; on all of them {_ON_ALL_ROWS[quantity]}" if len(measured) < _ALL_ROWS else ""
        source = "Data set, printed parameters"
        found.append(SummaryRow(source, quantity, None, value, note + others))
    for sweep, part in measured.groupby("sweep"):
        label = f"{FIGURES[sweep].label}, " if sweep in FIGURES else ""
        source, note = f"{label}sweep {sweep}, printed parameters", f"{len(part)} rows"
        values = tables.errors(part)
        found += [SummaryRow(source, name, None, value, note) for name, value in values.items()]
    return found


def missing(drawn: Iterable[str], *, with_data: bool) -> list[SummaryRow]:
    """The paper's figures that were not drawn, and why."""
    why = "the data given have no such sweep" if with_data else "needs the measurements; none given"
    absent = {figure.label: why for figure in FIGURES.values() if figure.file not in drawn}
    if FIGURE_2A.file not in drawn:
        absent[FIGURE_2A.label] = why
    absent["Figures 2c and 2d"] = "the CPU measurements of section 4 are not public"
    return [SummaryRow(label, "figure", None, None, reason) for label, reason in absent.items()]

"""The paper's figures, drawn again: measured solid, α-FLOPs with the printed parameters dashed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jaxcost import figures
from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.papers.alpha_flops import tables

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SweepFigure:
    """How a sweep is drawn: the paper's label, a title, what runs along x, what names a line."""

    label: str
    title: str
    x: str
    x_label: str
    line: str
    log: bool = False

    @property
    def file(self) -> str:
        """The file's name without ending: `figure_5a`."""
        return re.sub(r" and |[^\w-]+", "_", self.label.lower().replace("figures", "figure"))


FIGURES = {
    "conv_fixed_progressive": SweepFigure(
        label="Figures 1b and 3b",
        title="equal FLOPs in five shapes",
        x="mflop",
        x_label="MFLOP of the layer",
        line="shape",
        log=True,
    ),
    "conv_K_vs_S": SweepFigure(
        "Figures 2b and 4", "K grows, W and H shrink, FLOPs stay", "k_h", "kernel size K", "start"
    ),
    "increasing_W": SweepFigure(
        "Figure 5a", "3×3 kernel, H = 100", "in_h", "width W (pixels)", "input"
    ),
    "increasing_Cout": SweepFigure(
        "Figure 5b", "3×3 kernel, H = W = 100", "c_out", "output channels", "input"
    ),
    "increasing_Cout_with_K1": SweepFigure(
        "Figure 6a", "1×1 kernel, 50 input channels", "c_out", "output channels", "extent"
    ),
    "increasing_Cin_100-1000": SweepFigure(
        "Figure 6b", "H = W = 10, 1000 output channels", "c_in", "input channels", "kernel"
    ),
    "increasing_batch": SweepFigure("Figure 7", "dense layers", "batch", "batch size", "dense"),
}
# The name of its sweep is not known here: it is recognised by what varies in it.
FIGURE_2A = SweepFigure(
    "Figures 2a and 4", "K grows, channels shrink, FLOPs stay", "k_h", "kernel size K", "start"
)
_SIZES = {
    "k_h": "kernel size K",
    "batch": "batch size",
    "in_h": "height (pixels)",
    "in_w": "width (pixels)",
    "c_in": "input channels",
    "c_out": "output channels",
}


def sweeps(measured: pd.DataFrame) -> dict[str, Figure]:
    """One figure a sweep, by file name without ending; `measured` has `predicted_time_s`."""
    parts = {name: _described(part) for name, part in measured.groupby("sweep")}
    specs = {name: figure_of(str(name), part) for name, part in parts.items()}
    return {specs[name].file: _sweep(specs[name], part) for name, part in parts.items()}


def figure_of(sweep: str, layers: pd.DataFrame) -> SweepFigure:
    """How to draw a sweep: as the paper does if it does, else along what varies most."""
    if sweep in FIGURES:
        return FIGURES[sweep]
    varied = {size: layers.groupby("line")[size].nunique().max() for size in _SIZES}
    if varied["k_h"] > 1 and varied["c_in"] > 1 and varied["in_h"] == varied["in_w"] == 1:
        return FIGURE_2A
    x = max(varied, key=lambda size: varied[size])
    return SweepFigure(f"sweep {sweep}", "", x, _SIZES[x], "number")


def overview(measured: pd.DataFrame) -> dict[str, Figure]:
    """All rows at once: predicted against measured, and the error of each sweep."""
    by_sweep = tables.errors_by_sweep(measured).set_index("sweep")
    by_sweep = by_sweep.sort_values("mean_absolute_relative_error", ascending=False) * 100
    series = {name: f"{name}_absolute_relative_error" for name in ("mean", "median")}
    return {
        "predicted_against_measured": figures.predicted_against_measured(
            measured["time_s"], measured["predicted_time_s"], groups=measured["sweep"],
            title="α-FLOPs, printed parameters",
        ),
        "errors_by_sweep": figures.bars(
            {name: by_sweep[column].to_dict() for name, column in series.items()},
            x="absolute relative error (%)", title="α-FLOPs, printed parameters",
        ),
    }  # fmt: skip


def table_3a(table: pd.DataFrame) -> Figure:
    """Table 3a as bars: measured, the paper's predictions, and those of both readings, in ms."""
    columns = {
        "measured": "time_s",
        "printed prediction": "predicted_time_s",
        "printed parameters": "printed_parameters_time_s",
        "implied parameters": "implied_parameters_time_s",
    }
    configs = "(" + table["config"] + ")"
    return figures.bars(
        {name: dict(zip(configs, table[column] * 1e3)) for name, column in columns.items()},
        x="time (ms)", title="Table 3a: 327.68 MFLOP in four shapes", form="{:.3f}",
    )  # fmt: skip


def alpha_curves(model: AlphaFlops) -> Figure:
    """The factor α_K(S) of equation 5 against S, for three kernels."""
    lines = []
    for kernel in (1, 3, 5):
        # Below S_K = 1 + ln(K²) pixels the factor is not defined.
        pixels = np.geomspace(1 + np.log(kernel**2), 1e5, 200)
        factor = tables.alpha(model, pixels, kernel)
        lines.append(figures.Line(f"K = {kernel}", pixels, predicted=factor))
    return figures.sweep(
        lines, x="pixels S = W·H", title="Equation 5, printed parameters",
        quantity=r"$\alpha_K(S)$", unit="", log_x=True, log_y=True,
    )  # fmt: skip


def _sweep(spec: SweepFigure, layers: pd.DataFrame) -> Figure:
    lines = [
        figures.Line(
            part[spec.line].iloc[0], part[spec.x], part["time_s"], part["predicted_time_s"]
        )
        for _, part in layers.groupby("line")
    ]
    title = f"{spec.label}: {spec.title}" if spec.title else spec.label
    return figures.sweep(lines, x=spec.x_label, title=title, log_x=spec.log, log_y=spec.log)


def _described(layers: pd.DataFrame) -> pd.DataFrame:
    """The layers of one sweep with the names that its lines may go by."""
    mflop = layers["flops"] / 1e6
    start = mflop.groupby(layers["line"]).transform("first").map("{:.0f} MFLOP".format)
    return layers.assign(
        number="line " + layers["line"].astype(str),
        mflop=mflop,
        start=start,
        shape=layers.apply(_shape, axis=1),
        input="$C_{in}$ = " + layers["c_in"].astype(str),
        extent="H = " + layers["in_w"].astype(str),
        kernel="K = " + layers["k_h"].astype(str),
        dense=layers["c_in"].astype(str) + " × " + layers["c_out"].astype(str),
    )


def _shape(layer: pd.Series) -> str:
    shrink, grow = round(layer["c_in"] / layer["c_out"]), round(layer["c_out"] / layer["c_in"])
    channels = f"C → C/{shrink}" if shrink > 1 else f"C → {grow}C" if grow > 1 else "C → C"
    kind = "dense" if layer["op"] == "dense" else f"{layer['in_w']}×{layer['in_h']}"
    return f"{kind}, {channels}"

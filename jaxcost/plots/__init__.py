"""Figures in the one look of the project: measured solid, predicted dashed, units on the axes."""

from jaxcost.plots.charts import Line, bars, predicted_against_measured, sweep
from jaxcost.plots.scatter import Curve, Name, Points, scatter
from jaxcost.plots.style import MARKERS, PALETTE, axes, png, prefixed, save, styled

__all__ = [
    "MARKERS",
    "PALETTE",
    "Curve",
    "Line",
    "Name",
    "Points",
    "axes",
    "bars",
    "png",
    "predicted_against_measured",
    "prefixed",
    "save",
    "scatter",
    "styled",
    "sweep",
]

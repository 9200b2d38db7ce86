"""Figures in the one look of the project: measured solid, predicted dashed, units on the axes."""

from jaxcost.figures.charts import Line, bars, predicted_against_measured, sweep
from jaxcost.figures.roofline import RoofPoint, roofline
from jaxcost.figures.scatter import Curve, Name, Points, scatter
from jaxcost.figures.style import (
    GREY,
    MARKERS,
    PALETTE,
    axes,
    plain_ticks,
    png,
    prefixed,
    save,
    styled,
)

__all__ = [
    "GREY",
    "MARKERS",
    "PALETTE",
    "Curve",
    "Line",
    "Name",
    "Points",
    "RoofPoint",
    "axes",
    "bars",
    "plain_ticks",
    "png",
    "predicted_against_measured",
    "prefixed",
    "roofline",
    "save",
    "scatter",
    "styled",
    "sweep",
]

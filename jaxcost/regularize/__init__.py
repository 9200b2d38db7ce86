"""Costs as part of a training loss: penalties with a target, soft widths, choices of blocks."""

from jaxcost.regularize.choice import Choice
from jaxcost.regularize.descent import gate_optimizer
from jaxcost.regularize.measured import KeptMeasured, keep_measured
from jaxcost.regularize.penalty import CostRegularizer, Pressure
from jaxcost.regularize.soft import gates, keep_within, open_gates, scale_logits, soft_width

__all__ = [
    "Choice",
    "CostRegularizer",
    "KeptMeasured",
    "Pressure",
    "gate_optimizer",
    "gates",
    "keep_measured",
    "keep_within",
    "open_gates",
    "scale_logits",
    "soft_width",
]

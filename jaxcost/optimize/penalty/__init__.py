"""Costs as part of a training loss: penalties with a target, soft widths, choices of blocks."""

from jaxcost.optimize.penalty.choice import Choice
from jaxcost.optimize.penalty.descent import gate_optimizer
from jaxcost.optimize.penalty.measured import KeptMeasured, keep_measured
from jaxcost.optimize.penalty.penalty import CostRegularizer, Pressure
from jaxcost.optimize.penalty.soft import gates, keep_within, open_gates, scale_logits, soft_width

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

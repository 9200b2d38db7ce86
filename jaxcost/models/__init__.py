"""Cost models: one file a model, each citing its equations."""

from typing import TYPE_CHECKING

from jaxcost._support.lazy import lazy

if TYPE_CHECKING:
    from jaxcost.models.base import parameters_of as parameters_of
    from jaxcost.models.registry import MODELS as MODELS
    from jaxcost.models.spills import Spill as Spill
    from jaxcost.models.spills import spill_points as spill_points

__all__ = ["MODELS", "Spill", "parameters_of", "spill_points"]

__getattr__ = lazy(
    __name__,
    {
        "MODELS": "registry",
        "Spill": "spills",
        "parameters_of": "base",
        "spill_points": "spills",
    },
)

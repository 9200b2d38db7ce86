"""The cost models of layers, by the name that commands and calibration files use."""

from jaxcost.messages import unknown
from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.models.alpha_roofline import AlphaRoofline
from jaxcost.models.base import LayerwiseCost
from jaxcost.models.baselines import FlopsOnly, Roofline

MODELS: dict[str, type[LayerwiseCost]] = {
    "alpha-roofline": AlphaRoofline,
    "alpha-flops": AlphaFlops,
    "roofline": Roofline,
    "flops-only": FlopsOnly,
}
BASELINES = ("alpha-flops", "roofline", "flops-only")


def model_class(name: str) -> type[LayerwiseCost]:
    """The class called `name`.

    Raises: ValueError: an unknown name; the message gives the nearest and lists all.
    """
    if name not in MODELS:
        raise ValueError(unknown("model", name, MODELS))
    return MODELS[name]

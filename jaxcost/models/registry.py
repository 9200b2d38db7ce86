"""The cost models of layers and of runs of training, by name."""

from collections.abc import Mapping

from jaxcost.messages import unknown
from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.models.alpha_roofline import AlphaRoofline
from jaxcost.models.base import CostModel, LayerwiseCost
from jaxcost.models.baselines import FlopsOnly, Roofline
from jaxcost.models.training_energy import TrainingEnergy
from jaxcost.models.working_set import WorkingSetEnergy

MODELS: dict[str, type[LayerwiseCost]] = {
    "alpha-roofline": AlphaRoofline,
    "alpha-flops": AlphaFlops,
    "roofline": Roofline,
    "flops-only": FlopsOnly,
}
BASELINES = ("alpha-flops", "roofline", "flops-only")
RUN_MODELS: dict[str, type[CostModel]] = {
    "training-energy": TrainingEnergy,
    "working-set": WorkingSetEnergy,
}
ALL: dict[str, type[CostModel]] = {**MODELS, **RUN_MODELS}


def model_class(name: str, known: Mapping[str, type[CostModel]] = MODELS) -> type[CostModel]:
    """The class called `name` among those `known`.

    Raises: ValueError: an unknown name; the message gives the nearest and lists all.
    """
    if name not in known:
        raise ValueError(unknown("model", name, known))
    return known[name]

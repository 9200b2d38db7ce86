"""The cost models of layers and of runs of training, by name, and those of the user's own."""

import inspect
from collections.abc import Mapping

from jaxcost._support.messages import unknown
from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.models.alpha_roofline import AlphaRoofline
from jaxcost.models.attention import Attention
from jaxcost.models.base import CostModel, LayerwiseCost, parameters_of
from jaxcost.models.baselines import FlopsOnly, Roofline
from jaxcost.models.memory_bound import MemoryBound
from jaxcost.models.training_energy import TrainingEnergy
from jaxcost.models.working_set import WorkingSetEnergy

MODELS: dict[str, type[LayerwiseCost]] = {
    "alpha-roofline": AlphaRoofline,
    "alpha-flops": AlphaFlops,
    "roofline": Roofline,
    "flops-only": FlopsOnly,
}
_PARALLEL: dict[str, type[LayerwiseCost]] = {"alpha-roofline": AlphaRoofline, "roofline": Roofline}
# By sort of layer: those of layers that are no product are fitted by themselves.
BY_SORT: dict[str, dict[str, type[LayerwiseCost]]] = {
    "products": MODELS,
    "batched-products": _PARALLEL,
    "input-gradients": _PARALLEL,
    "weight-gradients": _PARALLEL,
    "memory-bound": {"memory-bound": MemoryBound},
    "attention": {"attention": Attention},
}
BASELINES = ("alpha-flops", "roofline", "flops-only")
RUN_MODELS: dict[str, type[CostModel]] = {
    "training-energy": TrainingEnergy,
    "working-set": WorkingSetEnergy,
}
LAYER_MODELS = MODELS | BY_SORT["memory-bound"] | BY_SORT["attention"]
ALL: dict[str, type[CostModel]] = {**LAYER_MODELS, **RUN_MODELS}


_OWN: dict[str, type[CostModel]] = {}  # by `module:Class`, as the user registered them


def register_model(model: type[CostModel]) -> type[CostModel]:
    """Makes a cost model of one's own known by its name, `module:Class`; a decorator, if liked.

    A calibration file says which class it was fitted with. Reading it never imports anything: the
    class is known where it was registered, or named on the command line with `--model`.

    Returns: the class itself.
    Raises: TypeError: no complete subclass of `LayerwiseCost`, or one with undeclared fields.
    Example:
        >>> from jaxcost.models.base import parameter
        >>> class Mine(LayerwiseCost):
        ...     unit = "s"
        ...     pace: float = parameter(0, 1, unit="s/FLOP", doc="time of one FLOP")
        ...     def layer_cost(self, layer, device):
        ...         return self.pace * 2 * layer.batch * layer.c_in * layer.c_out
        >>> register_model(Mine).__name__
        'Mine'
    """
    if not (isinstance(model, type) and issubclass(model, LayerwiseCost)):
        raise TypeError(f"{model!r} is no cost model of layers; derive it from jc.LayerwiseCost")
    if inspect.isabstract(model) or getattr(model, "unit", None) not in ("s", "J"):
        raise TypeError(f"{model.__name__} is not complete; give it unit = 's' and layer_cost()")
    if not parameters_of(model):
        raise TypeError(f"{model.__name__} has nothing to fit; declare a field with parameter()")
    _OWN[name_of(model)] = model
    return model


def sort_of(name: str) -> str:
    """The sort of layers that a model of this name is of; those of the user's own, of products."""
    return next((sort for sort, known in BY_SORT.items() if name in known), "products")


def name_of(model: type[CostModel]) -> str:
    """The name of a class in calibration files: that of the list, or `module:Class`."""
    listed = (name for name, kind in ALL.items() if kind is model)
    return next(listed, f"{model.__module__}:{model.__qualname__}")


def model_class(name: str, known: Mapping[str, type[CostModel]] = MODELS) -> type[CostModel]:
    """The class called `name` among those `known`, or registered.

    Raises: ValueError: an unknown name; the message gives the nearest and lists all.
    """
    if name in known:
        return known[name]
    if name in _OWN and known is not RUN_MODELS:
        return _OWN[name]
    if ":" in name:
        raise ValueError(
            f"model {name!r} is a class of somebody's own, and a file is no reason to import it; "
            f"name it with --model {name}, or give the class: load_calibration(path, "
            f"models=[{name.partition(':')[2]}])"
        )
    raise ValueError(unknown("model", name, known))

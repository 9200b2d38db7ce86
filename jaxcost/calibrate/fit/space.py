"""The unconstrained space in which a model's parameters are searched."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcost.models.base import CostModel, Parameter, parameters_of

_LARGEST = 85.0  # exp of more is beyond float32, in which the fitted model may have to stand


@dataclasses.dataclass(frozen=True)
class Space:
    """A model's parameters as a real vector `z`, one entry a parameter, bounds built in.

    A parameter above 0 is searched by its logarithm, one between two bounds by its logit.
    """

    template: type[CostModel]
    parameters: tuple[Parameter, ...]
    settings: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, model: type[CostModel] | CostModel) -> "Space":
        """The space of a model class, or of an instance's class with its static settings."""
        if isinstance(model, type):
            return cls(model, parameters_of(model))
        static = [f.name for f in dataclasses.fields(model) if f.metadata.get("static", False)]
        settings = tuple((name, getattr(model, name)) for name in static)
        return cls(type(model), parameters_of(model), settings)

    def model(self, z: Float[Array, " parameters"]) -> CostModel:
        """The model at `z`; `z` may be traced."""
        values = {p.name: _constrain(p, z[i]) for i, p in enumerate(self.parameters)}
        return self.build(values)

    def build(self, values: dict[str, Any]) -> CostModel:
        """The model with these parameter values, and the settings of the space."""
        return self.template(**values, **dict(self.settings))

    def vector(self, values: dict[str, float]) -> np.ndarray:
        """`z` for parameter values, shape `(parameters,)`; values on a bound move just inside."""
        return np.array([_release(p, float(values[p.name])) for p in self.parameters])

    def values(self, z: np.ndarray) -> dict[str, float]:
        """Parameter values at a concrete `z`, in each parameter's unit."""
        return {p.name: float(_constrain(p, z[i], np)) for i, p in enumerate(self.parameters)}

    def precision(self) -> np.ndarray:
        """Of the normal prior on `z` about a typical value; 0 where nothing is believed."""
        return np.array([p.spread**-2 if p.spread else 0.0 for p in self.parameters])


def _constrain(p: Parameter, z: Any, numpy: Any = jnp) -> Any:
    if math.isinf(p.lower) and math.isinf(p.upper):
        return z
    if math.isinf(p.upper):
        return p.lower + numpy.exp(numpy.clip(z, -_LARGEST, _LARGEST))
    if math.isinf(p.lower):
        return p.upper - numpy.exp(numpy.clip(z, -_LARGEST, _LARGEST))
    share = numpy.exp(-numpy.logaddexp(0, -z))  # 1 / (1 + exp(-z)), which overflows
    return p.lower + (p.upper - p.lower) * share


def _release(p: Parameter, value: float) -> float:
    if math.isinf(p.lower) and math.isinf(p.upper):
        return value
    if math.isinf(p.upper):
        return math.log(max(value - p.lower, 1e-300))
    if math.isinf(p.lower):
        return math.log(max(p.upper - value, 1e-300))
    share = min(max((value - p.lower) / (p.upper - p.lower), 1e-9), 1 - 1e-9)
    return math.log(share / (1 - share))

"""What every cost model is: parameters with bounds, and a function of a workload and a device."""

import abc
import dataclasses
import functools
import math
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcost._support.messages import refused
from jaxcost._support.sizes import Scalar, is_traced, real, scalar
from jaxcost.device import Device
from jaxcost.workload import Workload

_KEY = "jaxcost"


@dataclasses.dataclass(frozen=True)
class Parameter:
    """What is declared of one fitted parameter: bounds and start in `unit`, `doc` its meaning.

    `spread` is the standard deviation of ln(value / start) believed before any data were seen;
    a start of None is found from the data's scale. `absent` is its value in calibrations of
    versions that had no such parameter.
    """

    name: str
    lower: float
    upper: float
    unit: str
    doc: str
    start: float | None
    spread: float | None
    absent: float | None = None


def parameter(
    lower: float,
    upper: float,
    *,
    unit: str,
    doc: str,
    start: float | None = None,
    spread: float | None = None,
    absent: float | None = None,
) -> Any:
    """Declares a fitted parameter, a scalar within `[lower, upper]`, as a field of a `CostModel`.

    Args:
        lower, upper: bounds in `unit`; may be infinite.
        unit: its unit, keyword-only; '1' where it has none.
        doc: what it means, in one line, keyword-only.
        start: a typical value in `unit`, where a search may begin, keyword-only. None: of the
            scale of the data, such as the pace of the fastest rows or the cost of the smallest.
        spread: standard deviation of ln(value / start) before any data, for a value that hardly
            differs from it; keyword-only. None: nothing is believed before the data.
        absent: the value at which the model is what it was before it had this parameter, so that
            earlier calibration files still load; keyword-only. None: a file has to give it.
    Raises: ValueError: bounds in the wrong order, a start outside them, a spread not above 0.
    Example:
        >>> class Proportional(LayerwiseCost):
        ...     unit = "s"
        ...     pace: Scalar = parameter(0, 1, unit="s/FLOP", doc="time of one FLOP")
        ...     def layer_cost(self, layer, device):
        ...         return self.pace * layer.other_flops
        >>> parameters_of(Proportional)[0].upper
        1.0
    """
    if not lower < upper:
        raise ValueError(refused("upper", upper, f"more than lower = {lower:g}"))
    if start is not None and not lower <= start <= upper:
        raise ValueError(refused("start", start, _interval(lower, upper)))
    if spread is not None and not (spread > 0 and (start is None or start > 0)):
        raise ValueError(refused("spread", spread, "a number above 0, with a start above 0 if any"))
    declared = Parameter("", float(lower), float(upper), unit, doc, start, spread, absent)
    return eqx.field(converter=_scalar, metadata={_KEY: declared})


def parameters_of(model: "type[CostModel] | CostModel") -> tuple[Parameter, ...]:
    """The parameters that a model (class or instance) declares, in the order of its fields.

    Raises: TypeError: a field that is neither static nor declared with `parameter()`.
    """
    return _declared(model if isinstance(model, type) else type(model))


@functools.cache
def _declared(model: "type[CostModel]") -> tuple[Parameter, ...]:
    declared = []
    for field in dataclasses.fields(model):
        if _KEY in field.metadata:
            declared.append(dataclasses.replace(field.metadata[_KEY], name=field.name))
        elif not field.metadata.get("static", False):
            raise TypeError(f"{field.name} has no bounds; declare it with parameter()")
    return tuple(declared)


def settings_of(model: "type[CostModel] | CostModel") -> tuple[str, ...]:
    """The names of a model's static fields, which are chosen and not fitted."""
    return tuple(f.name for f in dataclasses.fields(model) if f.metadata.get("static", False))


def check_bounds(model: "CostModel") -> None:
    """ValueError, one line, for the first parameter that is no finite scalar within its bounds.

    Values that JAX is tracing pass unchecked.
    """
    for declared in parameters_of(model):
        name = f"{type(model).__name__}.{declared.name}"
        value = scalar(name, getattr(model, declared.name))
        if not is_traced(value) and not _within(value, declared):
            raise ValueError(refused(name, float(value), _interval(declared.lower, declared.upper)))


class CostModel(eqx.Module):
    """A cost as a function of what is designed and what is looked up; every leaf is fitted.

    Subclasses set the class variable `unit` ('s' or 'J'), declare each field with `parameter()`
    (or as static), and implement `__call__`, or `layer_cost` by way of `LayerwiseCost`. They are
    final: a model is not derived from another.
    """

    unit: ClassVar[str]

    def __check_init__(self) -> None:
        check_bounds(self)

    @abc.abstractmethod
    def __call__(self, workload: Any, device: Device) -> Float[Array, ""]:
        """The cost of one network, in `unit`; leaves of `workload` have shape `(layers,)`.

        `workload` is a `Workload`, or whatever else the model says that it takes.
        """

    def prepared(self, workload: Any, device: Device) -> Any:
        """What of `workload` no parameter changes, in a form that `__call__` takes as well.

        A fit computes it once; by default the workload itself.
        """
        del device
        return workload


class LayerwiseCost(CostModel):
    """A cost that is the sum of its layers' costs, each counted `repeat` times."""

    @abc.abstractmethod
    def layer_cost(self, layer: Workload, device: Device) -> Float[Array, ""]:
        """The cost of one layer occurring once, in `unit`; leaves of `layer` have shape `()`."""

    @final
    def layer_costs(self, workload: Workload, device: Device) -> Float[Array, " layers"]:
        """The cost of each layer occurring once, in `unit`, of shape `(layers,)`."""
        return _layer_costs(self, workload, device)

    @final
    def __call__(self, workload: Workload, device: Device) -> Float[Array, ""]:
        """The cost of one network, in `unit`: the sum of `repeat * layer_costs`."""
        return jnp.sum(workload.repeat * self.layer_costs(workload, device))


@eqx.filter_jit
def _layer_costs(
    model: LayerwiseCost, workload: Workload, device: Device
) -> Float[Array, " layers"]:
    """Compiled, since one program compiles faster than each of its operations by itself."""
    return jax.vmap(model.layer_cost, in_axes=(0, None))(workload, device)


def _scalar(value: Scalar) -> Any:
    """As a real array; what is none is left to `check_bounds`, which knows the field's name."""
    try:
        return real("value", value)
    except ValueError:
        return value


def _within(value: Array, declared: Parameter) -> bool:
    # NumPy rounds the bounds as the value was rounded (as a float, 0.1 in float32 is above 0.1),
    # and, unlike JAX, compares under `jit`, too.
    known = np.asarray(value)
    return bool(np.isfinite(known) and declared.lower <= known <= declared.upper)


def _interval(lower: float, upper: float) -> str:
    if math.isinf(lower) and math.isinf(upper):
        return "a finite number"
    if math.isinf(upper):
        return f"a finite number of at least {lower:g}"
    if math.isinf(lower):
        return f"a finite number of at most {upper:g}"
    return f"a number from {lower:g} to {upper:g}"

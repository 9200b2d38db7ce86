"""Models as they come: a callable of parameters and inputs from whatever a framework offers."""

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax

from jaxcost.trace.functions import prepare_function
from jaxcost.trace.owned import is_nnx
from jaxcost.trace.prepared import Prepared, from_parameters, split


def prepare(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], parameters: Sequence[int] | None
) -> Prepared:
    """The model as a function of its parameters and inputs, with their shapes and no values.

    Args:
        args, kwargs: arrays, or shapes; anything else is passed as it is.
        parameters: which of a function's `args` hold the parameters; None to find out.
    Raises: ValueError: not something that can be called with arrays.
    """
    for framework, adapter in _ADAPTERS.items():
        if framework in sys.modules and (found := adapter(model, args, dict(kwargs))) is not None:
            return found
    if not callable(model):
        raise ValueError(
            f"{type(model).__name__} cannot be called; give a function of arrays or a model of "
            "Equinox, Flax, Haiku or Keras (on the JAX backend); with --call it is built first"
        )
    owner = model if _is_module(model) else getattr(model, "__self__", None)
    if not _is_module(owner):
        return prepare_function(model, args, kwargs, parameters)
    method = "__call__" if owner is model else model.__name__
    return prepare_function(_method(method), (owner, *args), kwargs)


def _is_module(value: Any) -> bool:
    """Whether a value is a module of Equinox or NNX; Equinox has its own wrappers of functions."""
    return is_nnx(value) or (isinstance(value, eqx.Module) and not hasattr(value, "__wrapped__"))


def _method(name: str) -> Callable[..., Any]:
    return lambda owner, *args, **kwargs: getattr(owner, name)(*args, **kwargs)


def _flax(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared | None:
    from jaxcost.trace import flax_models

    return flax_models.prepare(model, args, kwargs)


def _keras(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared | None:
    from jaxcost.trace import keras_models

    return keras_models.prepare(model, args, kwargs)


def _haiku(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared | None:
    import haiku

    stateful = isinstance(model, haiku.TransformedWithState)
    if not (stateful or isinstance(model, haiku.Transformed)):
        return None
    takes_rng = "rng" in inspect.signature(model.apply).parameters  # not of `without_apply_rng`
    traced, join = split((args, kwargs))
    key = jax.eval_shape(lambda: jax.random.key(0))

    def init(rng: Any, values: Any) -> Any:
        more, named = join(values)
        return model.init(rng, *more, **named)

    made = jax.eval_shape(init, key, traced)
    own, state = made if stateful else (made, None)

    def call(parameters: Any, others: Any, rng: Any, values: Any) -> tuple[Any, Any]:
        more, named = join(values)
        streams = (rng,) if takes_rng else ()
        if stateful:
            return model.apply(parameters, others, *streams, *more, **named)
        return model.apply(parameters, *streams, *more, **named), None

    return from_parameters(call, own, (state, key, traced))


_ADAPTERS: dict[str, Callable[..., Prepared | None]] = {
    "flax": _flax,
    "haiku": _haiku,
    "keras": _keras,
}

"""Models as they come: a callable of parameters and inputs from whatever a framework offers."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxcost.trace.records import Leaf

_WRAPPERS = ("value", "params", "raw_value")  # levels of a framework's own, not of the model


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A model as `function(parameters, *rest)`; `paths` names each leaf of `parameters`.

    `named_by_path` says that a layer is better named by its parameters than by the scopes that the
    framework opens, which are those of classes.
    """

    function: Callable[..., Any]
    parameters: Any
    rest: tuple[Any, ...]
    paths: Sequence[str] | None = None
    named_by_path: bool = False

    def leaves(self) -> list[Leaf]:
        """The parameters, in the order of their leaves."""
        with_paths = jax.tree_util.tree_leaves_with_path(self.parameters)
        paths = self.paths or [_path(path) for path, _ in with_paths]
        return [
            Leaf(path, path.rpartition("/")[0], int(leaf.size))
            for path, (_, leaf) in zip(paths, with_paths, strict=True)
        ]


def prepare(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared:
    """The model as a function of its parameters and inputs, with their shapes and no values.

    Args: args, kwargs: arrays, or shapes; anything else is passed as it is.
    Raises: ValueError: not something that can be called with arrays.
    """
    for framework, adapt in _ADAPTERS.items():
        if framework in sys.modules and (found := adapt(model, args, kwargs)) is not None:
            return found
    if isinstance(model, eqx.Module):
        return _equinox(model, args, kwargs)
    if not callable(model):
        raise ValueError(
            f"{type(model).__name__} cannot be called; give a function of arrays or a model of "
            "Equinox, Flax, Haiku or Keras (on the JAX backend); with --call it is built first"
        )
    return _function(model, args, kwargs)


def is_array(value: Any) -> bool:
    """Whether a value is an array or says the shape and type of one."""
    if isinstance(value, jax.ShapeDtypeStruct):
        return True
    return eqx.is_array_like(value) and hasattr(value, "shape")


def shapes_of(tree: Any) -> Any:
    """The shapes and types of a tree's arrays; everything else as it is."""

    def of(leaf: Any) -> Any:
        if isinstance(leaf, jax.ShapeDtypeStruct) or not is_array(leaf):
            return leaf
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)

    return jax.tree.map(of, tree)


def _split(args: Any, kwargs: Any) -> tuple[Any, Callable[[Any], Any]]:
    """What of the arguments is traced, and how to put the rest back."""
    traced, static = eqx.partition(shapes_of((args, kwargs)), is_array)
    return traced, lambda values: eqx.combine(values, static)


def _function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared:
    """Of a function, a first argument that is a container holds the parameters."""
    has_parameters = bool(args) and not is_array(args[0])
    has_parameters = has_parameters and any(map(is_array, jax.tree.leaves(args[0])))
    first, rest = (args[:1], args[1:]) if has_parameters else ((), args)
    held, join_held = _split(first, {})
    traced, join = _split(rest, kwargs)

    def call(parameters: Any, values: Any) -> Any:
        held_args, _ = join_held(parameters)
        more, named = join(values)
        return function(*held_args, *more, **named)

    return Prepared(call, held, (traced,))


def _equinox(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared:
    own, static = eqx.partition(model, _is_trained)
    traced, join = _split(args, kwargs)

    def call(parameters: Any, values: Any) -> Any:
        more, named = join(values)
        return eqx.combine(parameters, static)(*more, **named)

    return Prepared(call, shapes_of(own), (traced,), named_by_path=True)


def _is_trained(leaf: Any) -> bool:
    """Whether a leaf of a model is a real or complex array, or the shape of one."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return jnp.issubdtype(leaf.dtype, jnp.inexact)
    return bool(eqx.is_inexact_array(leaf))


def _nnx(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared | None:
    from flax import nnx

    if not isinstance(model, nnx.Module):
        return None
    graph, own, state = nnx.split(model, nnx.Param, ...)
    traced, join = _split(args, kwargs)

    def call(parameters: Any, others: Any, values: Any) -> Any:
        more, named = join(values)
        return nnx.merge(graph, parameters, others)(*more, **named)

    return Prepared(call, shapes_of(own), (shapes_of(state), traced))


def _linen(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared | None:
    from flax import linen

    if not isinstance(model, linen.Module):
        return None
    traced, join = _split(args, kwargs)
    keys = {name: jax.eval_shape(lambda: jax.random.key(0)) for name in ("params", "dropout")}

    def init(rngs: Any, values: Any) -> Any:
        more, named = join(values)
        return model.init(rngs, *more, **named)

    variables = dict(jax.eval_shape(init, keys, traced))
    own = variables.pop("params", {})

    def call(parameters: Any, others: Any, rngs: Any, values: Any) -> Any:
        more, named = join(values)
        out = model.apply(
            {"params": parameters, **others}, *more, rngs=rngs, mutable=list(others), **named
        )
        return out[0] if others else out

    return Prepared(call, own, (variables, {"dropout": keys["dropout"]}, traced))


def _flax(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared | None:
    return _nnx(model, args, kwargs) or _linen(model, args, kwargs)


def _haiku(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared | None:
    import haiku

    stateful = isinstance(model, haiku.TransformedWithState)
    if not (stateful or isinstance(model, haiku.Transformed)):
        return None
    traced, join = _split(args, kwargs)
    key = jax.eval_shape(lambda: jax.random.key(0))

    def init(rng: Any, values: Any) -> Any:
        more, named = join(values)
        return model.init(rng, *more, **named)

    made = jax.eval_shape(init, key, traced)
    own, state = made if stateful else (made, None)

    def call(parameters: Any, others: Any, rng: Any, values: Any) -> Any:
        more, named = join(values)
        if stateful:
            return model.apply(parameters, others, rng, *more, **named)[0]
        return model.apply(parameters, rng, *more, **named)

    return Prepared(call, own, (state, key, traced))


def _keras(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared | None:
    import keras

    if not isinstance(model, keras.Layer):
        return None
    if keras.backend.backend() != "jax":
        raise ValueError(
            f"Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=jax before importing it"
        )
    if not args and getattr(model, "inputs", None):
        args = tuple(jax.ShapeDtypeStruct((1, *i.shape[1:]), i.dtype) for i in model.inputs)
    if not model.built:
        model.build(*(tuple(a.shape) for a in args))
    kwargs = {"training": False} | kwargs
    traced, join = _split(args if len(args) == 1 else (list(args),), kwargs)
    own, others = model.trainable_variables, model.non_trainable_variables

    def call(parameters: Any, state: Any, values: Any) -> Any:
        more, named = join(values)
        return model.stateless_call(parameters, state, *more, **named)[0]

    shapes, state = ([_shape_of(v) for v in variables] for variables in (own, others))
    return Prepared(call, shapes, (state, traced), [_keras_path(v) for v in own])


_ADAPTERS: dict[str, Callable[..., Prepared | None]] = {
    "flax": _flax,
    "haiku": _haiku,
    "keras": _keras,
}


def _shape_of(variable: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tuple(variable.shape), variable.dtype)


def _keras_path(variable: Any) -> str:
    return str(getattr(variable, "path", variable.name))


def _path(path: Any) -> str:
    parts = [_part(key) for key in path]
    return "/".join(part for part in parts if part not in _WRAPPERS)


def _part(key: Any) -> str:
    for attribute in ("name", "key", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)

"""Models and layers of Keras on JAX, called as Keras calls them."""

import inspect
import math
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from jaxcost.trace.owned import PARAMETER, STATE, Marked
from jaxcost.trace.prepared import Prepared, split
from jaxcost.trace.records import Leaf

_OF_QUANTISATION = ("scale", "zero", "idx")


def prepare(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared | None:
    """A layer of Keras and its variables; None of anything else.

    One that is not built is built, as its first call would build it, which a note says.

    Raises: ValueError: Keras runs on another backend.
    """
    import keras

    if not isinstance(model, keras.Layer):
        return None
    if keras.backend.backend() != "jax":
        raise ValueError(
            f"Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=jax before importing it"
        )
    args = _inputs(model, args)
    traced, join = split((args, kwargs))
    notes = () if model.built else (f"{model.name} was not built; these inputs have built it",)
    if not model.built:
        _build(model, traced, join)
    own, others = model.trainable_variables, model.non_trainable_variables

    def call(trained: Any, state: Any, values: Any) -> tuple[Any, Any]:
        more, named = join(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model.stateless_call(trained, state, *more, **named)

    shapes = tuple([_shape_of(v) for v in variables] for variables in (own, others))
    sizes = _sizes(model)
    leaves = {
        place: Leaf(_path(v), _path(v).rpartition("/")[0], sizes[id(v)], trained=v.trainable)
        for place, v in enumerate((*own, *others))
        if id(v) in sizes
    }
    return Prepared(call, (*shapes, traced), leaves, notes=notes)


def arrays_of_layer(layer: Any) -> Iterator[Marked]:
    """The arrays of a layer's variables."""
    sizes = _sizes(layer)
    for variable in layer.variables:
        kind = PARAMETER if id(variable) in sizes else STATE
        yield Marked(_path(variable), variable.value, kind)


def _sizes(model: Any) -> dict[int, int]:
    """The elements of the parameters, by variable: what is trained, or was before it was frozen,
    and quantised kernels; two elements a byte where they have four bits.
    """
    sizes: dict[int, int] = {}
    for layer in model._flatten_layers():
        packed = 2 if getattr(layer, "quantization_mode", None) == "int4" else 1
        sizes |= {id(v): _elements(v) for v in layer._trainable_variables}
        sizes |= {
            id(v): packed * _elements(v) for v in layer._non_trainable_variables if _is_quantised(v)
        }
    return sizes


def _elements(variable: Any) -> int:
    return math.prod(variable.shape)


def _is_quantised(variable: Any) -> bool:
    if variable.name.endswith(_OF_QUANTISATION) or len(variable.shape) < 2:
        return False
    dtype = jnp.dtype(variable.dtype)
    return jnp.issubdtype(dtype, jnp.integer) and jnp.iinfo(dtype).bits <= 8


def _inputs(model: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs as the model takes them: its own shapes, batch 1, where none are given."""
    if not args and getattr(model, "inputs", None):
        own = getattr(model, "_inputs_struct", None) or list(model.inputs)
        own = own[0] if isinstance(own, list) and len(own) == 1 else own
        return (jax.tree.map(lambda i: jax.ShapeDtypeStruct((1, *i.shape[1:]), i.dtype), own),)
    return (list(args),) if len(args) > 1 and _takes_one(model) else args


def _takes_one(model: Any) -> bool:
    """Whether `call` takes one positional input, so that several are meant as a list."""
    taken = [
        p
        for name, p in inspect.signature(model.call).parameters.items()
        if name not in ("training", "mask") and p.kind is not p.KEYWORD_ONLY
    ]
    return len(taken) == 1 and taken[0].kind is not inspect.Parameter.VAR_POSITIONAL


def _build(model: Any, traced: Any, join: Any) -> None:
    import keras

    symbolic = jax.tree.map(lambda a: keras.KerasTensor(a.shape, str(a.dtype)), traced)
    more, named = join(symbolic)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model(*more, **named)


def _shape_of(variable: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tuple(variable.shape), variable.dtype)


def _path(variable: Any) -> str:
    return str(getattr(variable, "path", variable.name))

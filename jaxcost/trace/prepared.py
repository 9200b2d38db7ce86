"""What a model is turned into before it is traced: a function, its inputs, and which it owns."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxcost.trace.records import Leaf

_WRAPPERS = ("value", "params", "raw_value")  # levels of a framework's own, not of the model


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A model as `function(*inputs)`, which returns its results and what it updates in place.

    Attributes:
        inputs: trees of shapes; `leaves` says which of their arrays, by place, is which parameter.
        guessed: the same of a plain container that may hold parameters or a batch; `like_a_batch`
            says that it is the only argument, or that all arrays have as many examples.
        held: of arrays that a function is closed over, by identity: which parameter it is, or None
            for one that is none; None altogether where no constant is a parameter.
        root: the scope that a whole model opens, which is no part of its layers' paths.
        notes: what the reader must mind.
    """

    function: Callable[..., tuple[Any, Any]]
    inputs: tuple[Any, ...]
    leaves: Mapping[int, Leaf]
    guessed: Mapping[int, Leaf] = dataclasses.field(default_factory=dict)
    like_a_batch: bool = False
    held: Mapping[int, Leaf | None] | None = None
    root: str = ""
    notes: tuple[str, ...] = ()


def from_parameters(
    function: Callable[..., tuple[Any, Any]],
    parameters: Any,
    rest: tuple[Any, ...],
    *,
    by_path: bool = False,
) -> Prepared:
    """A model whose parameters are a tree of their own, named by their paths in it."""
    leaves = jax.tree_util.tree_leaves_with_path(shapes_of(parameters))
    owned = {
        place: leaf_of(path_of(path), leaf, by_path) for place, (path, leaf) in enumerate(leaves)
    }
    return Prepared(function, (shapes_of(parameters), *rest), owned)


def leaf_of(path: str, array: Any, by_path: bool = False) -> Leaf:
    """The parameter that an array is."""
    return Leaf(path, path.rpartition("/")[0], int(array.size), by_path)


def is_array(value: Any) -> bool:
    """Whether a value is an array or says the shape and type of one."""
    if isinstance(value, jax.ShapeDtypeStruct):
        return True
    return eqx.is_array_like(value) and hasattr(value, "shape")


def is_like_a_parameter(value: Any) -> bool:
    """Whether a value is an array of real or complex numbers, or of ones quantised to a byte."""
    if not is_array(value):
        return False
    dtype = value.dtype
    if jnp.issubdtype(dtype, jnp.integer):
        return jnp.iinfo(dtype).bits <= 8 and len(value.shape) > 1
    return bool(jnp.issubdtype(dtype, jnp.inexact))


def shapes_of(tree: Any) -> Any:
    """The shapes and types of a tree's arrays; everything else as it is."""

    def of(leaf: Any) -> Any:
        if isinstance(leaf, jax.ShapeDtypeStruct) or not is_array(leaf):
            return leaf
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)

    return jax.tree.map(of, tree)


def split(tree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """What of the arguments is traced, and how to put the rest back."""
    traced, static = eqx.partition(shapes_of(tree), is_array)
    return traced, lambda values: eqx.combine(values, static)


def path_of(path: Any) -> str:
    """A path of JAX's as text, without what a framework wraps its arrays in."""
    parts = [_part(key) for key in path]
    return "/".join(part for part in parts if part not in _WRAPPERS)


def _part(key: Any) -> str:
    for attribute in ("name", "key", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)

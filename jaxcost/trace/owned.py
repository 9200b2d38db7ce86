"""Which arrays of a value are a model's parameters: those of its framework's modules and states."""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import equinox as eqx
import jax

from jaxcost.trace.prepared import is_array, is_like_a_parameter, path_of

PARAMETER, STATE, PLAIN = "parameter", "state", "plain"


@dataclasses.dataclass(frozen=True)
class Marked:
    """An array within a value: a `parameter` of a model, `state` that is none, or `plain`.

    `by_path` says that a layer is better named by its parameters than by the scopes that the
    framework opens, which are those of classes.
    """

    path: str
    array: Any
    kind: str
    by_path: bool = False


def arrays_of(value: Any) -> Iterator[Marked]:
    """The arrays of a value, in the order in which JAX flattens it; of NNX by its own paths."""
    for path, node in jax.tree_util.tree_leaves_with_path(value, is_leaf=_says_whose):
        outer = path_of(path)
        if is_nnx(node):
            for found in arrays_of(open_nnx(node)[1]):
                yield dataclasses.replace(found, path=_joined(outer, found.path))
            continue
        for inner, leaf in jax.tree_util.tree_leaves_with_path(node):
            if is_array(leaf):
                yield _mark(node, _joined(outer, path_of(inner)), inner, leaf)


def is_nnx(value: Any) -> bool:
    """Whether a value is an object of Flax NNX, whose arrays change in place."""
    if "flax.nnx" not in sys.modules:
        return False
    from flax import nnx

    return isinstance(value, nnx.Pytree)


def open_nnx(objects: Any) -> tuple[Any, Any]:
    """The structure of NNX objects and their state, a tree of variables; shared ones once."""
    if not objects:
        return None, ()
    from flax import nnx

    graph, state = nnx.split(objects)
    return graph, state


def _joined(*paths: str) -> str:
    return "/".join(filter(None, paths))


def _mark(node: Any, path: str, inner: Any, leaf: Any) -> Marked:
    if _is_variable(node):
        return Marked(path, leaf, PARAMETER if _is_nnx_parameter(node) else STATE)
    if isinstance(node, eqx.Module):
        return Marked(path, leaf, PARAMETER if is_like_a_parameter(leaf) else STATE, by_path=True)
    if _is_optimizer_s(node):
        return Marked(path, leaf, STATE)
    if _has_params(node):
        kind = PARAMETER if str(_key(inner[0])) == "params" else STATE
        return Marked(path, leaf, kind)
    return Marked(path, leaf, PLAIN)


def _says_whose(value: Any) -> bool:
    return (
        isinstance(value, eqx.Module)
        or is_nnx(value)
        or _is_variable(value)
        or _is_optimizer_s(value)
        or _has_params(value)
    )


def _is_variable(value: Any) -> bool:
    if "flax.nnx" not in sys.modules:
        return False
    from flax import nnx

    return isinstance(value, nnx.Variable)


def _is_nnx_parameter(value: Any) -> bool:
    from flax import nnx

    return isinstance(value, nnx.Param)


def _is_optimizer_s(value: Any) -> bool:
    """Whether a value is a state of Optax."""
    return isinstance(value, tuple) and type(value).__module__.startswith("optax.")


def _has_params(value: Any) -> bool:
    """Whether a value is a collection of variables, or a state of training, as Flax has them."""
    if isinstance(value, Mapping):
        return "params" in value
    return not isinstance(value, tuple) and not is_array(value) and hasattr(value, "params")


def _key(key: Any) -> Any:
    return getattr(key, "key", getattr(key, "name", getattr(key, "idx", None)))

"""Sizes that layers keep beside their arrays, brought in line with these."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax


def resized(model: Any) -> Any:
    """The model with the sizes that its layers' arrays have now."""
    for kind, sizes in _SIZES.items():

        def is_kind(node: Any, kind: type = kind) -> bool:
            return isinstance(node, kind)

        def changed(node: Any, kind: type = kind, sizes: Callable[..., Any] = sizes) -> Any:
            return _with(node, sizes(node)) if isinstance(node, kind) and _whole(node) else node

        model = jax.tree.map(changed, model, is_leaf=is_kind)
    return model


def restated(model: Any, pairs: Mapping[int, Mapping[int, int]]) -> None:
    """Whole numbers that modules keep which are sizes of what was cut below them: changed in place.

    Such as how many heads or groups there are. Which number is a size is not known, but what comes
    of it is checked.

    Args: model: one of its own, just made; pairs: id of an array -> size before -> size now.
    """
    if isinstance(model, list | tuple | dict):
        for part in model.values() if isinstance(model, dict) else model:
            restated(part, pairs)
    elif _is_module(model):
        own: dict[int, int] = {}
        for leaf in jax.tree.leaves(model):
            for before, now in pairs.get(id(leaf), {}).items():
                own[before] = now if own.get(before, now) == now else before
        for name, value in list(vars(model).items()):
            if (now := _renumbered(value, own)) is not value:
                object.__setattr__(model, name, now)
            restated(value, pairs)


def _renumbered(value: Any, own: Mapping[int, int]) -> Any:
    if type(value) is int:
        return own.get(value, value)
    if type(value) is tuple and all(type(each) is int for each in value):
        return tuple(own.get(each, each) for each in value)
    return value


def _is_module(node: Any) -> bool:
    nnx = sys.modules.get("flax.nnx")
    return isinstance(node, eqx.Module) or (nnx is not None and isinstance(node, nnx.Module))


def _whole(layer: Any) -> bool:
    """Whether a layer has its arrays, which it lacks in a tree of some of the model's alone."""
    own = getattr(layer, "query_proj", layer).weight
    return hasattr(own, "shape")


def _linear(layer: Any) -> dict[str, Any]:
    out, into = layer.weight.shape
    sizes = {"out_features": out, "in_features": into}
    return {n: size for n, size in sizes.items() if getattr(layer, n) != "scalar"}


def _conv(layer: Any) -> dict[str, Any]:
    out, into = layer.weight.shape[:2]
    groups = out * layer.groups // layer.out_channels if layer.groups > 1 else 1  # whole ones go
    return {"out_channels": out, "in_channels": groups * into, "groups": groups}


def _attention(layer: Any) -> dict[str, Any]:
    return {"num_heads": layer.query_proj.weight.shape[0] // layer.qk_size}


_SIZES: dict[type, Callable[[Any], dict[str, Any]]] = {
    eqx.nn.Linear: _linear,
    eqx.nn.Conv: _conv,
    eqx.nn.MultiheadAttention: _attention,
}


def _with(layer: Any, sizes: dict[str, Any]) -> Any:
    """A copy of a module with other static fields, which no initialiser sees."""
    copy = object.__new__(type(layer))
    for name, value in (vars(layer) | sizes).items():
        object.__setattr__(copy, name, value)
    return copy

"""Sizes that Equinox's layers keep beside their arrays, brought in line with these."""

from collections.abc import Callable
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
    depthwise = layer.groups > 1 and into == 1
    groups = out if depthwise else layer.groups  # a trace lets no others be cut
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

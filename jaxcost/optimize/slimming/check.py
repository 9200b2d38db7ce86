"""Whether a smaller model computes what the model with zeros computes, near its parameters."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

_NEAR = 0.1  # by which parameters are moved, in ln, so that none is equal to another
_SOME = 0.02  # in the place of zeros, which would hide what they are multiplied with
_ROUNDINGS = {True: 1e3, False: 16.0}  # of the largest output: in float32 or finer, and coarser


def check_alike(
    model: Any,
    smaller: Callable[[Any], Any],
    emptied: Callable[[Any], Any],
    call: Callable[..., Any],
    args: tuple[Any, ...],
) -> None:
    """ValueError unless both compute the same, to rounding.

    Args: smaller, emptied: from a model like the given one to one without some channels, and to one
        with zeros in their place.
    """
    moved = jax.tree.map(_moved, model)
    given = jax.tree.map(_filled, args)
    expected = _outputs(call(emptied(moved), *given))
    try:
        found = _outputs(call(smaller(moved), *given))
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"the smaller model does not run; a size is fixed elsewhere than in its arrays: {first}"
        ) from error
    for number, (one, other) in enumerate(zip(expected, found, strict=True)):
        if one.shape != other.shape:
            shapes = f"shape {other.shape}, not {one.shape}"
            raise ValueError(f"output {number} of the smaller model has {shapes}")
        _check_close(number, one, other)


def _check_close(number: int, one: Any, other: Any) -> None:
    exact = not jnp.issubdtype(one.dtype, jnp.inexact)
    eps = 0.0 if exact else float(jnp.finfo(one.dtype).eps)
    a, b = (np.asarray(x, np.float64) for x in (one, other))
    largest = float(np.abs(a).max(initial=0))
    if not np.isfinite(a).all() or (largest == 0 and a.size and not exact):
        what = "0 throughout" if largest == 0 else "not finite"
        raise ValueError(
            f"output {number} is {what} with zeros for what is left out; nothing can be checked"
        )
    off = float(np.abs(a - b).max(initial=0))
    if not off <= _ROUNDINGS[eps < 1e-6] * eps * largest:
        raise ValueError(
            f"output {number} of the smaller model is off by {off:.3g} of {largest:.3g}: something "
            "depends on how many channels there are; leave that group out of keep"
        )


def _outputs(out: Any) -> list[Any]:
    return [jnp.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(out, eqx.is_array))]


def _moved(leaf: Any) -> Any:
    """An array of numbers near those of the leaf, none of them 0; a key or an index as it is."""
    if not eqx.is_inexact_array(leaf):
        return leaf
    normal = np.random.default_rng(leaf.size).standard_normal(leaf.shape)
    values = np.asarray(leaf, np.float64 if leaf.dtype != jnp.bfloat16 else np.float32)
    near = np.where(values == 0, _SOME * np.abs(normal), values * np.exp(_NEAR * normal))
    return jnp.asarray(near, leaf.dtype)


def _filled(leaf: Any) -> Any:
    if not isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return jnp.zeros(leaf.shape, leaf.dtype)
    values = np.random.default_rng(0).standard_normal(leaf.shape)
    return jnp.asarray(values, leaf.dtype)

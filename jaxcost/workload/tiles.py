"""Sizes that hardware rounds up, with gradients that mean something.

A device computes whole tiles: 65 channels cost as much as 128 where a tile has 64. The rounded
size is a staircase, whose own gradient is 0 almost everywhere.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxcost._support.sizes import guarded, is_traced, not_negative, positive
from jaxcost._support.sizes import temperature as checked

_SLACK = 1e-4  # tiles: a size that is whole but for its last digits is not rounded up


def tiled(size: ArrayLike, tile: ArrayLike, temperature: ArrayLike = 0.0) -> Array:
    """`size` rounded up to whole tiles, in elements.

        tiled = tile * ceil(size / tile)

    At temperature 0 the value is exact and the gradient that of the staircase over two tiles,
    which is 1. Above it each step is a ramp about `temperature` tiles wide, and the gradient its
    own; as the temperature grows the staircase becomes the line through its middle.

    Args:
        size: real, >= 0, any shape; tile: > 0; temperature: >= 0, in tiles; may be traced.
    Returns: the shape of `size`.
    Raises: ValueError: one out of range; of values that JAX is tracing, when the program runs.
    Example:
        >>> float(tiled(65.0, 64)), float(jax.grad(tiled)(65.0, 64.0))
        (128.0, 1.0)
    """
    size, tile, width = not_negative("size", size), positive("tile", tile), checked(temperature)
    # Not 0 where it is traced, either: 1 / tile must be finite.
    size, tile = guarded((size, tile), size=size, tile=tile, inverse_of_tile=1 / tile)
    each = size / tile
    if not is_traced(width) and width == 0:
        return jnp.asarray(tile * whole(each))
    nearest = jnp.round(jax.lax.stop_gradient(each))
    width = jnp.maximum(width, 1e-3)
    ramp = jnp.tanh((each - nearest) / width) / jnp.tanh(0.5 / width)
    return jnp.asarray(tile * (nearest + 0.5 + 0.5 * ramp))


@jax.custom_jvp
def whole(tiles: Array) -> Array:
    """How many whole tiles hold so many, the fraction of one included; its gradient is 1."""
    return jnp.maximum(jnp.ceil(tiles - _SLACK), jnp.sign(tiles))  # what is there takes a tile


@whole.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return whole(primals[0]), tangents[0]


def secant(cost: Callable[..., Array], step: ArrayLike) -> Callable[[Array], Array]:
    """`cost`, exact, with the gradient of its secant: over `step` to either side of each width.

        d cost / d w_i = (cost(w + step e_i) - cost(w - step e_i)) / (2 step)

    So a cost with steps (tiles, caches) is regularised by what its steps cost on average, and
    not by the slope of one tread. It takes two evaluations a width for each gradient.

    Args:
        cost: from widths of shape `(n,)` to a scalar.
        step: > 0, one for all or of shape `(n,)`; the tile, or what the widths move by in
            an epoch. Below a width of `step` the secant is taken over what there is.
    Raises: ValueError: a step that is not above 0.
    Returns: a function of widths, differentiable once in reverse mode.
    """

    half = positive("step", step)

    @jax.custom_vjp
    def exact(widths: Array) -> Array:
        return cost(widths)

    def forward(widths: Array) -> tuple[Array, Any]:
        return cost(widths), widths

    def backward(widths: Array, cotangent: Array) -> tuple[Array]:
        reach = jnp.broadcast_to(half.astype(widths.dtype), widths.shape)
        lower = jnp.maximum(widths - reach, jnp.minimum(widths, 1.0))
        ends = jnp.stack([widths + reach, lower])
        at = jnp.where(jnp.eye(widths.shape[0], dtype=bool), ends[:, :, None], widths[None, None])
        above, below = jax.vmap(jax.vmap(cost))(at)
        return (cotangent * (above - below) / (ends[0] - ends[1]),)

    exact.defvjp(forward, backward)
    return exact

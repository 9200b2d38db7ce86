"""What makes two layers alike: the sizes by which a correction carries from one to another."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcost.workload import Workload
from jaxcost.workload.gradients import BY_INPUT, BY_WEIGHTS
from jaxcost.workload.memory_bound import ATTENTION
from jaxcost.workload.tiles import whole

_LEAST = 1e-6  # channels: a row that is no product has none, and is like no product measured
_TILES = (64, 128)  # outputs a side that GPUs' kernels of matrix products compute at once


@dataclasses.dataclass(frozen=True)
class Sort:
    """Layers that are fitted together, and how to say how alike they are.

    Attributes:
        holds: from layers to whether they are of this sort.
        of: from layers to an array of shape `(layers, features)`; no unit, differentiable.
        columns: the features' names in calibration files.
        marks: from features to what says which kind of layer it is, an array a mark.
        words: what the layers are called.
        sizes: what the first features are the logarithms of, in words.
        sized: from features to whether the layer has the sizes that they are of.
        totals: what grows though no feature does, such as FLOPs: exponents of the first features.
    """

    holds: Callable[[Workload], Array]
    of: Callable[[Workload], Array]
    columns: tuple[str, ...]
    marks: Callable[[Any], tuple[Any, ...]]
    words: str
    sizes: tuple[str, ...] = ()
    sized: Callable[[Any], Any] = lambda x: x[:, 0] > -np.inf
    totals: tuple[tuple[float, ...], ...] = ()

    def with_totals(self, x: Any, numpy: Any) -> Any:
        """Features, then logarithms of the totals; shape `(layers, features + totals)`."""
        sums = [sum(power * x[:, [i]] for i, power in enumerate(each)) for each in self.totals]
        return numpy.concatenate([x, *sums], axis=1)

    def describe(self, layers: Workload) -> np.ndarray:
        """The features of concrete layers, in float64; compiled, as the parts of it would be."""
        return np.asarray(_compiled(self.of, layers), np.float64)

    def kinds(self, x: Any, numpy: Any) -> Any:
        """The kinds of layers with features `x`, as numbers; shape `(layers, marks)`."""
        return numpy.stack([1.0 * mark for mark in self.marks(x)], axis=-1)


@functools.partial(jax.jit, static_argnums=0)
def _compiled(of: Callable[[Workload], Array], layers: Workload) -> Array:
    return of(layers)


def features(layers: Workload) -> Float[Array, "*layers features"]:
    """What makes two products alike: logarithms of their sizes, and their kind; no unit.

    A factor e in positions, channels or groups counts as 1, and in the kernel's side as 2, since
    programs for different kernels are different programs; so does another kind of operation. Of
    dense layers also what fills their outputs up to whole tiles.
    """
    fill = [layers.is_dense * each for each in _fill(layers.batch, layers.c_out)]
    return jnp.concatenate([_sizes(layers), jnp.stack(fill, axis=-1)], axis=-1)


def _sizes(layers: Workload) -> Float[Array, "*layers features"]:
    taps = layers.k_h * layers.k_w
    return jnp.stack(
        [
            jnp.log(layers.batch * layers.out_h * layers.out_w),
            jnp.log(jnp.maximum(layers.c_in, _LEAST)),
            jnp.log(jnp.maximum(layers.c_out, _LEAST)),
            jnp.log(taps),
            jnp.log(layers.groups),
            2.0 * (taps > 1),
            1.0 * layers.is_dense,
        ],
        axis=-1,
    )


def of_batched_products(layers: Workload) -> Float[Array, "*layers features"]:
    """The same of products side by side: the sizes of one, how many, and what fills its tiles."""
    sizes = (layers.batch, layers.c_in / layers.groups, layers.c_out / layers.groups, layers.groups)
    logs = [jnp.log(jnp.maximum(size, _LEAST)) for size in sizes]
    return jnp.stack([*logs, *_fill(sizes[0], sizes[2])], axis=-1)


def of_input_gradients(layers: Workload) -> Float[Array, "*layers features"]:
    """The same of gradients of convolutions by their input, and how much larger it is."""
    skipped = layers.in_h * layers.in_w / (layers.out_h * layers.out_w)
    return _of_gradients(layers, layers.batch * layers.out_h * layers.out_w, skipped)


def of_weight_gradients(layers: Workload) -> Float[Array, "*layers features"]:
    """The same of gradients of convolutions by their weights: pixels and images apart, since sums
    run over both."""
    return _of_gradients(layers, layers.out_h * layers.out_w, layers.batch)


def _of_gradients(layers: Workload, places: Array, other: Array) -> Array:
    taps = layers.k_h * layers.k_w
    sizes = (places, layers.c_in, layers.c_out, taps, layers.groups, other)
    logs = [jnp.log(jnp.maximum(size, _LEAST)) for size in sizes]
    return jnp.stack([*logs, 2.0 * (taps > 1)], axis=-1)


def of_memory_bound(layers: Workload) -> Float[Array, "*layers features"]:
    """The same of operations that are no product: positions, bytes of each, FLOPs a byte, kind."""
    positions = layers.batch * layers.out_h * layers.out_w
    moved = jnp.maximum(layers.other_bytes, _LEAST)
    return jnp.stack(
        [
            jnp.log(positions),
            jnp.log(moved / positions),
            jnp.log1p(layers.other_flops / moved),
            1.0 * layers.operation,
        ],
        axis=-1,
    )


def of_attention(layers: Workload) -> Float[Array, "*layers features"]:
    """The same of attention: logarithms of batch, tokens, heads and the size of a head."""
    tokens = layers.out_h * layers.out_w
    vectors = 4 * layers.batch * tokens * layers.groups * layers.item_bytes
    size = jnp.maximum(layers.other_bytes, _LEAST) / vectors
    return jnp.stack([jnp.log(x) for x in (layers.batch, tokens, layers.groups, size)], axis=-1)


def _fill(rows: Array, columns: Array) -> list[Array]:
    """ln of what whole tiles hold, relative to a matrix of these sides; for each size of a tile."""

    def of_side(side: Array, tile: int) -> Array:
        side = jnp.maximum(side, _LEAST)
        return jnp.log(tile * whole(side / tile) / side)

    return [of_side(rows, tile) + of_side(columns, tile) for tile in _TILES]


def _is_product(layers: Workload) -> Array:
    return (layers.operation == 0) & (layers.gradient == 0)


def _is_batched(layers: Workload) -> Array:
    return (layers.is_dense > 0) & (layers.groups > 1)


def _kinds_of_products(x: Any) -> tuple[Any, ...]:
    """Grouped, a kernel above one element, dense, and a product at all."""
    return x[:, 4] > 0, x[:, 5] > 0, x[:, 6] > 0, _has_channels(x)


def _kinds_of_gradients(x: Any) -> tuple[Any, ...]:
    """Grouped, and a kernel above one element."""
    return x[:, 4] > 0, x[:, -1] > 0


def _has_channels(x: Any) -> Any:
    return x[:, 1] > np.log(2 * _LEAST)


_SIZES = (
    "ln_positions",
    "ln_c_in",
    "ln_c_out",
    "ln_taps",
    "ln_groups",
    "twice_spatial",
    "is_dense",
)
_CHANNELS = ("input channels", "output channels", "taps of the kernel", "groups")
_FLOPS, _WEIGHTS = (1, 1, 1, 1, -1), (0, 1, 1, 1, -1)  # of positions and _CHANNELS
_OF_GRADIENTS = ("ln_c_in", "ln_c_out", "ln_taps", "ln_groups")
_FILL = tuple(f"ln_fill_{tile}" for tile in _TILES)
SORTS = {
    "products": Sort(
        lambda layers: _is_product(layers) & ~_is_batched(layers),
        features,
        (*_SIZES, *_FILL),
        _kinds_of_products,
        "products",
        ("positions", *_CHANNELS),
        _has_channels,
        (_FLOPS, _WEIGHTS),
    ),
    "batched-products": Sort(
        lambda layers: _is_product(layers) & _is_batched(layers),
        of_batched_products,
        ("ln_rows", "ln_inputs", "ln_outputs", "ln_products", *_FILL),
        lambda x: (x[:, 3] > 0,),
        "products side by side",
        ("rows", "inputs", "outputs", "products side by side"),
        totals=((1, 1, 1, 1),),
    ),
    "input-gradients": Sort(
        lambda layers: layers.gradient == BY_INPUT,
        of_input_gradients,
        ("ln_positions", *_OF_GRADIENTS, "ln_pixels_per_position", "twice_spatial"),
        _kinds_of_gradients,
        "gradients of convolutions by their input",
        ("positions", *_CHANNELS),
        totals=(_FLOPS, _WEIGHTS),
    ),
    "weight-gradients": Sort(
        lambda layers: layers.gradient == BY_WEIGHTS,
        of_weight_gradients,
        ("ln_pixels", *_OF_GRADIENTS, "ln_images", "twice_spatial"),
        _kinds_of_gradients,
        "gradients of convolutions by their weights",
        ("pixels", *_CHANNELS, "images"),
        totals=((*_FLOPS, 1), _WEIGHTS),
    ),
    "memory-bound": Sort(
        lambda layers: (layers.operation > 0) & (layers.operation != ATTENTION),
        of_memory_bound,
        ("ln_positions", "ln_bytes_per_position", "ln_flops_per_byte", "operation"),
        lambda x: (x[:, 3],),
        "memory-bound",
        ("positions", "bytes a position"),
        totals=((1, 1),),
    ),
    "attention": Sort(
        lambda layers: layers.operation == ATTENTION,
        of_attention,
        ("ln_batch", "ln_tokens", "ln_heads", "ln_head_size"),
        lambda x: (x[:, 0] > -np.inf,),
        "attention",
        ("in a batch", "tokens", "heads", "numbers in a head"),
        totals=((1, 1, 1, 1), (1, 2, 1, 1)),
    ),
}
GRADIENT_SORTS = ("input-gradients", "weight-gradients")
# Of calibrations of 0.2: without tiles.
EARLIER = dataclasses.replace(SORTS["products"], of=_sizes, columns=_SIZES)
RESIDUAL = "ln_observed_over_model"  # beside the features in a calibration file


def sort_in(columns: tuple[str, ...] | None) -> tuple[str, Sort]:
    """The sort of layers that columns of a calibration file describe, the residual last; named.

    Raises: ValueError: no sort's columns.
    """
    known = [*SORTS.items(), ("products", EARLIER)]
    for name, sort in known:
        if columns == (*sort.columns, RESIDUAL):
            return name, sort
    either = "; or ".join(", ".join((*sort.columns, RESIDUAL)) for _, sort in known)
    raise ValueError(f"correction_columns must be {either}")

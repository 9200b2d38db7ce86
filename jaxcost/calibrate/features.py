"""What makes two layers alike: the sizes by which a correction carries from one to another."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcost.workload import Workload

_LEAST = 1e-6  # channels: a row that is no product has none, and is like no product measured


@dataclasses.dataclass(frozen=True)
class Sort:
    """Layers that are fitted together, and how to say how alike they are.

    Attributes:
        holds: from layers to whether they are of this sort.
        of: from layers to an array of shape `(layers, features)`; no unit, differentiable.
        columns: the features' names in calibration files.
        marks: the features, by number, that say what kind of layer it is.
        describes: from features to whether they can say how far such a layer is from others.
    """

    holds: Callable[[Workload], Array]
    of: Callable[[Workload], Array]
    columns: tuple[str, ...]
    marks: tuple[int, ...]
    describes: Callable[[Array], Array]

    def kind_of(self, x: Any, numpy: Any) -> Any:
        """The kinds of layers with features `x`, shape `(layers, marks + 1)`; a column says whether
        they are described."""
        return numpy.column_stack([x[:, list(self.marks)], 1.0 * self.describes(x)])


def features(layers: Workload) -> Float[Array, "*layers features"]:
    """What makes two products alike: logarithms of their sizes, and their kind; no unit.

    A factor e in positions, channels or groups counts as 1, and in the kernel's side as 2, since
    programs for different kernels are different programs; so does another kind of operation.
    """
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


SORTS = {
    "products": Sort(
        lambda layers: layers.operation == 0,
        features,
        (
            "ln_positions", "ln_c_in", "ln_c_out", "ln_taps", "ln_groups", "twice_spatial",
            "is_dense",
        ),
        marks=(5, 6),
        describes=lambda x: x[:, 1] > np.log(2 * _LEAST),
    ),
    "memory-bound": Sort(
        lambda layers: layers.operation > 0,
        of_memory_bound,
        ("ln_positions", "ln_bytes_per_position", "ln_flops_per_byte", "operation"),
        marks=(3,),
        describes=lambda x: x[:, 3] > 0.5,
    ),
}  # fmt: skip

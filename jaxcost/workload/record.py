"""What is designed: `Workload`, one row a layer."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcost._support import sizes
from jaxcost._support.messages import refused, unknown

_FLAGS = ("bias", "is_dense", "within", "backward")


def _real(value: ArrayLike) -> Array:
    if isinstance(value, np.ndarray):  # or JAX compiles a conversion for every new shape
        value = value.astype(jax.dtypes.canonicalize_dtype(float))
    return jnp.asarray(value, dtype=float)


def _leaf(default: float) -> Any:
    return eqx.field(converter=_real, default=default)


class Workload(eqx.Module):
    """The layers of a network, one row a layer; sizes in elements, `item_bytes` in bytes.

    Every leaf is a real array of the same shape: `(layers,)` for a network, `()` for one layer,
    `(networks, layers)` for a stack. Sizes are real so that a width can be differentiated.
    `conv2d`, `dense`, `mlp`, `cnn` and `from_table` build one: they check values and
    broadcast shapes.

    Args:
        batch: inputs at once, > 0.
        in_h, in_w: height and width of the input, > 0.
        out_h, out_w: height and width of the output, > 0; the builders compute them.
        c_in, c_out: channels (features) in and out, > 0, or 0 where the row is no product.
        k_h, k_w: height and width of the kernel, > 0.
        groups: groups of channels, or the number of products in a batched matrix product, > 0.
        dilation: step between the kernel's taps, >= 1.
        item_bytes: bytes of one element, > 0.
        repeat: how often the layer occurs, >= 0; a row of padding has 0.
        bias: 1 if the layer adds a bias, otherwise 0.
        is_dense: 1 if it is computed as a matrix product, 0 if as a convolution.
        other_flops, other_bytes: FLOPs and bytes of an operation that is no product, >= 0.
        operation: of which kind such an operation is, by its place in
            `jaxcost.workload.memory_bound.OPERATIONS` from 1; 0: a product, or none of these.
        gradient: 1 or 2 if the row is the gradient of a convolution of these sizes by its input or
            by its weights, as `jaxcost.workload.gradients` has them; 0: none of them.
        within: 1 if the row is an operation within a compiled program, no product, which costs the
            bytes that it moves and no start of its own; 0 if it runs by itself.
        backward: 1 if such an operation is of a backward pass, otherwise 0.
        left: share of `other_bytes` that such an operation still moves once it is fused, >= 0.
        left_on_cpu: the same where XLA's CPU backend compiles it, whose rules are known.

    Raises:
        ValueError: leaves of different shapes; the message names the leaf and both shapes.
    """

    batch: Float[Array, "*layers"] = _leaf(1)
    in_h: Float[Array, "*layers"] = _leaf(1)
    in_w: Float[Array, "*layers"] = _leaf(1)
    out_h: Float[Array, "*layers"] = _leaf(1)
    out_w: Float[Array, "*layers"] = _leaf(1)
    c_in: Float[Array, "*layers"] = _leaf(1)
    c_out: Float[Array, "*layers"] = _leaf(1)
    k_h: Float[Array, "*layers"] = _leaf(1)
    k_w: Float[Array, "*layers"] = _leaf(1)
    groups: Float[Array, "*layers"] = _leaf(1)
    dilation: Float[Array, "*layers"] = _leaf(1)
    item_bytes: Float[Array, "*layers"] = _leaf(4)
    repeat: Float[Array, "*layers"] = _leaf(1)
    bias: Float[Array, "*layers"] = _leaf(0)
    is_dense: Float[Array, "*layers"] = _leaf(0)
    other_flops: Float[Array, "*layers"] = _leaf(0)
    other_bytes: Float[Array, "*layers"] = _leaf(0)
    operation: Float[Array, "*layers"] = _leaf(0)
    gradient: Float[Array, "*layers"] = _leaf(0)
    within: Float[Array, "*layers"] = _leaf(0)
    backward: Float[Array, "*layers"] = _leaf(0)
    left: Float[Array, "*layers"] = _leaf(1)
    left_on_cpu: Float[Array, "*layers"] = _leaf(1)

    def __check_init__(self) -> None:
        for name, leaf in vars(self).items():
            if leaf.shape != self.batch.shape:
                raise ValueError(
                    f"{name} has shape {leaf.shape} but batch has {self.batch.shape}; "
                    "give every leaf the same shape, or build with jaxcost.workload.rows()"
                )

    def __len__(self) -> int:
        """Number of layers."""
        return self.batch.shape[-1]

    def __getitem__(self, index: Any) -> "Workload":
        """The layers at `index` (an integer, a slice, an array), as a Workload."""
        return jax.tree.map(lambda leaf: leaf[..., index], self)

    def pad_to(self, layers: int) -> "Workload":
        """The same network with rows of `repeat=0` appended, up to `layers` rows."""
        missing = layers - len(self)
        if missing < 0:
            raise ValueError(refused("layers", layers, f"at least the {len(self)} it has"))
        return Workload.concatenate([self, rows(repeat=jnp.zeros(missing))])

    @staticmethod
    def concatenate(workloads: Sequence["Workload"]) -> "Workload":
        """One network of the layers of several, in order."""
        _check_some(workloads)
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=-1), *workloads)

    @staticmethod
    def stack(workloads: Sequence["Workload"]) -> "Workload":
        """Several networks as leaves of shape `(networks, layers)`, padded to equal depth."""
        _check_some(workloads)
        depth = max(map(len, workloads))
        padded = [workload.pad_to(depth) for workload in workloads]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *padded)


_USUAL = {field.name: np.array(field.default) for field in dataclasses.fields(Workload)}


def rows(**leaves: ArrayLike) -> Workload:
    """A Workload from any of its leaves, each a number or of shape `(layers,)`; values unchecked.

    A leaf left out is that of a layer of size one, without bias, occurring once.
    """
    if strange := set(leaves) - set(_USUAL):
        raise ValueError(unknown("leaf", min(strange), _USUAL))
    arrays = {name: _checked(name, value) for name, value in leaves.items()}
    shape = jnp.broadcast_shapes((1,), *(array.shape for array in arrays.values()))
    return Workload(**{name: _spread(array, shape) for name, array in (_USUAL | arrays).items()})


def _spread(array: Any, shape: tuple[int, ...]) -> Any:
    """`array` broadcast; by NumPy where its values are known, which dispatches nothing."""
    return (jnp if sizes.is_traced(array) else np).broadcast_to(array, shape)


def _checked(name: str, value: ArrayLike) -> Array:
    return sizes.flag(name, value) if name in _FLAGS else sizes.real(name, value)


def _check_some(workloads: Sequence[Workload]) -> None:
    if not workloads:
        raise ValueError("workloads is empty; give at least one Workload")

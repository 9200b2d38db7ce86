"""Layers and networks as a `Workload`: values checked, shapes broadcast, output sizes computed."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxcost._support import sizes
from jaxcost._support.old_words import also_batch_size
from jaxcost.workload import explicit_padding, memory_bound
from jaxcost.workload.layer_table import COUNTS, ITEM_BYTES, validate_layers
from jaxcost.workload.record import Workload, rows

if TYPE_CHECKING:
    import pandas as pd

_SIZES = ("batch", "in_h", "in_w", "out_h", "out_w", "c_in", "c_out", "k_h", "k_w", "repeat")


@also_batch_size
def conv2d(
    *,
    in_h: ArrayLike,
    in_w: ArrayLike,
    c_in: ArrayLike,
    c_out: ArrayLike,
    k_h: ArrayLike,
    k_w: ArrayLike,
    batch: ArrayLike = 1,
    stride: ArrayLike = 1,
    padding: str | Sequence[str] = "same",
    groups: ArrayLike = 1,
    dilation: ArrayLike = 1,
    item_bytes: ArrayLike = 4,
    bias: ArrayLike = False,
    repeat: ArrayLike = 1,
) -> Workload:
    """A 2-D convolution as a Workload of one layer; sizes in elements.

    Args: all keyword-only, each a number, or of shape `(layers,)` for as many layers at once.
        Sizes are real and > 0; stride and dilation whole and >= 1; groups divide the channels
        where these are whole. padding: 'same' or 'valid', as in XLA. Of values that JAX is
        tracing, negative and NaN ones raise when the program runs
        (`jaxcost._support.sizes.guarded`).
    Returns: leaves of shape `(layers,)`; out_h and out_w by `jaxcost._support.sizes.output_size`.
    Raises: ValueError: a size out of range, groups that do not divide the channels, a kernel
        larger than the padded input; the message names the field, the value and the range.
    Example:
        >>> float(conv2d(in_h=7, in_w=7, c_in=8, c_out=8, k_h=3, k_w=3, stride=2).out_h[0])
        4.0
    """
    layer = _conv2d(
        in_h=in_h, in_w=in_w, c_in=c_in, c_out=c_out, k_h=k_h, k_w=k_w, batch=batch,
        stride=stride, padding=padding, groups=groups, dilation=dilation, item_bytes=item_bytes,
        bias=bias, repeat=repeat,
    )  # fmt: skip
    return _guarded(layer)


def _conv2d(
    *,
    stride: ArrayLike = 1,
    padding: str | Sequence[str] = "same",
    dilation: ArrayLike = 1,
    bias: ArrayLike = False,
    repeat: ArrayLike = 1,
    **extents: ArrayLike,
) -> Workload:
    """`conv2d` without a look at what is traced, for builders that looked already."""
    extents = {"batch": 1, "groups": 1, "item_bytes": 4} | extents
    leaves = {name: sizes.positive(name, value) for name, value in extents.items()}
    sizes.check_groups(leaves["groups"], leaves["c_in"], leaves["c_out"])
    steps: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    return rows(
        **leaves,
        out_h=sizes.output_size(leaves["in_h"], kernel=leaves["k_h"], **steps),
        out_w=sizes.output_size(leaves["in_w"], kernel=leaves["k_w"], **steps),
        dilation=dilation,
        bias=bias,
        repeat=sizes.not_negative("repeat", repeat),
    )


def _guarded(layer: Workload) -> Workload:
    """The layer, which raises when a size that JAX is tracing turns out to be none."""
    names = [n for n, leaf in vars(layer).items() if sizes.is_traced(leaf) and n in _SIZES]
    traced = {name: getattr(layer, name) for name in names}
    return dataclasses.replace(layer, **sizes.guarded(traced, **traced))


@also_batch_size
def dense(
    *, c_in: ArrayLike, c_out: ArrayLike, positions: ArrayLike = 1, **common: Any
) -> Workload:
    """A dense layer, a matrix product, as a Workload of one layer; sizes in elements.

    Args: all keyword-only, each a number, or of shape `(layers,)` for as many layers at once.
        c_in, c_out: features in and out, real and > 0.
        positions: how many places of each input it is applied to (in_h, with in_w 1), > 0.
        common: batch, groups (products side by side), item_bytes, bias, repeat, as in `conv2d`.
    Returns: leaves of shape `(layers,)`.
    Raises: ValueError: a size out of range; the message names the field, the value and the range.
    Example:
        >>> float(dense(c_in=784, c_out=512, batch=32).c_out[0])
        512.0
    """
    return _guarded(_dense(c_in=c_in, c_out=c_out, positions=positions, **common))


def _dense(
    *, c_in: ArrayLike, c_out: ArrayLike, positions: ArrayLike = 1, **common: Any
) -> Workload:
    places = sizes.positive("positions", positions)
    layer = _conv2d(in_h=places, in_w=1, c_in=c_in, c_out=c_out, k_h=1, k_w=1, **common)
    return eqx.tree_at(lambda w: w.is_dense, layer, jnp.ones_like(layer.is_dense))


@also_batch_size
def mlp(
    widths: ArrayLike | Sequence[ArrayLike],
    *,
    batch: ArrayLike,
    item_bytes: ArrayLike = 4,
    bias: ArrayLike = True,
) -> Workload:
    """Dense layers one after another, as a Workload; widths in elements.

    Activations are not counted.

    Args:
        widths: shape `(layers + 1,)`, input first, real and > 0; may be differentiated.
        batch: inputs at once, > 0, keyword-only; may be called batch_size.
        item_bytes: bytes of one element, > 0, keyword-only.
        bias: whether each layer adds a bias, keyword-only.
    Returns: leaves of shape `(layers,)`.
    Raises: ValueError: fewer than two widths, a size out of range.
    Example:
        >>> len(mlp([784, 512, 10], batch=32))
        2
    """
    chain = sizes.chain("widths", widths)
    batch = sizes.positive("batch", batch)
    chain, batch = sizes.guarded((chain, batch), widths=chain, batch=batch)
    return _dense(c_in=chain[:-1], c_out=chain[1:], batch=batch, item_bytes=item_bytes, bias=bias)


@also_batch_size
def cnn(
    channels: ArrayLike | Sequence[ArrayLike],
    *,
    in_h: ArrayLike,
    in_w: ArrayLike,
    batch: ArrayLike,
    kernel: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 1,
    padding: str | Sequence[str] = "same",
    groups: int | Sequence[int] = 1,
    pool: int | Sequence[int] = 1,
    head: ArrayLike | Sequence[ArrayLike] = (),
    item_bytes: ArrayLike = 4,
    bias: ArrayLike = True,
) -> Workload:
    """Square convolutions one after another and a dense head, as a Workload; sizes in elements.

    Pooling and activations change sizes but are not counted.

    Args:
        channels: shape `(convolutions + 1,)`, input first, real and > 0; may be differentiated.
        in_h, in_w: height and width of the first input, > 0, keyword-only.
        batch: inputs at once, > 0, keyword-only; may be called batch_size.
        kernel, stride, padding, groups: as in `conv2d`, one for all or one a convolution.
        pool: window and stride of the pooling after each convolution ('valid'); 1 is none.
        head: widths of dense layers on the flattened output, input left out; may be empty.
        item_bytes, bias: as in `mlp`.
    Returns: leaves of shape `(layers,)`.
    Raises: ValueError: a size out of range, a list of the wrong length.
    Example:
        >>> len(cnn([3, 64, 128], in_h=32, in_w=32, batch=8, pool=2, head=[10]))
        3
    """
    widths = sizes.chain("channels", channels)
    common: dict[str, Any] = {"item_bytes": item_bytes, "bias": bias}
    batch = sizes.positive("batch", batch)
    widths, batch = sizes.guarded((widths, batch), channels=widths, batch=batch)
    settings = {"kernel": kernel, "stride": stride, "padding": padding, "groups": groups}
    settings |= {"pool": pool}
    each = [sizes.per_layer(*setting, widths.shape[0] - 1) for setting in settings.items()]
    layers, high, wide = [], in_h, in_w
    for i, (k, step, pad, group, window) in enumerate(zip(*each)):
        of: dict[str, Any] = {
            "in_h": high,
            "in_w": wide,
            "c_in": widths[i],
            "c_out": widths[i + 1],
            "batch": batch,
        }
        by = {"k_h": k, "k_w": k, "stride": step, "padding": pad, "groups": group}
        layers.append(_conv2d(**of, **by, **common))
        high, wide = (
            sizes.output_size(size[0], kernel=window, stride=window, padding="valid")
            for size in (layers[-1].out_h, layers[-1].out_w)
        )
    tail = jnp.atleast_1d(sizes.real("head", head))
    if tail.shape[0]:
        flat = jnp.atleast_1d(high * wide * widths[-1])
        layers.append(mlp(jnp.concatenate([flat, tail]), batch=batch, **common))
    return Workload.concatenate(layers)


def from_table(frame: "pd.DataFrame") -> Workload:
    """A table of layers as a Workload, one row a layer in the table's order; sizes in elements.

    Args:
        frame: the columns of `jaxcost.workload.layer_table.read_layer_table`; further ones are
            ignored.
    Returns: leaves of shape `(rows,)`, without bias, which the table does not tell. A row of
        `jaxcost.workload.memory_bound` has no channels, but `other_flops` and `other_bytes`.
    Raises: ValueError: whatever `jaxcost.workload.layer_table.validate_layers` refuses.
    """
    return from_valid(validate_layers(frame))


def from_valid(frame: "pd.DataFrame") -> Workload:
    """The same of a table that `validate_layers` has returned."""
    padding = frame["padding"].replace(explicit_padding.EXPLICIT, "same")
    layers = conv2d(
        **{name: frame[name].to_numpy(float) for name in COUNTS},
        dilation=frame["dilation"].to_numpy(float) if "dilation" in frame else 1,
        padding=padding.to_numpy(object),
        item_bytes=frame["dtype"].map(ITEM_BYTES).to_numpy(float),
    )
    sizes = {name: np.asarray(leaf) for name, leaf in vars(layers).items()}
    for side in ("h", "w"):
        out = f"out_{side}"
        sizes[out] = explicit_padding.output_size(frame, side, sizes[out])
    leaves: dict[str, Any] = memory_bound.leaves(sizes | {"op": frame["op"].to_numpy()})
    return dataclasses.replace(layers, **leaves)

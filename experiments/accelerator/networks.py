"""Whole networks in plain JAX, each with the layers that it is made of: what predictions add up."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

import jaxcost as jc
from jaxcost.measure import Chain, chained_passes


class Tape:
    """What a network asks for as it is applied: weights, in order; and notes its layers.

    Args:
        dtype: of weights and activations.
        weights: those to give; None gives zeros, and notes the shapes that were asked for.
    """

    def __init__(self, dtype: str, weights: Sequence[Array] | None = None) -> None:
        self.dtype, self._given = dtype, weights
        self.shapes: list[tuple[int, ...]] = []
        self.layers: list[jc.LayerSpec] = []

    def weight(self, *shape: int) -> Array:
        """The next weight, of this shape."""
        self.shapes.append(shape)
        if self._given is None:
            return jnp.zeros(shape, self.dtype)
        return self._given[len(self.shapes) - 1]

    def note(self, op: str, **sizes: Any) -> None:
        """Note a layer."""
        self.layers.append(jc.LayerSpec(op=op, dtype=self.dtype, **sizes))


def dense(tape: Tape, x: Array, c_out: int) -> Array:
    """A dense layer on the last axis of an array of any rank."""
    c_in = x.shape[-1]
    tape.note("dense", batch=x.size // c_in, c_in=c_in, c_out=c_out)
    return x @ tape.weight(c_in, c_out)


def conv(tape: Tape, x: Array, c_out: int, k: int, stride: int = 1, groups: int = 1) -> Array:
    """A convolution of k × k, NHWC, padded to the same size."""
    batch, high, wide, c_in = x.shape
    sizes = {"batch": batch, "in_h": high, "in_w": wide, "c_in": c_in, "c_out": c_out}
    tape.note("conv2d", **sizes, k_h=k, k_w=k, stride=stride, groups=groups)
    kernel = tape.weight(k, k, c_in // groups, c_out)
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups,
    )  # fmt: skip


def normalised(tape: Tape, x: Array) -> Array:
    """Normalised over the last axis and scaled."""
    c = x.shape[-1]
    tape.note("normalisation", batch=x.size // c, c_in=c, c_out=c)
    centred = x - jnp.mean(x, -1, keepdims=True)
    variance = jnp.mean(centred * centred, -1, keepdims=True)
    scale = tape.weight(c).reshape((1,) * (x.ndim - 1) + (c,))
    return centred * lax.rsqrt(variance + 1e-6) * scale


def activated(tape: Tape, x: Array) -> Array:
    """max(x, 0)."""
    c = x.shape[-1]
    tape.note("elementwise", batch=x.size // c, c_in=c, c_out=c)
    return jnp.maximum(x, 0)


def pooled(tape: Tape, x: Array) -> Array:
    """The maximum of 3 × 3 pixels at every second place."""
    batch, high, wide, c = x.shape
    sizes = {"batch": batch, "in_h": high, "in_w": wide, "c_in": c, "c_out": c}
    tape.note("pooling", **sizes, k_h=3, k_w=3, stride=2)
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")


def attention(tape: Tape, x: Array, heads: int) -> Array:
    """Multi-head self-attention on (batch, tokens, width)."""
    batch, tokens, width = x.shape
    each, many = width // heads, batch * heads

    def split(y: Array) -> Array:
        return y.reshape(batch, tokens, heads, each).transpose(0, 2, 1, 3)

    q, k, v = (split(y) for y in jnp.split(dense(tape, x, 3 * width), 3, axis=-1))
    by_head = {"batch": tokens, "groups": many}
    tape.note("dense", **by_head, c_in=many * each, c_out=many * tokens)
    scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(each)
    tape.note("normalisation", batch=many * tokens, c_in=tokens, c_out=tokens)
    shares = jax.nn.softmax(scores, axis=-1)
    tape.note("dense", **by_head, c_in=many * tokens, c_out=many * each)
    values = jnp.einsum("bhqk,bhkd->bhqd", shares, v)
    return dense(tape, values.transpose(0, 2, 1, 3).reshape(batch, tokens, width), width)


def _mlp(tape: Tape, x: Array, widths: Sequence[int]) -> Array:
    for width in widths:
        x = activated(tape, dense(tape, x, width))
    return dense(tape, x, 10)


def _resnet(tape: Tape, x: Array, blocks: Sequence[int], stem: int) -> Array:
    """Residual blocks of two 3 × 3 convolutions, as in ResNet-18, without statistics of batches."""
    x = activated(tape, conv(tape, x, 64, stem, stride=2 if stem > 3 else 1))
    x = pooled(tape, x) if stem > 3 else x
    for stage, many in enumerate(blocks):
        for block in range(many):
            c, stride = 64 << stage, 2 if stage and not block else 1
            y = activated(tape, conv(tape, x, c, 3, stride))
            y = conv(tape, y, c, 3)
            x = conv(tape, x, c, 1, stride) if x.shape != y.shape else x
            x = activated(tape, x + y)
    return dense(tape, jnp.mean(x, (1, 2)), 1000)


def _mobile(tape: Tape, x: Array, channels: Sequence[int]) -> Array:
    """Depthwise 3 × 3 and pointwise convolutions in turn, as in MobileNet."""
    x = activated(tape, conv(tape, x, 32, 3, stride=2))
    for c in channels:
        x = activated(tape, conv(tape, x, x.shape[-1], 3, 2 if c > x.shape[-1] else 1, x.shape[-1]))
        x = activated(tape, conv(tape, x, c, 1))
    return dense(tape, jnp.mean(x, (1, 2)), 1000)


def _transformer(tape: Tape, x: Array, heads: int, blocks: int) -> Array:
    width = x.shape[-1]
    for _ in range(blocks):
        x = x + attention(tape, normalised(tape, x), heads)
        hidden = activated(tape, dense(tape, normalised(tape, x), 4 * width))
        x = x + dense(tape, hidden, width)
    return x


@dataclasses.dataclass(frozen=True)
class Network:
    """A network and what it is fed.

    Args:
        name: its name, with what of it is varied.
        input_shape: of one batch.
        apply: the network as a function of a tape and its input.
        dtype: of weights and activations.
    """

    name: str
    input_shape: tuple[int, ...]
    apply: Callable[[Tape, Array], Array]
    dtype: str = "float32"

    def trace(self) -> Tape:
        """A tape with the layers and the shapes of the weights; nothing is computed.

        Raises: ValueError: a type that JAX has not enabled.
        """
        if self.dtype == "float64" and not jax.config.read("jax_enable_x64"):
            raise ValueError("dtype = 'float64' is off; give another, or set JAX_ENABLE_X64=1")
        tape = Tape(self.dtype)
        x = jax.ShapeDtypeStruct(self.input_shape, jnp.dtype(self.dtype))
        jax.eval_shape(lambda x: self.apply(tape, x), x)
        return tape

    def forward(self, weights: Sequence[Array], x: Array) -> Array:
        """The network's output."""
        return self.apply(Tape(self.dtype, weights), x)


def forward_pass(network: Network, *, barrier: bool = False) -> Chain:
    """A network's pass as a step, from random weights and a random input.

    Args: barrier: as in `jaxcost.measure.chained_passes`, keyword-only.
    """
    shapes = network.trace().shapes

    def begin(seed: Array) -> tuple[list[Array], Array]:
        keys = jax.random.split(jax.random.key(seed), len(shapes) + 1)
        weights = [
            jax.random.normal(key, shape, network.dtype) / math.sqrt(math.prod(shape[:-1]))
            for key, shape in zip(keys, shapes)
        ]
        return weights, jax.random.normal(keys[-1], network.input_shape, network.dtype)

    return chained_passes(network.forward, begin, barrier=barrier)


_IMAGE, _SMALL_IMAGE = (224, 224, 3), (32, 32, 3)
_BUILDERS: dict[str, tuple[tuple[int, ...], Callable[[Tape, Array], Array]]] = {
    "resnet-18": (_IMAGE, functools.partial(_resnet, blocks=(2, 2, 2, 2), stem=7)),
    "transformer-768": ((128, 768), functools.partial(_transformer, heads=12, blocks=6)),
    "mlp-4096": ((784,), functools.partial(_mlp, widths=(4096, 4096, 4096))),
    "mobile": (
        _IMAGE, functools.partial(_mobile, channels=(64, 128, 128, 256, 256, 512, 512, 1024)),
    ),
    "transformer-2048": ((1024, 2048), functools.partial(_transformer, heads=16, blocks=2)),
    "resnet-small": (_SMALL_IMAGE, functools.partial(_resnet, blocks=(2, 2, 2), stem=3)),
    "mlp-512": ((784,), functools.partial(_mlp, widths=(512, 512))),
    "transformer-384": ((197, 384), functools.partial(_transformer, heads=6, blocks=4)),
}  # fmt: skip
NETWORKS = tuple(_BUILDERS)


def network(name: str, batch: int, dtype: str = "float32") -> Network:
    """One of `NETWORKS` at a batch size.

    Raises: ValueError: an unknown name.
    """
    if name not in _BUILDERS:
        raise ValueError(f"network {name!r} is not known; give one of {', '.join(NETWORKS)}")
    shape, apply = _BUILDERS[name]
    return Network(name, (batch, *shape), apply, dtype)

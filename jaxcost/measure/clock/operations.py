"""Layers as functions of two operands, the activations and weights, a scale or indices; and what of
each its compiled loop must hold."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxcost.measure.layers import LayerSpec

Operation = Callable[[Array, Array], Array]

_EPSILON = 1e-6  # of a variance, as in most networks


def operation(layer: LayerSpec) -> Operation:
    """The layer as a function of arrays of its `input_shape` and its `weight_shape`."""
    return _BUILDERS[layer.op](layer)


def _dense(layer: LayerSpec) -> Operation:
    batched = ((0,), (0,)) if layer.groups > 1 else ((), ())
    contracted = ((2,), (1,)) if layer.groups > 1 else ((1,), (0,))
    return lambda x, w: lax.dot_general(x, w, (contracted, batched))


def _conv2d(layer: LayerSpec) -> Operation:
    return lambda x, w: lax.conv_general_dilated(
        x,
        w,
        window_strides=(layer.stride, layer.stride),
        padding=layer.padding.upper(),
        rhs_dilation=(layer.dilation, layer.dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=layer.groups,
    )


def _input_gradient(layer: LayerSpec) -> Operation:
    forward, x = _conv2d(layer), jax.ShapeDtypeStruct(layer.output_shape, jnp.dtype(layer.dtype))
    return lambda y, w: jax.linear_transpose(lambda x: forward(x, w), x)(y)[0]


def _weight_gradient(layer: LayerSpec) -> Operation:
    forward, w = _conv2d(layer), jax.ShapeDtypeStruct(layer.output_shape, jnp.dtype(layer.dtype))
    return lambda x, y: jax.linear_transpose(lambda w: forward(x, w), w)(y)[0]


def in_usual_layout(apply: Operation) -> Operation:
    """The same function with the batch of every convolution first and its channels last.

    So XLA's CPU backend rewrites a gradient that it finds in the program itself, but none within a
    loop (`ConvCanonicalization` in xla), which then takes up to forty times as long, or a fraction:
    the loop would not time what programs run.
    """

    def apply_(x: Array, w: Array) -> Array:
        program = jax.make_jaxpr(apply)(x, w).jaxpr
        known: dict[Any, Any] = dict(zip(program.invars, (x, w)))
        for equation in program.eqns:
            given = [known[v] for v in equation.invars]
            if equation.primitive.name == "conv_general_dilated":
                made = _convolved(*given, **equation.params)
            else:
                made = equation.primitive.bind(*given, **equation.params)
            known[equation.outvars[0]] = made
        found: Array = known[program.outvars[0]]
        return found

    return apply_


def _convolved(x: Array, w: Array, *, dimension_numbers: Any, **params: Any) -> Array:
    (batch, channels, *image), (outputs, inputs, *kernel), result = dimension_numbers
    usual = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
    y = lax.conv_general_dilated_p.bind(
        lax.transpose(x, (batch, *image, channels)),
        lax.transpose(w, (*kernel, inputs, outputs)),
        dimension_numbers=usual,
        **params,
    )
    order = (result[0], *result[2:], result[1])  # where each axis of y is to be
    return lax.transpose(y, [order.index(axis) for axis in range(len(order))])


def _elementwise(layer: LayerSpec) -> Operation:
    del layer
    return lambda x, scale: jnp.maximum(x * _by_channel(scale, x), 0)


def _addition(layer: LayerSpec) -> Operation:
    del layer
    return lambda x, y: x + y


def _reduction(layer: LayerSpec) -> Operation:
    axes = (1, 2) if layer.sums_positions else (3,)

    def apply(x: Array, shift: Array) -> Array:
        total = jnp.sum(x, axes)
        return total + _by_channel(shift, total)

    return apply


def _normalisation(layer: LayerSpec) -> Operation:
    del layer

    def apply(x: Array, scale: Array) -> Array:
        centred = x - jnp.mean(x, -1, keepdims=True)
        variance = jnp.mean(centred * centred, -1, keepdims=True)
        return centred * lax.rsqrt(variance + _EPSILON) * _by_channel(scale, x)

    return apply


def _softmax(layer: LayerSpec) -> Operation:
    del layer

    def apply(x: Array, scale: Array) -> Array:
        raised = jnp.exp(x - jnp.max(x, -1, keepdims=True))
        return raised / jnp.sum(raised, -1, keepdims=True) * _by_channel(scale, x)

    return apply


def _pooling(layer: LayerSpec) -> Operation:
    window, strides = (1, layer.k_h, layer.k_w, 1), (1, layer.stride, layer.stride, 1)

    def apply(x: Array, least: Array) -> Array:
        y = lax.reduce_window(x, -jnp.inf, lax.max, window, strides, layer.padding.upper())
        return jnp.maximum(y, _by_channel(least, y))

    return apply


def _gather(layer: LayerSpec) -> Operation:
    del layer
    return lambda table, indices: table.at[indices].get(mode="promise_in_bounds")


def _by_channel(values: Array, like: Array) -> Array:
    return values.reshape((1,) * (like.ndim - 1) + (-1,))


_BUILDERS: dict[str, Callable[[LayerSpec], Operation]] = {
    "dense": _dense,
    "conv2d": _conv2d,
    "conv2d_input_gradient": _input_gradient,
    "conv2d_weight_gradient": _weight_gradient,
    "elementwise": _elementwise,
    "addition": _addition,
    "reduction": _reduction,
    "normalisation": _normalisation,
    "softmax": _softmax,
    "pooling": _pooling,
    "gather": _gather,
}

# What a compiled loop must hold for the operation to have been done, all of it: one of these
# instructions, and whether its first operand (True) must be as large as the input, or its result
# as large as the result. Products have their own proofs, since libraries may do them.
Part = tuple[tuple[str, ...], bool]
_MULTIPLIED: Part = (("multiply", "maximum"), False)
_SUMMED: Part = (("reduce", "reduce-window"), True)
PARTS: dict[str, tuple[Part, ...]] = {
    "elementwise": (_MULTIPLIED,),
    "addition": ((("add",), False),),
    "reduction": (_SUMMED,),
    "normalisation": (_SUMMED, _MULTIPLIED),
    "softmax": (_SUMMED, (("exponential",), False)),
    "pooling": ((("reduce-window", "reduce"), False),),
    "gather": ((("gather", "dynamic-slice"), False),),
}

"""Convolutions against brute force, against their own gradients, and against the compiler."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax

from jaxcost.trace import count

LAYOUTS = (("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"))
KEY = jax.random.key(0)


def S(*shape):  # noqa: N802
    return jax.ShapeDtypeStruct(shape, jnp.float32)


AXIS = st.fixed_dictionaries(
    {
        "size": st.integers(1, 9),
        "taps": st.integers(1, 4),
        "stride": st.integers(1, 3),
        "dilation": st.integers(1, 2),
        "padding": st.tuples(st.integers(0, 3), st.integers(0, 3)),
        "spread": st.sampled_from((1, 1, 1, 2, 3)),
    }
)


def convolution(axes, layout, groups):
    """A convolution in two dimensions, with the shapes of its operands."""
    each = {name: [axis[name] for axis in axes] for name in axes[0]}

    def apply(x, w):
        return lax.conv_general_dilated(
            x, w, each["stride"], each["padding"], each["spread"], each["dilation"], layout,
            feature_group_count=groups,
        )  # fmt: skip

    sizes = {"N": 2, "C": 2 * groups, "I": 2, "O": 3 * groups}
    image = sizes | dict(zip("HW", each["size"]))
    kernel = sizes | dict(zip("HW", each["taps"]))
    return apply, S(*map(image.get, layout[0])), S(*map(kernel.get, layout[1]))


def macs(function, *shapes):
    return [o.macs for o in count(function, *shapes).operations if o.op == "conv2d"]


@settings(max_examples=150)
@given(st.tuples(AXIS, AXIS), st.sampled_from(LAYOUTS), st.sampled_from((1, 2)))
def test_either_gradient_counts_as_the_forward_pass(axes, layout, groups):
    apply, x, w = convolution(axes, layout, groups)
    try:
        assume(0 not in jax.eval_shape(apply, x, w).shape)
    except TypeError:  # a kernel larger than the padded image
        assume(False)
    (forward,) = macs(apply, x, w)
    backward = jax.grad(lambda x, w: jnp.sum(apply(x, w) ** 2), (0, 1))
    assert macs(backward, x, w) == [forward] * 3


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("groups", [1, 4])
def test_gradients_of_each_example_and_second_derivatives_count_as_the_forward_pass(
    layout, padding, groups
):
    def loss(w, x):
        numbers = {"dimension_numbers": layout, "feature_group_count": groups}
        return jnp.sum(lax.conv_general_dilated(x, w, (1, 1), padding, **numbers) ** 2)

    sizes = {"N": 1, "C": 4, "I": 4 // groups, "O": 8}
    x = S(*map((sizes | {"H": 8, "W": 8}).get, layout[0]))
    w = S(*map((sizes | {"H": 3, "W": 3}).get, layout[1]))
    (forward,) = macs(loss, w, x)
    of_each = jax.vmap(jax.grad(loss, (0, 1)), (None, 0))
    assert macs(of_each, w, S(5, *x.shape)) == [5 * forward] * 3
    # Forward, by either tangent; then two gradients by the weights.
    assert macs(lambda w, x: jax.jvp(jax.grad(loss), (w, x), (w, x))[1], w, x) == [forward] * 5


def landing(size, taps, stride, dilation, padding, extra):
    """Pairs of an input and a tap whose product lands in the output of a transposed convolution."""
    out = (size - 1) * stride - 2 * padding + dilation * (taps - 1) + extra + 1
    pairs = itertools.product(range(size), range(taps))
    return sum(0 <= i * stride - padding + t * dilation < out for i, t in pairs)


TRANSPOSED = [
    # channels in and out, taps, stride, padding, output padding, dilation, groups, size
    (4, 6, 4, 2, 1, 0, 1, 1, 8),
    (4, 4, 3, 2, 1, 1, 1, 4, 8),
    (6, 6, 2, 2, 0, 0, 1, 3, 8),
    (4, 8, 3, 1, 1, 0, 2, 2, 9),
    (3, 1, 2, 2, 0, 0, 1, 1, 2),
    (32, 1, 3, 1, 0, 0, 1, 1, 1),
    (2, 2, 5, 3, 2, 1, 1, 1, 4),
    (2, 4, 3, 1, 0, 0, 3, 2, 5),
    (2, 2, 3, 1, 1, 0, 1, 1, 6),
]


def transposed(case):
    names = ("kernel_size", "stride", "padding", "output_padding", "dilation", "groups")
    sizes = dict(zip(names, case[2:-1]))
    return eqx.nn.ConvTranspose2d(*case[:2], **sizes, use_bias=False, key=KEY)


@pytest.mark.parametrize("case", TRANSPOSED)
def test_of_a_transposed_convolution_every_input_meets_every_tap(case):
    c_in, c_out, taps, stride, padding, extra, dilation, groups, size = case
    model = transposed(case)
    each = c_in * c_out // groups
    found = count(model, S(c_in, size, size)).macs
    assert found == each * (size * taps) ** 2
    lands = each * landing(size, taps, stride, dilation, padding, extra) ** 2
    assert lands <= found
    assert found == lands or padding  # what is cut off is all that may be counted beyond


@pytest.mark.parametrize("case", [c for c in TRANSPOSED if not c[4] and not c[5]])
def test_a_transposed_convolution_that_nothing_is_cut_from_counts_as_the_compiler_does(case):
    model, x = transposed(case), S(case[0], case[-1], case[-1])
    compiled = jax.jit(lambda x: model(x)).lower(x).compile().cost_analysis()
    assert 2 * count(model, x).macs == compiled["flops"]


@settings(max_examples=20)
@given(st.tuples(AXIS, AXIS), st.sampled_from(LAYOUTS), st.sampled_from((1, 2)))
def test_an_unpadded_convolution_counts_as_the_compiler_does(axes, layout, groups):
    axes = [axis | {"padding": (0, 0), "spread": 1} for axis in axes]
    assume(all(a["size"] > a["dilation"] * (a["taps"] - 1) for a in axes))
    apply, x, w = convolution(axes, layout, groups)
    compiled = jax.jit(apply).lower(x, w).compile().cost_analysis()
    assert 2 * count(apply, x, w).macs == compiled["flops"]


@pytest.mark.parametrize("size", [1, 2, 7, 14])
@pytest.mark.parametrize("taps", [1, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_of_a_forward_convolution_taps_in_the_padding_count_as_papers_do(size, taps, stride):
    def apply(x, w):
        numbers = {"dimension_numbers": LAYOUTS[0]}
        return lax.conv_general_dilated(x, w, (stride,) * 2, "SAME", **numbers)

    places = -(-size // stride)
    assert count(apply, S(1, size, size, 2), S(taps, taps, 2, 3)).macs == 6 * (taps * places) ** 2

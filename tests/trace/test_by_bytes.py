"""What computes far more than it moves is named, and nothing that networks usually do is."""

import re

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxcost as jc

EPYC = jc.load_calibration("amd-epyc")


def floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def window(side, stride, start, reduce):
    def apply(x):
        return lax.reduce_window(
            x, start, reduce, (1, side, side, 1), (1, stride, stride, 1), "SAME"
        )

    return apply


def repeated(function, times, x):
    for _ in range(times):
        x = function(x)
    return x


def said(function, *args):
    found = jc.estimate(function, *args, calibration=EPYC)
    return [line for line in found.warnings if "priced by the bytes" in line]


@pytest.mark.parametrize(
    ("function", "shape", "kind"),
    [
        (jnp.linalg.svd, (300, 300), "linear algebra"),
        (lambda x: jnp.linalg.eigh(x + x.T), (100, 100), "linear algebra"),
        (jnp.sort, (100_000,), "sort"),
        (jnp.median, (100_000,), "sort"),
        (jnp.cumsum, (1_000_000,), "running sums"),
        (jnp.fft.fft, (100_000,), "Fourier transform"),
        (window(31, 1, 0.0, lax.add), (4, 64, 64, 8), "large windows"),
        (jnp.sin, (1_000_000,), "long elementwise arithmetic"),
        (jax.scipy.special.gammaln, (1_000_000,), "long elementwise arithmetic"),
        (lambda x: repeated(jnp.tanh, 10, x), (1_000_000,), "long elementwise arithmetic"),
        (lambda x: repeated(lambda y: y * y + 1, 100, x), (1_000_000,), "long elementwise arithm"),
    ],
)
def test_what_computes_more_than_it_moves_is_named(function, shape, kind):
    (line,) = said(function, floats(*shape))
    assert line.startswith(kind)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: jax.nn.softmax(x @ w),
        lambda x, w: jax.nn.softmax(x),
        lambda x, w: jax.nn.gelu(x, approximate=False),
        lambda x, w: jax.grad(lambda y: jnp.sum(jax.nn.gelu(y) * jax.nn.log_softmax(y)))(x),
        lambda x, w: repeated(lambda y: y * y + 1, 10, x),
        lambda x, w: jax.nn.gelu(x @ w).mean(axis=-1),
        lambda x, w: window(3, 2, -jnp.inf, lax.max)((x @ w).reshape(4, 16, 16, 512)),
    ],
)
def test_what_networks_usually_do_is_not(function):
    assert said(function, floats(1024, 512), floats(512, 512)) == []


def test_a_little_of_it_beside_a_network_is_not_worth_a_line_and_more_of_it_is():
    def beside(x, w, y):
        return x @ w @ w @ w, jnp.cumsum(y)

    network = floats(4096, 1024), floats(1024, 1024)
    assert said(beside, *network, floats(8)) == []
    assert said(beside, *network, floats(10_000_000))


def conv(dims, window):
    def apply(x, w):
        return lax.conv_general_dilated(x, w, window, "SAME", dimension_numbers=dims)

    return apply


def test_convolutions_in_three_dimensions_are_named_and_others_are_not():
    """A calibration has 2-D ones alone; XLA's CPU backend takes a slow path for 3-D ones."""
    solid = conv(("NDHWC", "DHWIO", "NDHWC"), (1, 1, 1))
    found = jc.estimate(solid, floats(1, 8, 8, 8, 16), floats(3, 3, 3, 16, 16), calibration=EPYC)
    (line,) = [line for line in found.warnings if "three dimensions" in line]
    assert line.startswith("1 convolutions in three dimensions (100% of the time)")
    flat = conv(("NHWC", "HWIO", "NHWC"), (1, 1))
    found = jc.estimate(flat, floats(8, 8, 8, 16), floats(3, 3, 16, 16), calibration=EPYC)
    assert not [line for line in found.warnings if "three dimensions" in line]


def test_a_program_without_the_start_of_a_kernel_is_said_to_be_so():
    """An H100 takes microseconds for its smallest kernel; 8 KiB at its bandwidth take 4 ns."""

    def told(function, *inputs):
        found = jc.estimate(function, *inputs, calibration="h100-sxm")
        return [line for line in found.warnings if "start of a kernel" in line]

    half = jax.ShapeDtypeStruct((64, 64), jnp.bfloat16)
    (line,) = told(lambda x: jnp.maximum(2 * x, 1), half)
    assert re.match(
        r"[\d.]+ ns is less than the smallest layer takes on this device, [\d.]+ µs", line
    )
    assert told(lambda x: jnp.maximum(x @ x, 1), half) == []
    large = jax.ShapeDtypeStruct((2**14, 2**14), jnp.bfloat16)
    assert told(lambda x: jnp.maximum(2 * x, 1), large) == []

"""Counts against XLA's own, against loops that count, and against published networks."""

import itertools

import equinox as eqx
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from jaxcost.workload import cnn, conv2d, counts, dense, mlp, rows


def convolution(stride, padding, groups, dilation):
    def apply(image, kernel):
        return jax.lax.conv_general_dilated(
            image,
            kernel,
            (stride, stride),
            padding.upper(),
            rhs_dilation=(dilation, dilation),
            feature_group_count=groups,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    return apply


def xla_flops(function, *shapes):
    """XLA's count, of the program as written and, on a CPU, as compiled; both must agree."""
    operands = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    lowered = jax.jit(function).lower(*operands)
    count = lowered.cost_analysis()["flops"]
    if jax.default_backend() == "cpu":
        assert lowered.compile().cost_analysis()["flops"] == count
    return count


@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize(("k_h", "k_w"), [(1, 1), (3, 3), (5, 2)])
def test_valid_convolution_is_what_xla_counts(precision, groups, dilation, stride, k_h, k_w):
    sizes = {"batch": 2, "in_h": 12, "in_w": 15, "c_in": 8, "c_out": 16, "k_h": k_h, "k_w": k_w}
    how = {"stride": stride, "padding": "valid", "groups": groups, "dilation": dilation}
    kernel = (k_h, k_w, 8 // groups, 16)
    expected = xla_flops(convolution(**how), (2, 12, 15, 8), kernel)
    assert counts.flops(conv2d(**sizes, **how)).tolist() == [expected]


def test_same_padding_counts_taps_that_xla_leaves_out():
    how = {"stride": 1, "padding": "same", "groups": 1, "dilation": 1}
    layer = conv2d(in_h=9, in_w=10, c_in=4, c_out=8, k_h=3, k_w=3, **how)
    padded = convolution(**how | {"padding": "valid"})
    assert counts.flops(layer) == xla_flops(padded, (1, 11, 12, 4), (3, 3, 4, 8))
    assert counts.flops(layer) > xla_flops(convolution(**how), (1, 9, 10, 4), (3, 3, 4, 8))


@pytest.mark.parametrize("bias", [False, True])
def test_dense_is_what_xla_counts(precision, bias):
    def apply(x, weights, *offsets):
        return sum((offset[None, :] for offset in offsets), x @ weights)

    layer = dense(c_in=784, c_out=10, batch=32, bias=bias)
    assert counts.flops(layer) == xla_flops(apply, (32, 784), (784, 10), *[(10,)] * bias)


def test_grouped_dense_is_a_batched_matrix_product():
    def apply(x, y):
        return jnp.einsum("gmk,gkn->gmn", x, y)

    layer = dense(c_in=4 * 16, c_out=4 * 24, batch=10, groups=4)
    assert counts.flops(layer) == xla_flops(apply, (4, 10, 16), (4, 16, 24))


def counted_by_hand(batch, in_h, in_w, c_in, c_out, k_h, k_w, stride, groups, dilation):
    """Multiply-adds of a 'valid' convolution, one by one."""
    down, across = (
        [i for i in range(0, size, stride) if i + (k - 1) * dilation < size]
        for size, k in ((in_h, k_h), (in_w, k_w))
    )
    taps = itertools.product(range(batch), down, across, range(k_h), range(k_w))
    pairs = [
        (source, target)
        for source, target in itertools.product(range(c_in), range(c_out))
        if source * groups // c_in == target * groups // c_out
    ]
    return sum(1 for _ in itertools.product(taps, pairs))


@given(
    batch=st.integers(1, 2),
    in_h=st.integers(1, 7),
    in_w=st.integers(1, 7),
    c_in=st.integers(1, 2),
    c_out=st.integers(1, 2),
    k_h=st.integers(1, 3),
    k_w=st.integers(1, 3),
    stride=st.integers(1, 3),
    groups=st.integers(1, 2),
    dilation=st.integers(1, 2),
)
def test_multiply_adds_are_those_counted_one_by_one(**layer):
    layer["c_in"] *= layer["groups"]
    layer["c_out"] *= layer["groups"]
    fits = all((layer[f"k_{s}"] - 1) * layer["dilation"] < layer[f"in_{s}"] for s in "hw")
    if fits:
        assert counts.macs(conv2d(**layer, padding="valid")) == counted_by_hand(**layer)


def vgg16():
    return cnn(
        [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
        in_h=224,
        in_w=224,
        batch_size=1,
        pool=[1, 2, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 2],
        head=[4096, 4096, 1000],
    )


def test_vgg16_has_its_published_size(x64):
    # Simonyan, Zisserman (2015), table 2: 138 million parameters. Keras Applications: 138,357,544.
    # Canziani and others (2016), figure 2, and Sze and others (2017), table II: 15.5 G MACs.
    assert counts.parameters(vgg16()).sum() == 138_357_544
    assert counts.macs(vgg16()).sum() == pytest.approx(15.5e9, rel=0.005)
    assert counts.macs(vgg16())[:13].sum() == pytest.approx(15.3e9, rel=0.005)


def test_alexnet_has_its_published_size(x64, alexnet):
    # Sze, Chen, Yang, Emer (2017), Efficient Processing of Deep Neural Networks, table II:
    # 2.3 M weights and 666 M MACs in convolutions, 58.6 M of each in dense layers.
    macs, parameters = counts.macs(alexnet), counts.parameters(alexnet)
    assert macs[:5].sum() == pytest.approx(666e6, rel=0.001)
    assert macs[5:].sum() == pytest.approx(58.6e6, rel=0.001)
    assert parameters[:5].sum() == pytest.approx(2.3e6, rel=0.02)
    assert parameters[5:].sum() == pytest.approx(58.6e6, rel=0.001)


def test_bytes_are_those_of_the_arrays():
    sizes = {"batch": 2, "in_h": 9, "in_w": 10, "c_in": 4, "c_out": 8, "k_h": 3, "k_w": 2}
    layer = conv2d(**sizes, groups=2, item_bytes=2, bias=True, padding="valid")
    image = np.zeros((2, 9, 10, 4), np.float16)
    kernel, offsets = np.zeros((3, 2, 2, 8), np.float16), np.zeros(8, np.float16)
    result = np.zeros((2, 7, 9, 8), np.float16)
    assert counts.input_bytes(layer) == image.nbytes
    assert counts.weight_bytes(layer) == kernel.nbytes + offsets.nbytes
    assert counts.output_bytes(layer) == result.nbytes
    everything = image.nbytes + kernel.nbytes + offsets.nbytes + result.nbytes
    assert counts.bytes_moved(layer) == everything
    assert counts.arithmetic_intensity(layer) == counts.flops(layer) / everything


def test_an_operation_that_is_no_product_counts_its_own():
    softmax = rows(c_in=0, c_out=0, other_flops=500.0, other_bytes=80.0)
    assert counts.macs(softmax) == 0
    assert counts.flops(softmax) == 500
    assert counts.bytes_moved(softmax) == 80
    assert counts.parameters(softmax) == 0


def test_bias_adds_one_flop_an_output():
    plain, biased = (dense(c_in=3, c_out=4, batch=5, bias=bias) for bias in (False, True))
    assert counts.flops(biased) - counts.flops(plain) == 20
    assert counts.conv_flops(biased) == counts.conv_flops(plain) == 120


def test_counts_are_differentiable(x64):
    def total(widths):
        return jnp.sum(counts.flops(mlp(widths, batch_size=2, bias=False)))

    # FLOPs are 4 (w0 w1 + w1 w2).
    gradient = jax.grad(total)(jnp.array([3.0, 4.5, 5.0]))
    assert gradient.tolist() == [18.0, 32.0, 18.0]


def test_a_single_layer_counts_as_its_row_does():
    network = vgg16()
    one_by_one = jax.vmap(counts.flops)(network)
    assert eqx.tree_equal(one_by_one, counts.flops(network))
    assert counts.flops(network[3]) == one_by_one[3]

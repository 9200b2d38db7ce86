"""Networks whose sizes are known from elsewhere: their FLOPs and weights, and what they compute."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import (
    NETWORKS,
    Network,
    Tape,
    activated,
    attention,
    conv,
    dense,
    forward_pass,
    network,
)


def weights_of(net):
    draw = np.random.default_rng(0)
    return [draw.standard_normal(shape, net.dtype) / 8 for shape in net.trace().shapes]


def test_resnet_18_has_the_flops_and_the_weights_of_the_paper():
    tape = network("resnet-18", 1).trace()
    # He et al. (2016), table 1: 1.8e9 multiply-adds; torchvision: 11.69e6 parameters, of which
    # 9,600 belong to normalisations and 1,000 are biases, which this one does without.
    products = [layer for layer in tape.layers if layer.is_product]
    assert sum(layer.flops for layer in products) / 2 == pytest.approx(1.814e9, rel=0.01)
    assert sum(map(math.prod, tape.shapes)) == 11_689_512 - 9_600 - 1_000


def test_a_transformer_block_has_twelve_squares_of_its_width():
    tape = network("transformer-768", 2).trace()
    assert sum(math.prod(s) for s in tape.shapes if len(s) == 2) == 6 * 12 * 768**2
    scores = [layer for layer in tape.layers if layer.groups > 1]
    # two products of tokens**2 x width multiply-adds for each of 6 blocks and 2 sequences
    assert sum(layer.flops for layer in scores) == 6 * 2 * 2 * 2 * 128**2 * 768


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_noted_products_are_those_that_xla_counts(name, dtype):
    net = network(name, 1, dtype)
    shapes = [jax.ShapeDtypeStruct(s, jnp.dtype(dtype)) for s in net.trace().shapes]
    x = jax.ShapeDtypeStruct(net.input_shape, jnp.dtype(dtype))
    text = jax.jit(net.forward).lower(shapes, x).as_text()
    found = text.count("stablehlo.dot_general") + text.count("stablehlo.convolution")
    assert found == sum(layer.is_product for layer in net.trace().layers)
    assert jax.eval_shape(net.forward, shapes, x).dtype == dtype


def test_attention_is_that_of_its_definition():
    net = Network("a", (1, 5, 8), lambda tape, x: attention(tape, x, heads=2))
    w_in, w_out = weights_of(net)
    x = np.random.default_rng(1).standard_normal((1, 5, 8), "float32")
    q, k, v = np.split(x[0] @ w_in, 3, axis=-1)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        score = np.exp(q[:, part] @ k[:, part].T / 2)
        heads.append(score / score.sum(1, keepdims=True) @ v[:, part])
    expected = np.concatenate(heads, 1) @ w_out
    np.testing.assert_allclose(
        jax.jit(net.forward)([w_in, w_out], x)[0], expected, rtol=1e-4, atol=1e-5
    )


def test_layers_are_noted_with_their_sizes():
    tape = Tape("float32")
    conv(tape, dense(tape, jnp.zeros((2, 9, 9, 4)), 6), 12, 3, stride=2, groups=6)
    first, second = tape.layers
    assert (first.op, first.batch, first.c_in, first.c_out) == ("dense", 162, 4, 6)
    assert (second.out_h, second.groups, second.weight_shape) == (5, 6, (3, 3, 1, 12))
    assert tape.shapes == [(4, 6), (3, 3, 1, 12)]


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="network 'resnet-81' is not known; give one of resnet-18"):
        network("resnet-81", 1)


def test_a_pass_as_a_step_is_the_networks():
    net = Network("net", (4, 8), lambda tape, x: dense(tape, activated(tape, dense(tape, x, 6)), 5))
    chain = forward_pass(net)
    (x, _), (weights, swap) = chain.begin(jnp.uint32(3))
    _, y = chain.step((x, None), (weights, swap))
    np.testing.assert_allclose(y, net.forward(weights, x), rtol=1e-5)

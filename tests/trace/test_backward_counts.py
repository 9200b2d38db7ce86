"""Forward with backward of a loss: every number was worked out by hand.

Of a product of n multiply-adds the gradients by either operand are n more each; one by an input of
the program is not taken. The loss is the sum of the outputs.
"""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxcost.trace import count


def S(*shape):  # noqa: N802
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def two_layers(p, x):
    return jnp.tanh(x @ p["v"]) @ p["w"]


def tied(p, x):
    return jnp.tanh(x @ p["w"]) @ p["w"].T


def conv(x, w, stride=1):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, w, (stride,) * 2, "VALID", dimension_numbers=numbers)


def two_convolutions(p, x):
    return conv(jnp.tanh(conv(x, p["v"])), p["w"], 2)


def grouped(p, x):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, p["w"], (1, 1), "VALID", dimension_numbers=numbers, feature_group_count=4
    )


def attention(p):
    return jax.nn.dot_product_attention(p["q"], p["k"], p["v"])


def layers(p, x):
    return lax.scan(lambda c, w: (jnp.tanh(c @ w), None), x, p["w"])[0]


def rematted_layers(p, x):
    return lax.scan(jax.checkpoint(lambda c, w: (jnp.tanh(c @ w), None)), x, p["w"])[0]


def embedded(p, x):
    return p["table"][x.astype(int)] @ p["w"]


def chosen(p, x):
    return lax.cond(x[0, 0] > 0, lambda w: x @ w @ w, lambda w: x @ w, p["w"])


# 49 and 9 places. The gradient by the second's input is as many pairs as the second has forward.
FIRST, SECOND = 49 * 4 * 9 * 2, 9 * 5 * 9 * 4
QKV = {name: S(2, 128, 4, 64) for name in "qkv"}
ONE = 2 * 4 * 128 * 128 * 64
STEP = 8 * 16 * 16

# Function, parameters, inputs, multiply-adds forward, and with backward.
PROGRAMS = {
    "dot": (lambda p, x: x @ p["w"], {"w": S(64, 32)}, [S(8, 64)], 16384, 2 * 16384),
    "two layers": (
        two_layers, {"v": S(64, 32), "w": S(32, 10)}, [S(8, 64)],
        16384 + 2560, 2 * 16384 + 3 * 2560,
    ),
    "weights used twice": (tied, {"w": S(64, 32)}, [S(8, 64)], 2 * 16384, 5 * 16384),
    "two convolutions, strided": (
        two_convolutions, {"v": S(3, 3, 2, 4), "w": S(3, 3, 4, 5)}, [S(1, 9, 9, 2)],
        FIRST + SECOND, 2 * FIRST + 3 * SECOND,
    ),
    "grouped convolution": (
        grouped, {"w": S(3, 3, 4, 8)}, [S(1, 6, 6, 16)], 16 * 8 * 36, 2 * 16 * 8 * 36,
    ),
    "attention": (attention, QKV, [], 2 * ONE, 6 * ONE),
    "vmap": (
        lambda p, x: jax.vmap(lambda y: p["w"] @ y)(x), {"w": S(32, 64)}, [S(11, 64)],
        11 * 2048, 2 * 11 * 2048,
    ),
    # The loop's body is one for all steps: the gradient by the first input is taken as well.
    "scan": (layers, {"w": S(24, 16, 16)}, [S(8, 16)], 24 * STEP, 3 * 24 * STEP),
    "scan, rematerialised": (
        rematted_layers, {"w": S(24, 16, 16)}, [S(8, 16)], 24 * STEP, 4 * 24 * STEP,
    ),
    "embedding": (
        embedded, {"table": S(100, 16), "w": S(16, 4)}, [S(7)], 7 * 64, 3 * 7 * 64,
    ),
    # x w w: two products; by w of either, and through the second.
    "cond": (chosen, {"w": S(16, 16)}, [S(8, 16)], 2 * STEP, 5 * STEP),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_and_its_gradient_count_as_worked_out_by_hand(name):
    function, parameters, inputs, forward, both = PROGRAMS[name]
    assert count(function, parameters, *inputs).macs == forward
    with_backward = count(function, parameters, *inputs, backward=True)
    assert with_backward.macs == both
    assert with_backward.flops == 2 * both
    assert with_backward.unknown == ()


def test_an_embedding_s_gradient_adds_a_row_for_each_token():
    p = {"table": S(100, 16), "w": S(16, 4)}
    found = count(embedded, p, S(7), backward=True)
    (added,) = [o for o in found.operations if o.primitive == "scatter-add"]
    assert added.elementwise_flops == 7 * 16
    # Each row is read, added to, and written; and 7 indices are read.
    assert added.bytes_moved == 3 * 7 * 16 * 4 + 7 * 4

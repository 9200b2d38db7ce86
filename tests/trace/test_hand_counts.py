# ruff: noqa: E501  (a program and its numbers read best in one line)
"""Small programs, every number of which was worked out by hand."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxcost.trace import count

F32 = jnp.float32


def S(*shape, dtype=F32):  # noqa: N802
    return jax.ShapeDtypeStruct(shape, dtype)


def conv(x, w, stride=1, padding="SAME", **more):
    rank = x.ndim - 2
    spatial = "DHW"[3 - rank :]
    numbers = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    return lax.conv_general_dilated(
        x, w, (stride,) * rank, padding, dimension_numbers=numbers, **more
    )


def attention(q, k, v):
    weights = jax.nn.softmax(jnp.einsum("btnh,bsnh->bnts", q, k), axis=-1)
    return jnp.einsum("bnts,bsnh->btnh", weights, v)


def scan(w, x):
    return lax.scan(lambda c, layer: (jnp.tanh(c @ layer), None), x, w)[0]


def rematted(w, x):
    return lax.scan(jax.checkpoint(lambda c, layer: (jnp.tanh(c @ layer), None)), x, w)[0]


def unrolled(w, x):
    for i in range(24):
        x = jnp.tanh(x @ w[i])
    return x


@jax.custom_vjp
def doubled(x, w):
    return 2 * (x @ w)


doubled.defvjp(lambda x, w: (doubled(x, w), w), lambda w, g: (g @ w.T, jnp.zeros_like(w)))

# name: function, shapes, multiply-adds, FLOPs beside those of multiply-adds.
PRODUCTS = {
    "dot": (jnp.dot, [S(8, 64), S(64, 32)], 8 * 64 * 32),
    "dot of vectors": (jnp.dot, [S(64), S(64)], 64),
    "batched dot": (jnp.matmul, [S(5, 8, 64), S(5, 64, 32)], 5 * 8 * 64 * 32),
    "complex dot": (
        jnp.dot, [S(8, 16, dtype=jnp.complex64), S(16, 4, dtype=jnp.complex64)], 4 * 8 * 16 * 4,
    ),
    "einsum": (lambda a, b: jnp.einsum("bij,bjk->bik", a, b), [S(3, 4, 5), S(3, 5, 6)], 3 * 4 * 5 * 6),
    "outer product": (lambda a, b: jnp.einsum("i,j->ij", a, b), [S(7), S(9)], 63),
    "vmap": (jax.vmap(jnp.dot, (0, None)), [S(11, 64), S(64, 32)], 11 * 64 * 32),
    "conv 1-D": (conv, [S(2, 100, 8), S(5, 8, 16)], 2 * 100 * 16 * 5 * 8),
    "conv 2-D": (conv, [S(2, 28, 28, 8), S(3, 3, 8, 16)], 2 * 28 * 28 * 16 * 9 * 8),
    "conv 3-D": (conv, [S(1, 6, 7, 8, 3), S(3, 3, 3, 3, 4)], 6 * 7 * 8 * 4 * 27 * 3),
    "conv, valid": (lambda x, w: conv(x, w, padding="VALID"), [S(1, 9, 9, 2), S(3, 3, 2, 5)], 49 * 5 * 18),
    "conv, stride 2": (lambda x, w: conv(x, w, 2), [S(1, 9, 9, 2), S(3, 3, 2, 5)], 25 * 5 * 18),
    "conv, dilated": (
        lambda x, w: conv(x, w, padding="VALID", rhs_dilation=(2, 2)),
        [S(1, 9, 9, 2), S(3, 3, 2, 5)], 25 * 5 * 18,
    ),
    "conv, grouped": (
        lambda x, w: conv(x, w, feature_group_count=4), [S(1, 8, 8, 16), S(3, 3, 4, 32)], 64 * 32 * 36,
    ),
    "conv, depthwise": (
        lambda x, w: conv(x, w, feature_group_count=16), [S(1, 32, 32, 16), S(3, 3, 1, 16)],
        32 * 32 * 16 * 9,
    ),
    # Each of 16 inputs meets each of 4 taps once where the stride is the kernel's size.
    "conv, transposed": (
        lambda x, w: lax.conv_transpose(x, w, (2, 2), "VALID"), [S(1, 4, 4, 3), S(2, 2, 3, 5)],
        16 * 4 * 3 * 5,
    ),
    "attention": (attention, [S(2, 128, 4, 64)] * 3, 2 * 2 * 4 * 128 * 128 * 64),
    "attention of JAX": (
        jax.nn.dot_product_attention, [S(2, 128, 4, 64)] * 3, 2 * 2 * 4 * 128 * 128 * 64,
    ),
    "scan": (scan, [S(24, 64, 64), S(8, 64)], 24 * 8 * 64 * 64),
    "scan, rematerialised": (rematted, [S(24, 64, 64), S(8, 64)], 24 * 8 * 64 * 64),
    "unrolled": (unrolled, [S(24, 64, 64), S(8, 64)], 24 * 8 * 64 * 64),
    "nested scans": (
        lambda x, w: lax.fori_loop(0, 3, lambda i, c: lax.fori_loop(0, 5, lambda j, d: d @ w, c), x),
        [S(8, 8), S(8, 8)], 15 * 8 * 8 * 8,
    ),
    "cond": (
        lambda p, x, w: lax.cond(p, lambda y: y @ w @ w, lambda y: y @ w, x),
        [S(dtype=bool), S(8, 8), S(8, 8)], 2 * 512,
    ),
    "jit in jit": (lambda x, w: jax.jit(jnp.dot)(jax.jit(jnp.dot)(x, w), w), [S(8, 8)] * 2, 1024),
    "custom derivative": (doubled, [S(8, 16), S(16, 4)], 8 * 16 * 4),
    "its gradient": (
        jax.grad(lambda x, w: doubled(x, w).sum()), [S(8, 16), S(16, 4)], 8 * 4 * 16,
    ),
    "gradient by weights": (
        jax.grad(lambda w, x: jnp.sum(jnp.tanh(x @ w))), [S(64, 32), S(8, 64)], 2 * 8 * 64 * 32,
    ),
    "gradient of a convolution": (
        jax.grad(lambda w, x: jnp.sum(conv(x, w, 2) ** 2)), [S(3, 3, 2, 5), S(1, 9, 9, 2)],
        2 * 25 * 5 * 18,
    ),
    "gradient by a strided convolution's input": (
        jax.grad(lambda x, w: jnp.sum(conv(x, w, 2, "VALID") ** 2)), [S(1, 8, 8, 2), S(2, 2, 2, 5)],
        2 * 16 * 5 * 8,
    ),
    "dead code": (lambda x, w: (x @ w, x)[1] + 1, [S(8, 8)] * 2, 0),
    "ragged": (
        lambda x, w, sizes: lax.ragged_dot(x, w, sizes),
        [S(10, 8), S(3, 8, 4), S(3, dtype=jnp.int32)], 10 * 8 * 4,
    ),
}  # fmt: skip

# What has no multiply-adds: (quantity, number).
OTHERS = {
    "addition": (jnp.add, [S(10, 20)] * 2, "elementwise_flops", 200),
    "softplus by hand": (lambda x: jnp.log1p(jnp.exp(x)), [S(10)], "transcendentals", 20),
    "sum": (lambda x: x.sum(-1), [S(10, 20)], "elementwise_flops", 10 * 19),
    "running sum": (jnp.cumsum, [S(20)], "elementwise_flops", 19),
    "maximum of windows": (
        lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"),
        [S(1, 8, 8, 3)], "elementwise_flops", 16 * 3 * 3,
    ),
    "sixth power": (lambda x: x**6, [S(10)], "elementwise_flops", 30),
    "sort": (jnp.sort, [S(3, 16)], "elementwise_flops", 3 * 16 * 4),
    "integers": (jnp.add, [S(10, dtype=jnp.int32)] * 2, "integer_ops", 10),
    "Fourier": (jnp.fft.fft, [S(4, 64, dtype=jnp.complex64)], "flops", 4 * 5 * 64 * 6),
    "Fourier of reals": (jnp.fft.rfft, [S(64)], "flops", 5 * 64 * 6 / 2),
    "Cholesky": (lax.linalg.cholesky, [S(2, 30, 30)], "flops", 2 * 30**3 / 3),
    "QR": (
        lambda x: lax.linalg.qr(x, full_matrices=False), [S(40, 10)], "flops",
        2 * (2 * 40 * 100 - 2 * 1000 / 3),
    ),
    "singular values": (
        lambda x: jnp.linalg.svd(x, compute_uv=False), [S(20, 10)], "flops",
        4 * 20 * 100 - 4 * 1000 / 3,
    ),
    "triangular system": (
        lambda a, b: lax.linalg.triangular_solve(a, b, left_side=True), [S(10, 10), S(10, 3)],
        "flops", 300,
    ),
    "LU": (lax.linalg.lu, [S(30, 30)], "flops", 2 * 30**3 / 3),
    # LU, then n² for either triangle and right-hand side.
    "linear system": (
        jnp.linalg.solve, [S(30, 30), S(30, 4)], "flops", 2 * 30**3 / 3 + 2 * 900 * 4,
    ),
    "singular values and vectors": (
        lambda x: jnp.linalg.svd(x, full_matrices=False), [S(20, 10)], "flops",
        14 * 20 * 100 + 8 * 1000,
    ),
    "eigenvalues, symmetric": (lax.linalg.eigh, [S(10, 10)], "flops", 9 * 1000),
    "gather": (
        lambda t, i: t[i], [S(1000, 64), S(8, dtype=jnp.int32)], "flops", 0,
    ),
    "random bits": (
        lambda: jax.random.bits(jax.random.wrap_key_data(jnp.zeros(2, jnp.uint32)), (100,)), [],
        "integer_ops", 50 * 117,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_count_as_worked_out_by_hand(name):
    function, shapes, macs = PRODUCTS[name]
    found = count(function, *shapes)
    assert found.macs == macs
    assert found.flops == 2 * macs
    assert found.unknown == ()


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_product_counts_as_worked_out_by_hand(name):
    function, shapes, quantity, number = OTHERS[name]
    found = count(function, *shapes)
    assert getattr(found, quantity) == pytest.approx(number, rel=1e-12)
    assert found.macs == 0
    assert found.unknown == ()


def test_gathering_rows_moves_only_those():
    found = count(
        lambda t, i: t.at[i].get(mode="promise_in_bounds"), S(30522, 768), S(8, dtype=jnp.int32)
    )
    moved = [o.bytes_moved for o in found.operations if o.primitive == "gather"]
    assert moved == [2 * 8 * 768 * 4 + 8 * 4]


# Bytes that a program touches, of tables of 1000 rows of 64 numbers.
TOUCHED = {
    "scatter": (lambda t, i, u: t.at[i].set(u), "scatter", 2 * 8 * 256 + 8 * 4),
    "scatter, adding": (lambda t, i, u: t.at[i].add(u), "scatter-add", 3 * 8 * 256 + 8 * 4),
    "slice": (lambda t, i, u: t[3:11], "slice", 2 * 8 * 256),
    "update of a slice": (
        lambda t, i, u: lax.dynamic_update_slice(t, u, (i[0], 0)), "dynamic_update_slice",
        2 * 8 * 256 + 2 * 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOUCHED)
def test_what_moves_a_part_of_a_table_touches_only_that(name):
    function, primitive, expected = TOUCHED[name]
    found = count(function, S(1000, 64), S(8, dtype=jnp.int32), S(8, 64))
    assert [o.bytes_moved for o in found.operations if o.primitive == primitive] == [expected]


def test_a_bias_is_read_once_and_not_as_often_as_it_is_added():
    found = count(lambda x, b: x + b[None], S(100, 10), S(10))
    assert found.bytes_moved == 4 * (1000 + 10 + 1000)


def test_the_workload_counts_as_the_program():
    from jaxcost.workload import counts

    def network(x, w, v):
        return jnp.tanh(conv(x, w).reshape(2, -1) @ v)

    found = count(network, S(2, 8, 8, 3), S(3, 3, 3, 4), S(256, 10))
    layers = found.workload()
    assert float((layers.repeat * counts.macs(layers)).sum()) == found.macs
    assert float((layers.repeat * counts.bytes_moved(layers)).sum()) == found.bytes_moved
    assert float((layers.repeat * counts.flops(layers)).sum()) == found.flops + 20


def test_peak_memory_is_that_of_the_largest_step():
    # x 400 B, then exp(x) 400 B beside it, then the sum, 4 B, beside both.
    found = count(lambda x: jnp.exp(x).sum(), S(100))
    assert found.peak_bytes == 804


def test_a_traced_network_has_the_training_energy_of_the_same_one_described():
    import jaxcost as jc

    def network(x, *weights):
        for w in weights:
            x = jnp.maximum(x @ w, 0)
        return x

    widths = (126, 64, 32, 3)
    shapes = [S(*pair) for pair in pairwise(widths)]
    traced = count(network, S(256, 126), *shapes).products()
    described = jc.mlp(widths, batch_size=256, bias=False)
    model = jc.load_calibration("butter-e-gpu")
    energies = [
        float(model.energy(jc.TrainingRun(layers, n_observations=60000, n_features=42, n_labels=3)))
        for layers in (traced, described)
    ]
    assert energies[0] == pytest.approx(energies[1], rel=1e-5)


def test_a_program_without_products_has_no_layers_to_train():
    with pytest.raises(ValueError, match="has no product"):
        count(jnp.sin, S(3)).products()

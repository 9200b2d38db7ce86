"""Workload and its builders: shapes, sizes against JAX's own, gradients, bad input."""

import equinox as eqx
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from jaxcost.measure.designs.other_sweeps import other_sweep
from jaxcost.workload import Workload, cnn, conv2d, counts, dense, from_table, mlp, rows
from jaxcost.workload.layer_table import read_layer_table
from jaxcost.workload.runs import training_run

SMALL = {"in_h": 8, "in_w": 9, "c_in": 4, "c_out": 6, "k_h": 3, "k_w": 3}


def leaves(workload):
    return {name: np.asarray(leaf) for name, leaf in vars(workload).items()}


@given(
    in_h=st.integers(1, 40),
    k_h=st.integers(1, 7),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    padding=st.sampled_from(["same", "valid"]),
)
def test_output_size_is_that_of_jax(in_h, k_h, stride, dilation, padding):
    if padding == "valid" and (k_h - 1) * dilation >= in_h:
        return
    layer = conv2d(**SMALL | {"in_h": in_h, "k_h": k_h}, stride=stride, dilation=dilation)
    if padding == "valid":
        fits = {"in_h": in_h, "k_h": k_h, "k_w": 1}
        layer = conv2d(**SMALL | fits, stride=stride, dilation=dilation, padding="valid")
    image = jax.ShapeDtypeStruct((1, in_h, 9, 4), jnp.float32)
    kernel = jax.ShapeDtypeStruct((k_h, int(layer.k_w[0]), 4, 6), jnp.float32)
    expected = jax.eval_shape(
        lambda x, k: jax.lax.conv_general_dilated(
            x,
            k,
            (stride, stride),
            padding.upper(),
            rhs_dilation=(dilation, dilation),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        ),
        image,
        kernel,
    )
    assert (layer.out_h[0], layer.out_w[0]) == expected.shape[1:3]


def test_every_leaf_is_a_real_row(precision):
    for workload in (
        conv2d(**SMALL),
        dense(c_in=3, c_out=4),
        mlp([3, 4, 5], batch_size=2),
        cnn([3, 4], in_h=8, in_w=8, batch_size=1, head=[2]),
    ):
        assert {leaf.shape for leaf in leaves(workload).values()} == {(len(workload),)}
        assert {str(leaf.dtype) for leaf in leaves(workload).values()} == {precision}


def test_one_call_with_arrays_is_many_layers():
    together = conv2d(**SMALL | {"c_in": [4, 8, 12]}, padding=["same", "valid", "same"])
    apart = [
        conv2d(**SMALL | {"c_in": c_in}, padding=padding)
        for c_in, padding in [(4, "same"), (8, "valid"), (12, "same")]
    ]
    assert eqx.tree_equal(together, Workload.concatenate(apart))


def test_mlp_chains_its_widths():
    network = mlp([784, 512, 10], batch_size=32)
    assert network.c_in.tolist() == [784, 512]
    assert network.c_out.tolist() == [512, 10]
    assert network.batch.tolist() == [32, 32]
    assert network.bias.tolist() == [1, 1]
    assert network.is_dense.tolist() == [1, 1]


def test_cnn_follows_the_sizes_of_alexnet(alexnet):
    # Krizhevsky, Sutskever, Hinton (2012), figure 2: 55, 27, 13, 13, 13, then 4096, 4096, 1000.
    assert alexnet.out_h.tolist() == [55, 27, 13, 13, 13, 1, 1, 1]
    assert alexnet.c_out.tolist() == [96, 256, 384, 384, 256, 4096, 4096, 1000]
    assert alexnet.c_in[5] == 6 * 6 * 256


def test_from_table_reads_every_column(shared):
    frame = read_layer_table(shared / "datasets" / "alpha_flops_t2000.csv")
    workload = from_table(frame)
    assert len(workload) == len(frame)
    for column in ("batch", "in_h", "in_w", "c_in", "c_out", "k_h", "k_w", "groups"):
        np.testing.assert_array_equal(getattr(workload, column), frame[column])
    np.testing.assert_array_equal(workload.is_dense, frame["op"] == "dense")
    stride = frame["stride"].to_numpy()
    assert (frame["padding"] == "same").all()
    np.testing.assert_array_equal(workload.out_h, -(-frame["in_h"].to_numpy() // stride))


def test_from_table_is_row_by_row_what_conv2d_gives():
    frame = pd.DataFrame(
        {
            "op": ["conv2d", "conv2d", "dense"],
            "batch": [1, 2, 3],
            "in_h": [8, 9, 1],
            "in_w": [10, 11, 1],
            "c_in": [4, 6, 100],
            "c_out": [8, 9, 10],
            "k_h": [3, 5, 1],
            "k_w": [2, 1, 1],
            "stride": [2, 1, 1],
            "padding": ["same", "valid", "same"],
            "groups": [4, 3, 1],
            "dtype": ["float32", "bfloat16", "float64"],
            "dilation": [2, 2, 1],
        }
    )
    first = {"in_h": 8, "in_w": 10, "c_in": 4, "c_out": 8, "k_h": 3, "k_w": 2, "stride": 2}
    second = {"in_h": 9, "in_w": 11, "c_in": 6, "c_out": 9, "k_h": 5, "k_w": 1, "batch": 2}
    expected = [
        conv2d(**first, groups=4, dilation=2),
        conv2d(**second, groups=3, dilation=2, padding="valid", item_bytes=2),
        dense(c_in=100, c_out=10, batch=3, item_bytes=8),
    ]
    assert eqx.tree_equal(from_table(frame), Workload.concatenate(expected))


def test_from_table_counts_what_is_no_product_as_traffic():
    sizes = {"in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1, "stride": 1, "groups": 1, "padding": "same"}
    image = sizes | {"batch": 2, "in_h": 8, "in_w": 9, "c_in": 6, "c_out": 6, "dtype": "float32"}
    window = {"k_h": 3, "k_w": 3, "stride": 2}
    frame = pd.DataFrame(
        [
            image | {"op": "conv2d"},
            image | {"op": "elementwise"},
            image | {"op": "reduction"},
            image | {"op": "reduction", "c_out": 1},
            image | {"op": "normalisation", "dtype": "bfloat16"},
            image | {"op": "pooling"} | window,
            sizes | {"op": "gather", "batch": 5, "c_in": 100, "c_out": 7, "dtype": "float16"},
        ]
    )
    workload = from_table(frame)
    x = 2 * 8 * 9 * 6
    pooled = 2 * 4 * 5 * 6
    moved = [0, 2 * x + 6, x + 6 + 12, x + 1 + 144, (2 * x + 6) / 2, x + 6 + pooled]
    assert workload.other_bytes.tolist() == [*(4 * m for m in moved), 5 * 4 + 2 * 5 * 7 * 2]
    assert workload.other_flops.tolist() == [0, 2 * x, x, x, 2 * 8 * 9 * 38, 9 * pooled, 0]
    assert counts.bytes_moved(workload)[1:].tolist() == workload.other_bytes[1:].tolist()
    assert counts.flops(workload)[1:].tolist() == workload.other_flops[1:].tolist()
    assert workload.out_h.tolist() == [8, 8, 1, 8, 8, 4, 1]
    assert eqx.tree_equal(workload[:1], from_table(frame.iloc[:1]))


def test_a_layer_table_and_the_layers_measured_agree():
    layers = [layer for name in ("memory_bound", "transformer") for layer in other_sweep(name)]
    workload = from_table(pd.DataFrame([layer.row() for layer in layers]))
    flops, moved = ([getattr(x, n) for x in layers] for n in ("flops", "bytes_moved"))
    np.testing.assert_allclose(counts.flops(workload), flops, rtol=1e-6)
    np.testing.assert_allclose(counts.bytes_moved(workload), moved, rtol=1e-6)


def test_padding_and_stacking_add_rows_that_do_not_occur():
    short, long = mlp([3, 4], batch_size=2), mlp([3, 4, 5, 6], batch_size=2)
    stacked = Workload.stack([short, long])
    assert stacked.batch.shape == (2, 3)
    assert stacked.repeat.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert eqx.tree_equal(short.pad_to(3)[:1], short)
    assert min(leaf.min() for leaf in leaves(short.pad_to(3)).values()) == 0
    assert short.pad_to(3).c_in.tolist() == [3, 1, 1]


def test_indexing_gives_layers_in_order():
    network = mlp([3, 4, 5, 6], batch_size=2)
    assert network[1].c_in.shape == ()
    assert network[1].c_in == 4
    assert network[jnp.array([2, 0])].c_out.tolist() == [6, 4]


def test_widths_can_be_differentiated(x64):
    def size(hidden):
        widths = jnp.concatenate([jnp.array([7.0]), hidden, jnp.array([2.0])])
        network = mlp(widths, batch_size=3)
        return jnp.sum(network.c_in * network.c_out)

    # d/dh of 7 h1 + h1 h2 + 2 h2 at (4.5, 6) is (7 + 6, 4.5 + 2).
    assert jax.jit(jax.grad(size))(jnp.array([4.5, 6.0])).tolist() == [13.0, 6.5]


def test_channels_of_a_cnn_can_be_differentiated_through_its_head(x64):
    def head_inputs(channels):
        network = cnn(channels, in_h=8, in_w=8, batch_size=1, pool=2, head=[10])
        return network.c_in[-1]

    assert jax.grad(head_inputs)(jnp.array([3.0, 4.0, 5.0])).tolist() == [0, 0, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c_in": 0}, "c_in = 0 is not allowed; give a finite number greater than 0"),
        ({"in_h": -3}, "in_h = -3 is not allowed"),
        ({"batch": float("nan")}, "batch = nan is not allowed"),
        ({"c_out": float("inf")}, "c_out = inf is not allowed"),
        ({"c_out": "many"}, "c_out = 'many' is not allowed; give a number"),
        ({"stride": 1.5}, "stride = 1.5 is not allowed; give a whole number of at least 1"),
        ({"stride": 0}, "stride = 0 is not allowed"),
        ({"stride": float("inf")}, "stride = inf is not allowed"),
        ({"dilation": 0.5}, "dilation = 0.5 is not allowed"),
        ({"groups": 3}, "groups = 3 is not allowed; give a number that divides both c_in = 4"),
        ({"groups": 1.5, "c_in": 6}, "groups = 1.5 is not allowed"),
        ({"padding": "valit"}, "padding 'valit' is not known; did you mean 'valid'"),
        ({"k_h": 9, "padding": "valid"}, "kernel spans 9 but the padded input is 8"),
        ({"dilation": 4, "padding": "valid"}, "kernel spans 9 but the padded input is 8"),
        ({"repeat": -1}, "repeat = -1 is not allowed; give a finite number of at least 0"),
        ({"item_bytes": 0}, "item_bytes = 0 is not allowed"),
    ],
)
def test_bad_sizes_are_refused_in_one_line(change, message):
    with pytest.raises(ValueError) as caught:
        conv2d(**SMALL | change)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: mlp([3], batch_size=2), "widths has shape (1,)"),
        (lambda: mlp([3, -1], batch_size=2), "widths = -1 is not allowed"),
        (lambda: mlp([3, 4], batch_size=0), "batch_size = 0 is not allowed"),
        (lambda: dense(c_in=3, c_out=4, positions=0), "positions = 0 is not allowed"),
        (
            lambda: cnn([3, 4, 5], in_h=8, in_w=8, batch_size=1, kernel=[3]),
            "kernel has 1 values; give one, or one a layer (2)",
        ),
        (
            lambda: cnn([3, 4], in_h=8, in_w=8, batch_size=1, pool=9),
            "kernel spans 9 but the padded input is 8",
        ),
        (lambda: rows(bacth=2), "leaf 'bacth' is not known; did you mean 'batch'"),
        (lambda: mlp([3, 4, 5], batch_size=2).pad_to(1), "layers = 1 is not allowed"),
        (lambda: Workload.concatenate([]), "workloads is empty"),
        (lambda: Workload.stack([]), "workloads is empty"),
        (lambda: Workload(batch=[1, 2]), "in_h has shape () but batch has (2,)"),
    ],
)
def test_bad_networks_are_refused_in_one_line(build, message):
    with pytest.raises(ValueError) as caught:
        build()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_real_channels_need_no_divisor():
    layer = conv2d(**SMALL | {"c_in": 4.5, "c_out": 4.5}, groups=4.5)
    assert layer.groups.tolist() == [4.5]


def test_traced_sizes_are_not_looked_at():
    @jax.jit
    def outputs(channels):
        return conv2d(**SMALL | {"c_in": channels}, groups=2).c_in

    assert outputs(4.0).tolist() == [4.0]


@pytest.mark.parametrize(
    "build",
    [
        lambda **size: dense(c_in=8, c_out=4, **size),
        lambda **size: conv2d(in_h=8, in_w=8, c_in=8, c_out=4, k_h=3, k_w=3, **size),
        lambda **size: mlp([8, 4, 2], **size),
        lambda **size: cnn([8, 4], in_h=8, in_w=8, **size),
        lambda **size: training_run([8, 4, 2], n_observations=99, **size).workload,
    ],
)
def test_the_batch_has_one_name_everywhere_and_the_other_is_read(build):
    assert float(build(batch=32).batch[0]) == 32
    np.testing.assert_array_equal(build(batch_size=32).batch, build(batch=32).batch)
    with pytest.raises(ValueError, match="batch and batch_size are the same; give batch alone"):
        build(batch=32, batch_size=32)

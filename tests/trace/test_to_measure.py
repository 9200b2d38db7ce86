"""The layers of a program, as they are to be measured, are those that it is estimated by."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from jax import lax

import jaxcost as jc
from jaxcost.trace import layers_of

NUMBERS = ("NHWC", "HWIO", "NHWC")


def S(*shape, dtype="float32"):  # noqa: N802
    return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))


def network(weights, x):
    for w, stride, padding, groups in zip(weights[:-1], (2, 1, 2, 1), PADDINGS, (1, 1, 4, 1)):
        x = lax.conv_general_dilated(
            x, w, (stride, stride), padding, dimension_numbers=NUMBERS, feature_group_count=groups
        )
        x = jax.nn.relu(x)
    return jnp.mean(x, (1, 2)) @ weights[-1]


PADDINGS = ("SAME", "VALID", "SAME", "SAME")
WEIGHTS = [S(7, 7, 3, 16), S(3, 3, 16, 16), S(3, 3, 4, 32), S(1, 1, 32, 64), S(64, 10)]
X = S(2, 33, 33, 3)


@pytest.mark.parametrize("backward", [False, True])
def test_they_cost_what_the_programs_own_do(backward):
    """Whatever of a layer a calibration could know is the same."""
    found = jc.count(network, WEIGHTS, X, backward=backward)
    layers, share = layers_of(found)
    assert share == 1.0
    table = jc.from_table(pd.DataFrame([layer.row() for layer in layers]))
    products = found.products()

    def rows(workload):
        leaves = vars(dataclasses.replace(workload, repeat=jnp.ones(len(workload)))).values()
        return {tuple(row) for row in np.stack([np.asarray(leaf) for leaf in leaves], 1).tolist()}

    assert rows(table) == rows(products)
    assert len(layers) == len(rows(products))


def test_those_that_no_layer_is_like_are_left_out_and_told():
    padded = lambda w, x: lax.conv(x, w, (1, 1), [(3, 0), (0, 3)])  # noqa: E731
    layers, share = layers_of(jc.count(padded, S(8, 4, 3, 3), S(1, 4, 16, 16)))
    assert (layers, share) == ([], 0.0)
    volumes = jc.count(
        lambda w, x: lax.conv(x, w, (1, 1, 1), "SAME"), S(8, 4, 3, 3, 3), S(1, 4, 8, 8, 8)
    )
    assert layers_of(volumes)[0] == []
    integers = jc.count(lambda w, x: x @ w, S(8, 8, dtype="int8"), S(8, 8, dtype="int8"))
    assert layers_of(integers)[0] == []


def test_equal_layers_are_measured_once():
    deep = jc.count(lambda w, x: ((x @ w) @ w) @ w, S(32, 32), S(4, 32))
    layers, share = layers_of(deep)
    assert [(layer.op, layer.batch, layer.c_in) for layer in layers] == [("dense", 4, 32)]
    assert share == 1.0

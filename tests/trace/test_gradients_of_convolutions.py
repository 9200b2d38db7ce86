"""A convolution's gradients are the same layers in a traced program and in a table."""

import dataclasses

import jax
import numpy as np
import pandas as pd
import pytest
from jax import lax

import jaxcost as jc
from jaxcost.workload import counts
from jaxcost.workload.gradients import CONV2D_GRADIENTS

LAYOUTS = (("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"))
# batch, side, channels in and out, side of the kernel, stride, groups
LAYERS = [
    (8, 14, 6, 10, 3, 1, 1),
    (8, 14, 6, 10, 3, 2, 1),
    (4, 15, 8, 8, 5, 2, 4),
    (4, 14, 6, 10, 1, 1, 1),
    (4, 16, 6, 10, 1, 2, 1),
    (2, 9, 12, 12, 3, 1, 12),
]


def products(layer, padding, layout):
    """The forward pass and both gradients, as traced: leaves of shape `(3,)`."""
    batch, side, c_in, c_out, kernel, stride, groups = layer
    image = {"N": batch, "H": side, "W": side, "C": c_in}
    weights = {"H": kernel, "W": kernel, "I": c_in // groups, "O": c_out}

    def apply(x, w):
        return lax.conv_general_dilated(
            x, w, (stride, stride), padding.upper(), None, None, layout, feature_group_count=groups
        )

    def every(x, w):
        y, gradient = jax.vjp(apply, x, w)
        return y, *gradient(y)

    shapes = ([*map(image.get, layout[0])], [*map(weights.get, layout[1])])
    found = jc.count(every, *(jax.ShapeDtypeStruct(shape, "float32") for shape in shapes))
    kept = [o for o in found.operations if o.op == "conv2d"]
    return dataclasses.replace(found, operations=tuple(kept)).products()


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_gradients_are_traced_as_the_layers_that_a_table_names(layer, padding, layout):
    batch, side, c_in, c_out, kernel, stride, groups = layer
    sizes = {"batch": batch, "in_h": side, "in_w": side, "c_in": c_in, "c_out": c_out}
    sizes |= {"k_h": kernel, "k_w": kernel, "stride": stride, "padding": padding}
    row = sizes | {"groups": groups, "dtype": "float32"}
    ops = ["conv2d", *CONV2D_GRADIENTS]
    table = jc.from_table(pd.DataFrame([row | {"op": op} for op in ops]))
    traced = products(layer, padding, layout)
    order = np.argsort(np.asarray(traced.gradient))
    assert list(np.asarray(table.gradient)) == [0, 1, 2]
    for name, leaf in vars(table).items():
        assert list(np.asarray(getattr(traced, name))[order]) == list(np.asarray(leaf)), name
    assert len(set(np.asarray(counts.flops(table)))) == 1


def test_a_transposed_convolution_is_the_gradient_by_an_input():
    x, w = (jax.ShapeDtypeStruct(s, "float32") for s in ((2, 7, 7, 8), (4, 4, 8, 3)))
    found = jc.count(lambda x, w: lax.conv_transpose(x, w, (2, 2), "SAME"), x, w)
    (layer,) = [o.work.sizes for o in found.operations if o.op == "conv2d"]
    assert layer["gradient"] == 1
    assert (layer["c_in"], layer["c_out"], layer["in_h"], layer["out_h"]) == (3, 8, 14, 7)

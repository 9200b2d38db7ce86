import jax
import numpy as np
import pandas as pd
import pytest

from jaxcost.measure.layers import LayerSpec, layers_from_frame
from jaxcost.measure.programs import operation

CONV = {"op": "conv2d", "in_h": 11, "in_w": 8, "c_in": 6, "c_out": 4, "k_h": 3, "k_w": 2}


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_shapes_are_those_of_jax(padding, stride, dilation, groups):
    layer = LayerSpec(
        **CONV, batch=2, padding=padding, stride=stride, dilation=dilation, groups=groups
    )
    shapes = (layer.input_shape, layer.weight_shape)
    operands = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    assert jax.eval_shape(operation(layer), *operands).shape == layer.output_shape


@pytest.mark.parametrize(
    "layer",
    [
        LayerSpec(op="dense", batch=7, c_in=33, c_out=5),
        LayerSpec(**CONV, batch=3, padding="valid"),
        LayerSpec(**CONV, padding="valid", stride=2, groups=2),
    ],
)
def test_flops_and_bytes_are_xlas(layer):
    shapes = (layer.input_shape, layer.weight_shape)
    operands = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    cost = jax.jit(operation(layer)).lower(*operands).compile().cost_analysis()
    assert layer.flops == cost["flops"]
    assert layer.operand_bytes == cost["bytes accessed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"op": "conv3d"}, "op 'conv3d' is not known; did you mean 'conv2d'?"),
        ({"padding": "full"}, "padding 'full' is not known"),
        ({"dtype": "float8"}, "dtype 'float8' is not known"),
        ({"batch": 0}, "batch = 0 is not allowed; give a whole number of at least 1"),
        ({"c_out": 2.5}, "c_out = 2.5 is not allowed; give a whole number"),
        ({"in_h": float("nan")}, "in_h = nan is not allowed"),
        ({"k_w": "wide"}, "k_w = 'wide' is not allowed"),
        ({"groups": 4}, "groups = 4 is not allowed; give a number that divides both c_in = 6"),
        ({"padding": "valid", "k_h": 12}, "k_h = 12 is not allowed; give a kernel within the 11"),
        ({"padding": "valid", "k_w": 5, "dilation": 2}, "k_w = 5 is not allowed"),
        ({"op": "dense"}, "in_h = 11 is not allowed; give 1 for a dense layer"),
    ],
)
def test_bad_sizes_are_named(change, message):
    with pytest.raises(ValueError, match="not allowed|not known") as refusal:
        LayerSpec(**(CONV | change))
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_table_becomes_layers_and_rows_again():
    layers = [LayerSpec(**CONV, sweep="a", line=3), LayerSpec(op="dense", c_in=2, c_out=3)]
    frame = pd.DataFrame([layer.row() for layer in layers]).assign(time_s=1.0)
    assert layers_from_frame(frame) == layers
    assert list(frame.columns[:3]) == ["sweep", "line", "op"]


def test_a_bad_row_of_a_table_is_numbered():
    frame = pd.DataFrame({"op": ["dense"] * 2, "c_in": [3, -3], "c_out": 4})
    with pytest.raises(ValueError, match="row 1: c_in = -3 is not allowed"):
        layers_from_frame(frame)


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="row 0: column 'c_out' is missing; add it"):
        layers_from_frame(pd.DataFrame({"op": ["dense"], "c_in": [3]}))

import jax
import numpy as np
import pandas as pd
import pytest

from jaxcost.measure.clock.programs import operation
from jaxcost.measure.layers import LayerSpec, layers_from_frame

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


MAP = {"batch": 2, "in_h": 11, "in_w": 8, "c_in": 6}
OTHERS = [
    LayerSpec(op="dense", batch=7, c_in=12, c_out=8, groups=4),
    LayerSpec(op="elementwise", **MAP, c_out=6),
    LayerSpec(op="reduction", **MAP, c_out=1),
    LayerSpec(op="reduction", **MAP, c_out=6),
    LayerSpec(op="addition", **MAP, c_out=6),
    LayerSpec(op="normalisation", **MAP, c_out=6),
    LayerSpec(op="softmax", **MAP, c_out=6),
    LayerSpec(op="pooling", **MAP, c_out=6, k_h=2, k_w=2, stride=2, padding="valid"),
    LayerSpec(op="pooling", **MAP, c_out=6, k_h=3, k_w=2, padding="valid"),
    LayerSpec(op="gather", batch=5, c_in=7, c_out=3),
]


def _operands(layer):
    shapes = (layer.input_shape, layer.dtype), (layer.weight_shape, layer.weight_dtype)
    return [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in shapes]


@pytest.mark.parametrize("layer", OTHERS, ids=str)
def test_shapes_and_flops_of_other_operations_are_those_of_jax(layer):
    lowered = jax.jit(operation(layer)).lower(*_operands(layer))
    assert lowered.out_info.shape == layer.output_shape
    cost = lowered.cost_analysis()
    if layer.op == "gather":
        assert layer.flops == 0  # XLA counts comparisons of indices, which are no floats
    else:
        assert layer.flops == cost["flops"] + cost.get("transcendentals", 0)
    held = [*_operands(layer), lowered.out_info]
    assert layer.operand_bytes == sum(x.size * np.dtype(x.dtype).itemsize for x in held)


@pytest.mark.parametrize("layer", OTHERS[:-1], ids=str)
def test_bytes_moved_are_those_of_the_operands_and_the_result(layer):
    assert layer.bytes_moved == layer.operand_bytes


@pytest.mark.parametrize(("dtype", "item"), [("float32", 4), ("bfloat16", 2)])
def test_a_gather_moves_the_rows_it_takes_and_not_the_table(dtype, item):
    layer = LayerSpec(op="gather", batch=5, c_in=1000, c_out=3, dtype=dtype)
    assert layer.bytes_moved == 5 * 4 + 2 * 5 * 3 * item
    assert layer.operand_bytes == 1000 * 3 * item + 5 * 4 + 5 * 3 * item


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"op": "elementwise", "c_out": 5}, "c_out = 5 is not allowed; give the same as c_in"),
        ({"op": "elementwise", "k_h": 3}, "k_h = 3 is not allowed; give 1"),
        ({"op": "reduction", "c_out": 2}, "c_out = 2 is not allowed; give 1 to sum over the chan"),
        ({"op": "reduction", "in_h": 1, "in_w": 1}, "more than one position to sum over"),
        ({"op": "normalisation", "groups": 2}, "groups = 2 is not allowed; give 1"),
        ({"op": "normalisation", "c_in": 1, "c_out": 1}, "give 2 or more channels"),
        ({"op": "pooling"}, "k_h = 1 is not allowed; give a window of more than one pixel"),
        ({"op": "pooling", "k_h": 3, "dilation": 2}, "dilation = 2 is not allowed; give 1"),
        ({"op": "pooling", "k_h": 12, "padding": "valid"}, "k_h = 12 is not allowed; give a ker"),
        ({"op": "gather"}, "in_h = 11 is not allowed; give 1"),
        ({"op": "gather", "in_h": 1, "in_w": 1, "c_in": 1}, "give a table of 2 or more rows"),
        (
            {"op": "attention"},
            "choose one of: conv2d, dense, conv2d_input_gradient, ",
        ),
        (
            {"op": "sort"},
            "choose one of: conv2d, dense, conv2d_input_gradient, ",
        ),
        ({"op": "elementwise", "line": -1}, "line = -1 is not allowed; give a whole number of at"),
    ],
)
def test_impossible_operations_are_named(fields, message):
    with pytest.raises(ValueError, match="not allowed|not known") as refusal:
        LayerSpec(**(MAP | {"c_out": 6} | fields))
    assert message in str(refusal.value)


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

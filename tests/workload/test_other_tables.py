"""Tables in others' columns are the layers that they measured; by hand, and by their own files."""

import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.workload import counts
from jaxcost.workload.layer_table import validate_layers


def matrices(**columns):
    sizes = {"m": [8, 4], "n": [32, 2], "k": [16, 64], "b": [1, 12], "dtype": "float32"}
    return pd.DataFrame(sizes | columns)


def test_products_of_matrices_are_dense_layers():
    of_one, side_by_side = (jc.from_table(matrices())[i : i + 1] for i in range(2))
    assert float(counts.flops(of_one)[0]) == 2 * 8 * 16 * 32
    assert float(counts.flops(side_by_side)[0]) == 12 * 2 * 4 * 64 * 2
    assert float(side_by_side.groups[0]) == 12
    alone = jc.from_table(matrices().drop(columns="b"))
    assert float(counts.flops(alone)[1]) == 2 * 4 * 64 * 2


@pytest.mark.parametrize("name", ["batch", "batch_size", "groups", "batch_count", "B", "Batch"])
def test_products_side_by_side_may_be_counted_under_other_names(name):
    table = matrices(op="bmm", b=[1, 64])
    expected, renamed = jc.from_table(table), table.rename(columns={"b": name})
    assert np.asarray(expected.groups).tolist() == [1, 64]
    for of_one, of_other in zip(vars(expected).values(), vars(jc.from_table(renamed)).values()):
        np.testing.assert_array_equal(of_one, of_other)


def test_what_a_batch_costs_is_fitted_and_predicted_under_each_name(tmp_path):
    sizes = [(m, n, b) for m in (128, 512, 1024) for n in (256, 1024) for b in (1, 8, 64)]
    m, n, b = np.array(sizes).T
    table = pd.DataFrame({"op": "bmm", "m": m, "n": n, "k": 256, "b": b, "dtype": "bfloat16"})
    moved = 2 * b * (m * 256 + 256 * n + m * n)
    table["time_s"] = np.maximum(2 * b * m * n * 256 / 4e14, moved / 3e12)
    table.rename(columns={"b": "batch"}).to_csv(path := tmp_path / "t.csv", index=False)
    calibration = jc.fit(path, model="roofline")
    predicted = calibration.predict(jc.read_layer_table(path))["predicted_time_s"]
    np.testing.assert_allclose(predicted, table["time_s"], rtol=0.01)


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"op": "linear", "batch": [1, 64]}, "row 1: batch = 64 is not allowed; give 1, or name"),
        ({"op": "bmm", "batch": [1, 64]}, "row 1: batch = 64 is not allowed; give the same as b"),
        ({"op": "bmm", "batch_size": [1, ""]}, "row 1: batch_size is empty"),
        ({"op": "bmm", "groups": [1, 0]}, "row 1: groups = 0 is not allowed; give a whole number"),
    ],
)
def test_a_batch_that_may_mean_two_things_is_refused(columns, line):
    with pytest.raises(ValueError, match=line):
        jc.from_table(matrices(**columns))


def test_a_batch_of_what_is_no_product_is_refused():
    table = pd.DataFrame([{"op": "gelu", "rows": 8, "cols": 8, "batch": 4, "dtype": "float32"}])
    with pytest.raises(ValueError, match="batch = 4 is not allowed"):
        jc.from_table(table)
    assert float(jc.from_table(table.assign(batch="")).batch[0]) == 8


def test_arrays_of_rows_and_columns_are_operations_and_say_which():
    sizes = {"rows": [6, 6, 6, 6], "cols": [10, 10, 10, 10], "dtype": "float32"}
    table = pd.DataFrame(sizes | {"op": ["softmax", "ln", "gelu", "add"], "note": list("abcd")})
    read = validate_layers(table)
    assert read["op"].tolist() == ["softmax", "normalisation", "elementwise", "addition"]
    assert read["given_op"].tolist() == table["op"].tolist()
    assert read["note"].tolist() == list("abcd")
    moved = np.asarray(jc.from_table(table).other_bytes)
    np.testing.assert_array_equal(moved[[2, 3]] // (4 * 60), [2, 3])


def test_attention_is_of_all_heads():
    sizes = {"batch_size": 2, "isl": 50, "num_heads": 4, "head_dim": 16, "attn_dtype": "bfloat16"}
    layer = jc.from_table(pd.DataFrame([sizes]))
    assert float(layer.other_bytes[0]) == 4 * 2 * 50 * 4 * 16 * 2


ATTENTION = {"batch_size": 2, "isl": 50, "num_heads": 4, "head_dim": 16, "attn_dtype": "bfloat16"}


@pytest.mark.parametrize(
    "nothing_new",
    [
        {"beam_width": 1, "num_key_value_heads": 4, "kv_cache_dtype": "bf16", "prefix": 0},
        {"step": 0, "is_causal": 0},
        {"op_name": "encoder_attention"},
        {"step": "", "kv_len": 50, "window_size": 0, "causal": "False", "v_head_dim": 16},
        {"sliding_window": 4096, "kv_cache_dtype": "auto", "is_causal": False},
    ],
)
def test_columns_beside_attention_that_say_nothing_new_are_kept(nothing_new):
    read = validate_layers(pd.DataFrame([ATTENTION | nothing_new]))
    assert set(nothing_new) < set(read)
    assert float(jc.from_table(read).other_bytes[0]) == 4 * 2 * 50 * 4 * 16 * 2


@pytest.mark.parametrize(
    ("column", "value", "line"),
    [
        ("step", 127, "= 127 is not allowed; give 0, or leave such rows out: .* in a cache"),
        ("step", "many", "= 'many' is not allowed; give 0"),
        ("kv_len", 128, "= 128 is not allowed; give the same as isl"),
        ("num_key_value_heads", 1, "= 1 is not allowed; give the same as num_heads, .* share keys"),
        ("Num_KV_Heads", 2, "= 2 is not allowed; give the same as num_heads"),
        ("v_head_dim", 8, "= 8 is not allowed; give the same as head_dim"),
        ("beam_width", 4, "= 4 is not allowed; give 1"),
        ("window_size", 32, "= 32 is not allowed; give 0, or at least isl"),
        ("causal", True, "= 1 is not allowed; give 0, .* earlier tokens alone"),
        ("kv_cache_dtype", "fp8", "= 'fp8' is not allowed; give the attention's own type"),
    ],
)
def test_attention_that_no_layer_can_express_is_refused(column, value, line):
    table = pd.DataFrame([ATTENTION, ATTENTION | {column: value}])
    with pytest.raises(ValueError, match=f"row 1: {column} {line}"):
        jc.from_table(table)


@pytest.mark.parametrize("column", [{"step": 0}, {"op_name": "context_attention"}])
def test_context_attention_is_causal_whatever_its_step(column):
    """AIConfigurator's `ContextAttention` counts half of the products of `EncoderAttention`."""
    with pytest.raises(ValueError, match="with a column causal of 0 .* to earlier tokens alone"):
        jc.from_table(pd.DataFrame([ATTENTION | column]))


def test_a_table_of_layers_is_not_read_as_another():
    layers = {"op": "dense", "batch": 1, "in_h": 1, "in_w": 1, "c_in": 8, "c_out": 8, "k_h": 1}
    layers |= {"k_w": 1, "stride": 1, "padding": "valid", "groups": 1, "dtype": "float32"}
    table = pd.DataFrame([layers | {"m": 3, "n": 4, "k": 5}])
    assert float(counts.flops(jc.from_table(table))[0]) == 2 * 8 * 8


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"m": [8, 0]}, "row 1: m = 0 is not allowed; give a whole number of at least 1"),
        ({"k": [8, "x"]}, "row 1: k = 'x' is not allowed"),
        ({"op": ["bmm", "conv9"]}, "row 1: op 'conv9' is not known; choose one of: bmm"),
        ({"op": "gelu"}, "row 0: column 'rows' is empty"),
        ({"m": [8, ""], "op": "bmm"}, "row 1: column 'm' is empty"),
    ],
)
def test_what_is_no_such_row_is_refused_by_its_own_column(columns, line):
    with pytest.raises(ValueError, match=line):
        jc.from_table(matrices(**columns))


def test_explicit_padding_gives_the_outputs_that_deepbench_states(shared):
    path = shared / "datasets" / "gpu" / "deepbench_conv_explicit_padding.csv"
    table = jc.read_layer_table(path)
    layers = jc.from_table(table)
    for side in ("out_h", "out_w"):
        np.testing.assert_array_equal(getattr(layers, side), table[side].astype(float))


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"pad_h": "-1"}, "pad_h = -1 is not allowed; give a whole number of at least 0"),
        ({"pad_w": "1.5"}, "pad_w = 1.5"),
        ({"stride_w": "0"}, "stride_w = 0"),
        ({"k_h": "99"}, "k_h = 99 is not allowed; give a kernel"),
        ({"padding": "same", "stride_w": "1"}, "stride_w = 1 is not allowed; give the same as"),
    ],
)
def test_padding_that_is_none_is_refused(changed, line):
    layer = {"op": "conv2d", "batch": 1, "in_h": 7, "in_w": 7, "c_in": 8, "c_out": 8, "k_h": 3}
    layer |= {"k_w": 3, "groups": 1, "dtype": "float32"}
    layer |= {"pad_h": "1", "pad_w": "2", "stride_h": "2", "stride_w": "2"}
    assert np.asarray(jc.from_table(pd.DataFrame([layer])).out_w).tolist() == [5.0]
    with pytest.raises(ValueError, match=line):
        jc.from_table(pd.DataFrame([layer | changed]))


CONVOLUTION = {
    "op": "conv2d", "batch": 8, "in_h": 32, "in_w": 32, "c_in": 64, "c_out": 64, "k_h": 5, "k_w": 5,
    "stride": 1, "padding": "valid", "groups": 1, "dtype": "float32",
}  # fmt: skip


@pytest.mark.parametrize(
    "named",
    [
        {"dilation_rate": 2},
        {"atrous_rate": 2},
        {"Dil": 2},
        {"dilation_h": 2, "dilation_w": 2},
        {"dilation": 2, "dilation_rate": 2, "dilation_w": ""},
    ],
)
def test_dilation_is_read_and_predicted_under_its_other_names(named, tmp_path):
    pd.DataFrame([CONVOLUTION | named]).to_csv(path := tmp_path / "t.csv", index=False)
    table = validate_layers(jc.read_layer_table(path))
    expected = pd.DataFrame([CONVOLUTION | {"dilation": 2}])
    assert float(counts.flops(jc.from_table(table))[0]) == 2 * 8 * 24 * 24 * 25 * 64 * 64
    of_each = (jc.load_calibration("quadro-t2000").predict(t) for t in (table, expected))
    first, second = (found["predicted_time_s"].tolist() for found in of_each)
    assert first == second


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"dilation": 2, "dilation_rate": 3}, "dilation_rate = 3 is not allowed; give the same as"),
        ({"dilation_h": 2, "dilation_w": 1}, "dilation_w = 1 is not allowed; give the same as"),
        ({"dil": 0}, "dil = 0 is not allowed; give a whole number"),
        ({"stride_h": 2, "stride_w": 2}, "stride_h = 2 is not allowed; give the same as stride"),
        ({"stride_w": 2}, "stride_w = 2 is not allowed; give the same as stride"),
        ({"stride": 2, "stride_h": 2, "stride_w": 1}, "stride_w = 1 is not allowed"),
        ({"padding": "same", "pad_h": 0, "pad_w": 0}, "pad_h = 0 is not allowed; give what makes"),
        ({"pad_w": 2}, "pad_w = 2 is not allowed; give what makes the output that padding says"),
        ({"pad_w": "x"}, "pad_w = 'x' is not allowed; give a whole number"),
    ],
)
def test_columns_that_contradict_each_other_are_refused(columns, line):
    with pytest.raises(ValueError, match=f"row 0: {line}"):
        jc.from_table(pd.DataFrame([CONVOLUTION | columns]))


@pytest.mark.parametrize(
    "columns",
    [
        {"stride": 2, "stride_h": 2, "stride_w": "", "pad_h": 0, "pad_w": 0},
        {"padding": "same", "pad_h": 2, "pad_w": ""},
        {"padding": "same", "stride": 2, "pad_h": 2, "pad_w": 2},  # as PyTorch pads
    ],
)
def test_columns_that_say_the_same_twice_are_read(columns):
    alone = CONVOLUTION | {k: v for k, v in columns.items() if k in CONVOLUTION}
    twice = validate_layers(validate_layers(pd.DataFrame([CONVOLUTION | columns])))
    for side in ("out_h", "out_w"):
        sizes = (getattr(jc.from_table(t), side) for t in (twice, pd.DataFrame([alone])))
        np.testing.assert_array_equal(*sizes)


def test_padding_called_explicit_needs_its_numbers():
    layer = {"op": "conv2d", "batch": 1, "in_h": 7, "in_w": 7, "c_in": 8, "c_out": 8, "k_h": 3}
    layer |= {"k_w": 3, "stride": 1, "padding": "explicit", "groups": 1, "dtype": "float32"}
    with pytest.raises(ValueError, match="same or valid, or give columns pad_h and pad_w"):
        jc.from_table(pd.DataFrame([layer]))


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        (
            "neusight_other_ops_fp32.csv",
            {"dense", "softmax", "normalisation", "elementwise", "addition"},
        ),
        ("vidur_memory_bound_fp16.csv", {"normalisation", "addition", "elementwise", "gather"}),
        ("aic_encoder_attention_energy.csv", {"attention"}),
    ],
)  # fmt: skip
def test_published_tables_are_read_whole(name, ops, shared):
    path = shared / "datasets" / "gpu" / name
    assert set(jc.read_layer_table(path, target="time_s")["op"]) == ops

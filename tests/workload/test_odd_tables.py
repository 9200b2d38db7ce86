"""Columns that may mean two things, cells that say nothing, and what is no table."""

import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.workload.layer_table import validate_layers
from jaxcost.workload.run_table import validate_runs
from jaxcost.workload.selection import one_of

DENSE = {"op": "dense", "batch": 8, "in_h": 1, "in_w": 1, "c_in": 64, "c_out": 32, "k_h": 1}
DENSE |= {"k_w": 1, "stride": 1, "padding": "valid", "groups": 1, "dtype": "float32"}
LAYERS = pd.DataFrame([DENSE | {"time_s": 0.002}, DENSE | {"time_s": 0.003}])
RUNS = pd.DataFrame(
    {"n_observations": [1000], "n_features": 8, "n_labels": 2, "batch_size": 32, "widths": "8 4 2"}
)


def timed(**columns):
    return validate_layers(LAYERS.assign(**columns), target="time_s")


@pytest.mark.parametrize("table", [{"op": ["dense"]}, [DENSE], None, "layers.csv", LAYERS["op"]])
@pytest.mark.parametrize("read", [jc.from_table, validate_layers, validate_runs, jc.fit])
def test_what_is_no_table_is_refused(read, table):
    if read is jc.fit and isinstance(table, str):
        return  # a file
    with pytest.raises(ValueError, match=r"^table is of type \w+; give a pandas DataFrame$"):
        read(table)


@pytest.mark.parametrize("read", [jc.from_table, jc.fit])
def test_a_name_that_stands_twice_is_refused(read):
    twice = pd.concat([LAYERS, LAYERS[["c_in"]] * 2], axis=1)
    with pytest.raises(ValueError, match="^table: column 'c_in' occurs twice; remove one$"):
        read(twice)


def test_capitals_alone_tell_no_columns_apart():
    words = "^table: columns 'batch' and 'Batch' differ in capitals alone; remove or rename one$"
    with pytest.raises(ValueError, match=words):
        timed(Batch=16)
    only = LAYERS.rename(columns={"batch": "BATCH"})
    assert validate_layers(only)["batch"].tolist() == [8, 8]
    with pytest.raises(ValueError, match="'BATCH' and 'Batch' differ in capitals alone"):
        validate_layers(only.assign(Batch=16))
    with pytest.raises(ValueError, match="'widths' and 'Widths' differ in capitals alone"):
        validate_runs(RUNS.assign(Widths="8 2 2"))


@pytest.mark.parametrize(
    ("column", "agreeing", "else_"),
    [
        ("time_ms", [2, 3], [2, 3.1]),
        ("Time (us)", ["2000", "3.0e3"], [2000, 300]),
        ("time_ms", [2.01, None], [None, 2]),
    ],
)
def test_times_in_two_units_must_agree(column, agreeing, else_):
    assert timed(**{column: agreeing})["time_s"].tolist() == [0.002, 0.003]
    with pytest.raises(ValueError, match=r"^table, row 1: .* give what time_s says, or leave out"):
        timed(**{column: else_})


def test_other_times_are_other_measurements():
    others = {"latency_ms": 99, "time_std_s": 1, "time_min_ms": 0.1, "real_time_ms": 7}
    assert timed(**others)["time_s"].tolist() == [0.002, 0.003]


def test_so_must_energies_of_training():
    runs = RUNS.assign(energy_per_epoch_j=2000.0)
    validate_runs(runs.assign(energy_per_epoch_kJ=2), target=True)
    with pytest.raises(ValueError, match="energy_per_epoch_kJ = 3 is not allowed"):
        validate_runs(runs.assign(energy_per_epoch_kJ=3), target=True)


@pytest.mark.parametrize("time", [1e-30, 9e-10, 4e7, 1e300])
def test_times_that_no_layer_takes_are_refused(time):
    with pytest.raises(ValueError, match=r"row 1: time_s = .*; give seconds, 1e-09 to 3e\+07"):
        timed(time_s=[0.1, time])
    assert timed(time_s=[1e-9, 3e7])["time_s"].tolist() == [1e-9, 3e7]


@pytest.mark.parametrize(
    ("words", "dtype"),
    [
        ("fp16 f16 half Half FP16", "float16"),
        ("fp32 f32 single", "float32"),
        ("bf16", "bfloat16"),
        ("fp64 f64 double", "float64"),
    ],
)
def test_precisions_are_known_by_their_usual_words(words, dtype):
    for word in words.split():
        assert set(validate_layers(LAYERS.assign(dtype=word))["dtype"]) == {dtype}
        assert len(one_of(LAYERS.assign(dtype=dtype), "dtype", word, "t.csv")) == 2


@pytest.mark.parametrize("nothing", [np.nan, None, "", "  "])
def test_rows_without_a_device_are_of_none(nothing):
    some = LAYERS.assign(device=["t4", nothing])
    words = r"t.csv: column 'device' has one \(t4\) and 1 rows of none, .* such as --device t4$"
    with pytest.raises(ValueError, match=words):
        one_of(some, "device", None, "t.csv")
    assert len(one_of(some, "device", "t4", "t.csv")) == 1
    none = LAYERS.assign(device=nothing)
    assert len(one_of(none, "device", None, "t.csv")) == 2

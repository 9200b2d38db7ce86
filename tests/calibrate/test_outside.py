"""Layers outside what was measured are named, those within are not; layer by layer."""

import jax
import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.calibrate.outside import OutsideWarning, outside, sizes_outside

DENSE = {
    "op": "dense", "batch": 8, "in_h": 1, "in_w": 1, "c_in": 512, "c_out": 512, "k_h": 1, "k_w": 1,
    "stride": 1, "padding": "valid", "groups": 1, "dtype": "float32",
}  # fmt: skip
SOFTMAX = DENSE | {"op": "softmax"}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    sizes = rng.choice([64, 128, 256, 512, 1024], (30, 3))
    rows = [DENSE | {"batch": b, "c_in": c, "c_out": d} for b, c, d in sizes]
    rows += [SOFTMAX | {"batch": b, "c_in": c, "c_out": c} for b, c, _ in sizes]
    of_rows = pd.DataFrame(rows).drop_duplicates(ignore_index=True)
    moved = of_rows["batch"] * (of_rows["c_in"] + of_rows["c_out"])
    return of_rows.assign(time_s=1e-6 + moved * 4e-11)


@pytest.fixture(scope="module")
def calibration(table):
    return jc.fit(table, correction=True)


@pytest.fixture(scope="module")
def fitted(calibration):
    return calibration.models["time_s"]


def of(fitted, *rows):
    return outside(jc.from_table(pd.DataFrame(rows)), fitted)


def test_nothing_that_was_measured_lies_outside(fitted, table):
    assert set(fitted.parts) == {"products", "memory-bound"}
    assert outside(jc.from_table(table), fitted) == {}


def test_sizes_and_kinds_outside_are_named(fitted):
    grouped = DENSE | {"op": "conv2d", "groups": 8, "k_h": 3, "k_w": 3, "padding": "same"}
    attention = DENSE | {"op": "attention", "in_w": 64, "groups": 8}
    found = of(fitted, DENSE | {"batch": 64}, DENSE | {"batch": 64, "c_in": 4096},
               SOFTMAX | {"batch": 8192}, grouped, attention, SOFTMAX | {"batch": 64})  # fmt: skip
    assert found == {
        1: "4096 input channels (measured: 64 to 1024)",
        2: "8192 positions (measured: 64 to 1024)",
        3: "no layer of its kind was measured",
        4: "no layer of its kind was measured",
    }


def test_a_calibration_says_of_a_network_what_latency_does_not():
    found = jc.load_calibration("h100-sxm")  # products of 32 to 65,536 channels, no convolutions
    assert found.outside(jc.mlp([512, 4096, 512], batch=64)) == []
    network = jc.cnn([32, 64, 64], in_h=32, in_w=32, batch=64, kernel=3, head=[10])
    assert found.outside(network) == [
        "row 1 and 1 more row lie outside the calibration: no layer of its kind was measured",
        "row 3 lies outside the calibration: 10 output channels (measured: 32 to 65536)",
    ]


def test_only_the_rows_asked_for_are_looked_at(fitted):
    layers = jc.from_table(pd.DataFrame([DENSE | {"batch": 4096}] * 2))
    assert list(sizes_outside(layers, fitted, np.array([False, True]))) == [1]


def test_without_a_record_of_what_was_measured_nothing_is_said():
    printed = jc.load_calibration("quadro-t2000").models["time_s"]
    assert of(printed, DENSE | {"batch": 2**20}) == {}


def test_predict_says_once_what_the_command_says_by_row(calibration, table):
    calibration.predict(table)  # nothing to say: warnings are errors here
    inside = table.drop(columns="time_s").iloc[0].to_dict()
    large = [DENSE | {"batch": 10**6, "c_in": c} for c in (512, 4096)]
    words = (
        "row 2 (dense) lies outside the calibration: 1000000 positions (measured: 64 to 1024); "
        "row 3 (dense) lies outside the calibration: 1000000 positions (measured: 64 to 1024), "
        "4096 input channels (measured: 64 to 1024)"
    )
    with pytest.warns(OutsideWarning) as told:
        calibration.predict(pd.DataFrame([inside, *large]))
    assert [str(line.message) for line in told] == [words]
    assert told[0].filename == __file__


def test_a_latency_says_what_predict_says(table):
    calibration = jc.fit(table, correction=True)
    inside, beyond = (jc.dense(c_in=128, c_out=128, batch=batch) for batch in (256, 10**6))
    calibration.latency(inside)  # nothing to say: warnings are errors here
    words = r"^layer 1 lies outside the calibration: 1000000 positions \(measured: 64 to 1024\)$"
    with pytest.warns(OutsideWarning, match=words) as told:
        latency = calibration.latency(beyond)
    assert told[0].filename == __file__
    with pytest.warns(OutsideWarning, match=words):
        assert jax.jit(lambda: calibration.latency(beyond))() == pytest.approx(latency)
    jax.jit(lambda batch: calibration.latency(jc.dense(c_in=128, c_out=128, batch=batch)))(1e6)


def test_rows_of_another_device_are_said(table):
    calibration = jc.fit(table.assign(device="t4"), correction=True)
    row = table.drop(columns="time_s").iloc[:1]
    calibration.predict(row.assign(device="Tesla T4"))
    calibration.predict(row.assign(device=[None]))
    with pytest.warns(UserWarning, match="^the table is of b200, the calibration of t4: times of"):
        calibration.predict(row.assign(device="b200"))


def test_columns_that_a_prediction_replaces_are_said(table):
    calibration = jc.fit(table, correction=True)
    once = calibration.predict(table)
    words = "^the table's own predicted_time_s, predicted_time_s_lo, predicted_time_s_hi are repl"
    with pytest.warns(UserWarning, match=words):
        assert calibration.predict(once.assign(predicted_time_s=7.0)).equals(once)

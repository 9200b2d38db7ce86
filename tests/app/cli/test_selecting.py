"""Which rows `fit` and `predict` take of tables of several devices and precisions."""

from importlib import import_module

import pandas as pd
import pytest

from jaxcost.calibrate import load_calibration
from jaxcost.device import presets
from jaxcost.device.data_sheets import data_sheets, known_device


@pytest.fixture
def asked(fitted, monkeypatch):
    """What `fit` hands on, instead of fitting."""
    found = {}

    def fit_layers(layers, device, **settings):
        found.update(layers=layers, device=device)
        return load_calibration(fitted[0] / "c.json").models["time_s"]

    monkeypatch.setattr(import_module("jaxcost.calibrate.tables"), "fit_layers", fit_layers)
    return found


@pytest.fixture
def several(frame, tmp_path):
    """A file of the planted layers on two devices, and of those on one of them in two types."""
    phone = frame.assign(device="phone")
    server = frame.assign(device="server", time_s=frame["time_s"] / 40)
    half = server.assign(dtype="float16", time_s=server["time_s"] / 8)
    path = tmp_path / "several.csv"
    pd.concat([phone, server, half]).to_csv(path, index=False)
    return path


def test_several_devices_are_refused_with_the_way_to_choose_one(refuses, several, tmp_path):
    line = refuses("fit", several, "--out", tmp_path / "c.json")
    assert "column 'device' has 2 devices (phone, server)" in line
    assert "choose with --device, such as --device phone" in line
    line = refuses("fit", several, "--out", tmp_path / "c.json", "--device", "tablet")
    assert "device = 'tablet' is not allowed; give one of phone, server" in line


def test_a_table_without_a_precision_is_in_the_one_that_is_said(asked, jaxcost, frame, tmp_path):
    path = tmp_path / "short.csv"
    frame[["op", "batch", "c_in", "c_out", "time_s"]].to_csv(path, index=False)
    outcome = jaxcost("fit", path, "--out", tmp_path / "c.json", "--dtype", "bfloat16")
    assert (outcome.status, outcome.err) == (0, "")
    assert set(asked["layers"]["dtype"]) == {"bfloat16"}
    assert set(asked["layers"]["groups"]) == {1}


def test_several_precisions_are_refused_with_the_way_to_choose_one(refuses, several, tmp_path):
    line = refuses("fit", several, "--out", tmp_path / "c.json", "--device", "server")
    assert "column 'dtype' has 2 precisions (float16, float32)" in line
    assert "choose with --dtype, such as --dtype float16" in line


@pytest.mark.parametrize(
    ("options", "device", "dtype"),
    [
        (["--device", "phone"], "phone", "float32"),
        (["--device", "server", "--dtype", "float16"], "server", "float16"),
    ],
)
def test_rows_are_chosen(jaxcost, asked, several, frame, tmp_path, options, device, dtype):
    outcome = jaxcost("fit", several, "--out", tmp_path / "c.json", *options)
    assert (outcome.status, outcome.err) == (0, "")
    rows = asked["layers"]
    assert len(rows) == len(frame)
    assert set(rows["device"]) == {device}
    assert set(rows["dtype"]) == {dtype}
    assert asked["device"].name == device


@pytest.mark.parametrize("name", ["quadro-t2000", "h100-sxm", "eagle-gpu", "Tesla V100"])
def test_a_known_device_is_that_hardware_whatever_the_table_calls_it(
    jaxcost, asked, frame, tmp_path, name
):
    frame.assign(device="nvidia-h100-80gb-hbm3").to_csv(tmp_path / "t.csv", index=False)
    files = (tmp_path / "t.csv", "--out", tmp_path / "c.json")
    assert jaxcost("fit", *files, "--device", name).status == 0
    assert asked["device"] == known_device(name)
    assert len(asked["layers"]) == len(frame)


def test_a_table_names_its_own_device(jaxcost, asked, frame, tmp_path):
    frame.assign(device="h200-sxm").to_csv(tmp_path / "t.csv", index=False)
    assert jaxcost("fit", tmp_path / "t.csv", "--out", tmp_path / "c.json").status == 0
    assert asked["device"] == known_device("h200-sxm")


@pytest.mark.parametrize("name", [*presets(), *list(data_sheets())[::8], "h100-sxm"])
def test_fit_and_estimate_know_the_same_devices(jaxcost, asked, table, tmp_path, name):
    fitted = jaxcost("fit", table, "--out", tmp_path / "c.json", "--device", name)
    assert fitted.status == 0
    estimated = jaxcost("datasheet", "--flops", 1e9, "--assume-peak", 0.5, "--device", name)
    if known_device(name).peak_flops is None:
        assert "is known, but no peak of it" in estimated.err
    else:
        assert estimated.status == 0 or "choose one of: fp" in estimated.err


def test_predict_keeps_the_rows_of_one(jaxcost, refuses, fitted, several, frame, tmp_path):
    files = (fitted[0] / "c.json", several, "--out", tmp_path / "o.csv")
    line = refuses("predict", *files)
    first = pd.read_csv(several)["dtype"].eq("float16").to_numpy().argmax()
    assert f", line {first + 2}: dtype is float16, but the calibration was measured in" in line
    assert "--dtype float32" in line
    assert jaxcost("predict", *files, "--dtype", "float32").status == 0
    assert len(pd.read_csv(tmp_path / "o.csv")) == 2 * len(frame)
    outcome = jaxcost("predict", *files, "--dtype", "float32", "--device", "server")
    assert outcome.status == 0
    assert set(pd.read_csv(tmp_path / "o.csv")["device"]) == {"server"}


def test_fit_and_predict_convert_times_when_asked(jaxcost, refuses, asked, fitted, frame, tmp_path):
    path, out = tmp_path / "ms.csv", tmp_path / "o.csv"
    times = frame["time_s"]
    odd = frame.rename(columns={"op": "kind"}).drop(columns="time_s").assign(latency_ms=1e3 * times)
    odd.to_csv(path, index=False)
    line = refuses("fit", path, "--out", tmp_path / "c.json", "--rename", "kind=op")
    assert line.endswith(
        "column 'time_s' is missing; give --time-column 'latency_ms' to convert it"
    )
    options = ("--rename", "kind=op", "--time-column", "latency_ms")
    assert jaxcost("fit", path, "--out", tmp_path / "c.json", *options).status == 0
    assert asked["layers"]["time_s"].tolist() == pytest.approx(times.tolist())
    outcome = jaxcost("predict", fitted[0] / "c.json", path, "--out", out, *options)
    assert outcome.status == 0
    assert "against time_s of" in outcome.out
    assert list(pd.read_csv(out))[: len(odd.columns)] == list(odd.columns)


@pytest.mark.parametrize("name", ["Tesla T4", "NVIDIA H100 80GB HBM3", "nobody's"])
def test_the_table_that_was_fitted_is_not_said_to_be_of_another_device(
    jaxcost, frame, tmp_path, name
):
    layers, other = tmp_path / "t.csv", tmp_path / "other.csv"
    frame.assign(device=name).to_csv(layers, index=False)
    frame.assign(device="Tesla P4").to_csv(other, index=False)
    files = (tmp_path / "c.json", layers, "--out", tmp_path / "o.csv")
    assert jaxcost("fit", layers, "--out", files[0], "--model", "flops-only").status == 0
    assert "another device" not in jaxcost("predict", *files).out
    said = jaxcost("predict", files[0], other, *files[2:]).out
    assert "the table is of Tesla P4" in said
    assert "times of another device" in " ".join(said.split())

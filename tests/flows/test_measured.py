"""measure → export → fit → predict: what was measured comes out again, in its own unit."""

import functools

import numpy as np
import pandas as pd
import pytest

from jaxcost.app.cli.errors import run
from jaxcost.calibrate import load_calibration
from jaxcost.calibrate.build import fit_layers
from jaxcost.device import Device
from jaxcost.measure import Store, collect
from jaxcost.workload.layer_table import read_layer_table

STEP_S, WATTS = 1e-3, 50.0  # what the fake device takes for one input of a batch
PLANTED = {"time_s": ("s", STEP_S), "energy_j": ("J", STEP_S * WATTS)}
SIZES = ["op", "batch", "in_h", "in_w", "c_in", "c_out", "k_h", "k_w", "stride", "groups", "dtype"]


@pytest.fixture(scope="module")
def table(store):
    path = store.with_name("exported.csv")
    assert run(["export", str(store), "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def fitted(table):
    """Calibrations to each target, with a report beside; the model is the fake device's own law."""

    @functools.cache
    def call(target):
        out = table.with_name(f"{target}.json")
        fit(table, target, out, "--report", out.with_suffix(".html"))
        return out

    return call


def fit(table, target, out, *more):
    files = (table, "--out", out, "--target", target, "--model", "flops-only", *more)
    assert run(["fit", *map(str, files)]) == 0
    return out


def test_what_was_measured_is_exported(store, table):
    found = pd.read_csv(table)
    with Store.existing(store) as opened:
        measured = collect(opened, opened.partitions()[0]).to_frame()
    assert found["batch"].tolist() == list(range(1, 13))
    assert found["sweep"].tolist() == ["odd", "even"] * 6
    pd.testing.assert_frame_equal(found[SIZES], measured[SIZES], check_dtype=False)
    for target, (_, each) in PLANTED.items():
        np.testing.assert_allclose(found[target], each * found["batch"], rtol=1e-6)


@pytest.mark.parametrize("target", PLANTED)
def test_what_was_measured_is_predicted_in_its_own_unit(
    succeeds, strict, table, fitted, target, tmp_path
):
    unit, each = PLANTED[target]
    calibration = fitted(target)
    content = strict(calibration)
    assert list(content["models"]) == [target]
    assert content["models"][target]["parameters"][0]["unit"] == f"FLOP/{unit}"
    said = succeeds("predict", calibration, table, "--out", tmp_path / "p.csv")
    found, given = pd.read_csv(tmp_path / "p.csv"), pd.read_csv(table)
    np.testing.assert_allclose(found[f"predicted_{target}"], each * given["batch"], rtol=1e-3)
    assert f"against {target} of 12 layers" in said
    added = [f"predicted_{target}{end}" for end in ("", "_lo", "_hi")]
    assert list(found) == [*given, *added]
    pd.testing.assert_frame_equal(found[list(given)], given)
    page = calibration.with_suffix(".html").read_text("utf-8")
    assert f"FLOP/{unit}" in page
    assert f"FLOP/{'s' if unit == 'J' else 'J'}" not in page


@pytest.mark.parametrize("target", PLANTED)
def test_the_command_fits_what_python_fits(table, fitted, target):
    ours = fit_layers(
        read_layer_table(table, target=target), Device("unknown"), target=target, model="flops-only"
    )
    found = load_calibration(fitted(target)).models[target]
    assert found.estimates[0].value == pytest.approx(ours.estimates[0].value, rel=1e-6)
    assert found.intervals == ours.intervals
    assert found.errors == ours.errors


@pytest.mark.parametrize("target", PLANTED)
def test_the_command_predicts_what_python_predicts(succeeds, table, fitted, target, tmp_path):
    calibration = fitted(target)
    succeeds("predict", calibration, table, "--out", tmp_path / "p.csv")
    ours = load_calibration(calibration).predict(read_layer_table(table))
    found = pd.read_csv(tmp_path / "p.csv")
    for end in ("", "_lo", "_hi"):
        column = f"predicted_{target}{end}"
        np.testing.assert_allclose(found[column], ours[column], rtol=1e-8)


def test_predictions_are_a_table_again(succeeds, table, fitted, tmp_path):
    """Predicted again nothing changes; fitted again the measured column is what is fitted."""
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    calibration = fitted("time_s")
    succeeds("predict", calibration, table, "--out", first)
    succeeds("predict", calibration, first, "--out", second)
    assert first.read_text() == second.read_text()
    again = fit(second, "time_s", tmp_path / "again.json")
    values = [load_calibration(c).models["time_s"].estimates for c in (calibration, again)]
    assert values[0] == values[1]


def test_both_targets_stand_side_by_side(succeeds, table, fitted, tmp_path):
    for target in PLANTED:
        out = tmp_path / f"{target}.csv"
        succeeds("predict", fitted(target), table, "--out", out)
        table = out
    found = pd.read_csv(table)
    ratio = found["predicted_energy_j"] / found["predicted_time_s"]
    np.testing.assert_allclose(ratio, WATTS, rtol=1e-3)


def test_merged_stores_are_exported_like_one(succeeds, device, store, table, tmp_path):
    sweep = tmp_path / "sweep.csv"
    pd.read_csv(table)[[*SIZES, "padding"]].assign(batch=range(21, 33)).to_csv(sweep, index=False)
    other, both = tmp_path / "2.db", tmp_path / "both.db"
    succeeds("measure", "--sweep", sweep, "--store", other, "--energy", "--processes", 1)
    succeeds("merge", store, other, "--out", both)
    succeeds("export", both, "--out", tmp_path / "both.csv")
    found = pd.read_csv(tmp_path / "both.csv")
    assert sorted(found["batch"]) == [*range(1, 13), *range(21, 33)]
    for target, (_, each) in PLANTED.items():
        np.testing.assert_allclose(found[target], each * found["batch"], rtol=1e-6)


def test_an_exported_table_can_be_measured_again(succeeds, device, store, table, tmp_path):
    arguments = ("--sweep", table, "--store", tmp_path / "again.db", "--processes", 1)
    succeeds("measure", *arguments)
    succeeds("export", tmp_path / "again.db", "--out", tmp_path / "again.csv")
    first, again = pd.read_csv(table), pd.read_csv(tmp_path / "again.csv")
    columns = [*SIZES, "sweep", "line", "time_s"]
    pd.testing.assert_frame_equal(first[columns], again[columns])

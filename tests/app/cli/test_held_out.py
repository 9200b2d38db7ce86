import dataclasses

import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate import load_calibration
from jaxcost.calibrate.fit import Accuracy
from jaxcost.calibrate.held_out import evaluate, hold_out, predict_each_unseen
from jaxcost.device import Device
from jaxcost.workload.layer_table import read_layer_table

COLUMNS = ("c_in", "c_out")


def _layers(sizes):
    """Layers of three sweeps, of as many rows each."""
    rows = [(name, i, i) for name, size in sizes.items() for i in range(size)]
    frame = pd.DataFrame(rows, columns=["sweep", "c_in", "c_out"])
    return frame.assign(c_in=np.arange(len(frame)))


def test_a_fifth_is_held_out_of_every_sweep():
    layers = _layers({"a": 50, "b": 10, "c": 25})
    for seed in range(20):
        held = hold_out(layers, COLUMNS, seed=seed)
        assert held.sum() == 17
        counts = layers[held].groupby("sweep").size()
        assert abs(counts["a"] - 10) <= 1
        assert abs(counts["b"] - 2) <= 1
        assert abs(counts["c"] - 5) <= 1


def test_the_draw_is_that_of_the_seed():
    layers = _layers({"a": 100})
    np.testing.assert_array_equal(
        hold_out(layers, COLUMNS, seed=1), hold_out(layers, COLUMNS, seed=1)
    )
    assert (hold_out(layers, COLUMNS, seed=1) != hold_out(layers, COLUMNS, seed=2)).any()


def test_every_layer_may_be_held_out():
    layers = _layers({"a": 10, "b": 7})
    drawn = [hold_out(layers, COLUMNS, seed=seed) for seed in range(200)]
    assert np.any(drawn, axis=0).all()


def test_equal_layers_are_held_out_together():
    layers = _layers({"a": 20, "b": 20}).assign(c_in=np.tile(np.arange(20), 2), c_out=1)
    for seed in range(20):
        held = hold_out(layers, COLUMNS, seed=seed)
        np.testing.assert_array_equal(held[:20], held[20:])
        assert held.sum() in (8, 10)


@pytest.fixture(scope="module")
def flops_only(fitted):
    return load_calibration(fitted[0] / "c.json").models["time_s"]


def test_held_out_errors_are_of_rows_not_seen(flops_only, table):
    layers = read_layer_table(table, target="time_s")
    half = layers.assign(time_s=layers["time_s"] / 2)
    device = Device("unknown")
    baselines = {"flops-only": flops_only.model_errors}
    fitted = dataclasses.replace(flops_only, baselines=baselines)
    checked = evaluate(fitted, half, layers, device, seed=0)
    # The model was fitted to whole times; the baseline anew, to half of them.
    assert checked.errors["held_out"].mean_absolute < 0.06
    assert checked.model_errors["held_out"] == checked.errors["held_out"]
    again = checked.baselines["flops-only"]["held_out"]
    assert again.median_absolute == pytest.approx(0.5, abs=0.05)
    assert again.within_10_percent == 0
    assert set(checked.errors) - set(fitted.errors) == {"held_out"}


def test_each_row_is_predicted_as_in_cross_validation(flops_only, table):
    layers = read_layer_table(table, target="time_s")
    unseen = predict_each_unseen(flops_only, layers, Device("unknown"), "time_s", seed=0)
    found = Accuracy.of(np.log(unseen), np.log(layers["time_s"]))
    expected = flops_only.errors["rows"]
    assert found.mean_absolute == pytest.approx(expected.mean_absolute, rel=1e-6)
    assert found.bias == pytest.approx(expected.bias, rel=1e-6)


def test_a_corrected_model_is_corrected_anew_in_each_fold(table):
    from jaxcost.calibrate.build import fit_layers

    layers, device = read_layer_table(table, target="time_s"), Device("unknown")
    fitted = fit_layers(layers, device, model="flops-only", correction=True)
    unseen = predict_each_unseen(fitted, layers, device, "time_s", seed=0)
    found = Accuracy.of(np.log(unseen), np.log(layers["time_s"]))
    assert found.mean_absolute == pytest.approx(fitted.errors["rows"].mean_absolute, rel=1e-6)
    assert found.mean_absolute != pytest.approx(fitted.model_errors["rows"].mean_absolute, rel=1e-3)

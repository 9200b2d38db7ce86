"""From a made-up table to a model: what was planted is found, what is wrong is said."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate import build as build_module
from jaxcost.calibrate.build import _Choice, fit_layers
from jaxcost.calibrate.fit import Accuracy
from jaxcost.calibrate.fit import sample as sample_module
from jaxcost.calibrate.fit.repeats import Repeats
from jaxcost.calibrate.measured_layers import MeasuredLayers
from jaxcost.device import Device, device
from jaxcost.measure.designs.other_sweeps import other_sweep
from jaxcost.models.registry import BASELINES, MODELS
from jaxcost.workload import from_table
from jaxcost.workload.layer_table import read_layer_table

T2000 = device("quadro-t2000")


def test_the_model_that_was_planted_is_chosen(fitted):
    assert fitted.name == "alpha-roofline"
    assert list(fitted.baselines) == list(BASELINES)
    for errors in fitted.baselines.values():
        assert errors["rows"].mean_absolute > 2 * fitted.model_errors["rows"].median_absolute


def test_what_was_planted_is_found_within_the_noise(fitted, planted):
    for estimate in fitted.estimates:
        if estimate.determined:
            truth = float(getattr(planted, estimate.name))
            assert estimate.value == pytest.approx(truth, rel=0.15), estimate.name
    determined = {e.name for e in fitted.estimates if e.determined}
    assert {"rate", "floor", "bandwidth", "spatial_ratio"} <= determined
    assert not {"grouped_ratio", "half_taps_grouped", "half_c_out_grouped"} & determined


def test_unseen_layers_are_predicted_within_the_noise(fitted, unseen):
    seconds = np.asarray(fitted.layer_costs(from_table(unseen), T2000), float)
    error = Accuracy.of(np.log(seconds), np.log(unseen["time_s"]))
    assert error.median_absolute < 0.03
    assert error.within_10_percent > 0.9


def test_intervals_cover_unseen_layers(fitted, unseen):
    """Of times with the noise of the table; these may be narrower than what sweeps ask for."""
    middle, lower, upper = fitted.interval(from_table(unseen), T2000)
    assert ((lower < middle) & (middle < upper)).all()
    draw = np.random.default_rng(8)
    noisy = unseen["time_s"].to_numpy() * np.exp(0.03 * draw.standard_normal((200, len(unseen))))
    assert 0.85 < ((lower <= noisy) & (noisy <= upper)).mean() <= 1


def test_rows_that_contradict_the_others_are_named(fitted):
    (line,) = [line for line in fitted.warnings if "contradict" in line]
    assert line.startswith("2 rows contradict the others and were given little weight: row ")
    assert "8 (2" in line or "8 (1" in line
    assert "45 (1/" in line


def test_what_the_table_leaves_open_is_said(fitted):
    for name in ("grouped_ratio", "half_taps_grouped", "half_c_out_grouped"):
        assert any(line.startswith(name) for line in fitted.warnings)


def test_errors_are_there_for_every_way_of_looking(fitted):
    assert list(fitted.errors) == ["in_sample", "rows", "sweeps"]
    assert list(fitted.model_errors) == ["in_sample", "rows", "sweeps"]
    assert {a.rows for a in fitted.errors.values()} == {90}


def test_in_sample_errors_are_those_of_the_corrected_model(fitted, table):
    seconds = np.asarray(fitted.layer_costs(from_table(table), T2000), float)
    repeats = Repeats.of(from_table(table))
    expected = Accuracy.of(np.log(seconds), np.log(table["time_s"]), repeats)
    assert fitted.errors["in_sample"].mean_absolute == pytest.approx(expected.mean_absolute)


def test_a_model_asked_for_by_name_stands_alone(table, unseen):
    alone = fit_layers(table, T2000, model="flops-only", starts=2)
    assert alone.name == "flops-only"
    assert alone.correction is None
    assert alone.layers is None
    assert list(alone.baselines) == ["alpha-flops", "roofline"]
    layers = from_table(unseen)
    np.testing.assert_array_equal(
        alone.layer_costs(layers, T2000), alone.model.layer_costs(layers, T2000)
    )
    with_ = fit_layers(table, T2000, model="flops-only", correction=True, starts=2)
    assert with_.correction is not None
    assert with_.errors["rows"].median_absolute < 0.9 * alone.errors["rows"].median_absolute


def test_a_table_without_sweeps_is_cross_validated_by_row(clean):
    frame = clean.drop(columns=["sweep", "time_s"]).assign(energy_j=clean["time_s"] * 30)
    found = fit_layers(frame, T2000, target="energy_j", model="flops-only", starts=2)
    assert list(found.errors) == ["in_sample", "rows"]
    assert found.intervals.widening == 0


@pytest.mark.parametrize(("rows", "left_out"), [(5, set()), (4, {"alpha-flops"})])
def test_a_model_of_which_too_much_is_open_is_not_tried(table, rows, left_out):
    """Of alpha-roofline's parameters all but one are near a typical value, whatever the data."""
    few = MeasuredLayers.of(table.head(rows), T2000, "time_s")
    assert set(few.names_to_fit(None)) == set(MODELS) - left_out


@pytest.mark.parametrize(
    ("changed", "given", "message"),
    [
        ({}, {"target": "energy_j"}, "table: column 'energy_j' is missing; add it"),
        ({}, {"target": "time"}, "target 'time' is not known; did you mean 'time_s'?"),
        ({}, {"model": "alpha_roofline"}, "model 'alpha_roofline' is not known; did you mean"),
        ({"time_s": np.nan}, {}, "table, row 0: time_s = nan is not allowed"),
        ({"time_s": 0.0}, {}, "table, row 0: time_s = 0 is not allowed"),
        ({"time_s": -1.0}, {}, "table, row 0: time_s = -1 is not allowed"),
        ({"c_in": 2.5}, {}, "table, row 0: c_in = 2.5 is not allowed"),
        ({"op": "convv"}, {}, "table, row 0: op 'convv' is not known; did you mean 'conv2d'?"),
        ({"rows": 9}, {}, "rows = 9 is not enough for intervals that are checked"),
        ({"rows": 1}, {}, "rows = 1 is not enough"),
        ({"rows": 0}, {}, "rows = 0 is not enough"),
        ({"alike": True}, {}, "all 90 rows describe the same layers"),
    ],
)
def test_bad_input_is_refused_in_one_line(table, changed, given, message):
    frame = table.iloc[: changed.get("rows", 90)]
    if "alike" in changed:
        frame = table.iloc[[5] * 90].reset_index(drop=True)
    frame = frame.assign(**{k: v for k, v in changed.items() if k in frame})
    with pytest.raises(ValueError) as caught:
        fit_layers(frame, T2000, **given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_that_are_no_products_leave_out_models_of_products(table):
    rows = [layer.row() for layer in other_sweep("memory_bound")]
    other = pd.DataFrame(rows).assign(time_s=1e-3)
    mixed = pd.concat([table, other], ignore_index=True).fillna({"dilation": 1})
    found = fit_layers(mixed, T2000, model="roofline", starts=2)
    assert not {"alpha-flops", "flops-only"} & set(found.baselines)


def test_rows_that_scatter_between_processes_weigh_less(table):
    wrong = table.assign(process_cv=0.0)
    rows = wrong.index[:45]
    wrong.loc[rows, "time_s"] *= 3.0
    wrong.loc[rows, "process_cv"] = 2.0
    told = fit_layers(wrong, T2000, model="roofline").layer_costs(from_table(table), T2000)
    untold = fit_layers(wrong.drop(columns="process_cv"), T2000, model="roofline")
    untold = untold.layer_costs(from_table(table), T2000)
    right = fit_layers(table, T2000, model="roofline").layer_costs(from_table(table), T2000)
    off = [float(np.median(np.abs(np.log(cost / right)))) for cost in (told, untold)]
    assert off[0] < off[1] / 3


def test_a_scatter_that_is_no_number_is_refused(table):
    with pytest.raises(ValueError, match="column process_cv: .*'wide'.*; give numbers, or leave"):
        fit_layers(table.assign(process_cv="wide"), T2000, model="roofline")


@pytest.fixture(scope="module")
def of_a_v100(shared) -> MeasuredLayers:
    path = shared / "datasets" / "gpu" / "deepbench_train.csv"
    table = read_layer_table(path, target="time_s")
    rows = table[(table["device"] == "NV_V100") & (table["dtype"] == "float32")]
    return MeasuredLayers.of(rows.drop(columns="sweep"), Device("NV_V100"), "time_s")


def test_models_are_judged_by_what_they_predict_of_rows_left_out(of_a_v100):
    data = of_a_v100
    result = data.fit("flops-only", starts=4)
    best = _Choice(data).best({"flops-only": result}, corrected=True)
    log_predicted, _ = data.corrected(result.folds["rows"])
    each = np.abs(log_predicted - data.log_observed)
    largest = np.abs(result.largest.log_predicted - data.log_observed)[result.largest.masks]
    repeated = (data.repeats.weights[None] * result.largest.masks)[result.largest.masks]
    assert best.errors == pytest.approx(
        {
            "rows": np.average(each, weights=data.repeats.weights),
            "largest": np.average(largest, weights=repeated),
        }
    )


@pytest.mark.parametrize(
    ("shares", "chosen"),
    [
        ({"rows": 0.8, "sweeps": 0.8, "largest": 0.8}, "another"),
        ({"rows": 0.8, "sweeps": 0.8, "largest": 0.95}, "first"),
        ({"rows": 0.95, "sweeps": 0.3, "largest": 0.3}, "first"),
        ({"rows": 1.0, "sweeps": 1.0, "largest": 1.0}, "first"),
    ],
)
def test_another_model_is_chosen_where_it_is_clearly_better_in_every_way(clean, shares, chosen):
    """Another, which is this share of the first's error off, of each row left out."""
    data = MeasuredLayers.of(clean, T2000, "time_s")
    first = data.fit("roofline", starts=4)

    def nearer(folds, share):
        error = folds.log_predicted - data.log_observed
        return dataclasses.replace(folds, log_predicted=data.log_observed + share * error)

    another = dataclasses.replace(
        first,
        folds={kind: nearer(folds, shares[kind]) for kind, folds in first.folds.items()},
        largest=nearer(first.largest, shares["largest"]),
    )
    results = {"first": first, "another": another}
    assert _Choice(data).best(results, corrected=False).name == chosen


def test_of_very_many_layers_some_choose_and_all_are_judged(monkeypatch, clean):
    data = MeasuredLayers.of(clean, T2000, "time_s")
    results = {n: data.fit(n, starts=2) for n in ("roofline", "flops-only")}
    asked = []
    corrected = MeasuredLayers.corrected

    def counted(rows, folds):
        asked.append(len(rows.x))
        return corrected(rows, folds)

    monkeypatch.setattr(MeasuredLayers, "corrected", counted)
    whole = _Choice(data).best(results, corrected=True)
    for module in (build_module, sample_module):
        monkeypatch.setattr(module, "MOST_LAYERS", 40)
    asked.clear()
    best = _Choice(data).best(results, corrected=True)
    kinds = len(results["roofline"].folds)
    assert sorted(asked)[-kinds:] == [len(data.x)] * kinds
    assert 40 <= min(asked) < 60
    assert best.name == whole.name
    for kind, (predicted, _) in whole.corrected.items():
        assert best.corrected[kind][0].shape == predicted.shape

"""The file: readable, stable, and refused whole where it is damaged."""

import copy
import json

import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate import load_calibration
from jaxcost.calibrate.features import features
from jaxcost.calibrate.presets import PRESETS
from jaxcost.calibrate.units import in_units_of
from jaxcost.workload import from_table

# What they predict is chosen to test other things, and lies outside at times.
pytestmark = pytest.mark.filterwarnings("ignore:(row|layer) .* outside the calibration")

MODEL = ("models", "time_s")
SIZES = {"n_observations": 6000, "n_features": 20, "n_labels": 2, "batch_size": 256}
RUNS = pd.DataFrame([SIZES | {"widths": widths} for widths in ("20 64 2", "20 2048 512 2")])


@pytest.fixture(scope="module")
def content(calibration, tmp_path_factory):
    path = tmp_path_factory.mktemp("calibration") / "calibration.json"
    calibration.save(path)
    return json.loads(path.read_text())


def edited(content, place, value):
    changed = copy.deepcopy(content)
    part = changed
    for key in place[:-1]:
        part = part[key]
    if value is DELETED:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    return json.dumps(changed)


DELETED = object()


def refusal(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError) as caught:
        load_calibration(path)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert "\n" not in line
    assert path.read_bytes() == (text if isinstance(text, bytes) else text.encode())
    return line.removeprefix(str(path))


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("schema_version",), 2, "schema_version = 2, but this jaxcost reads 1"),
        (("schema_version",), DELETED, "has no schema_version, so it is no calibration"),
        (("device", "memory", 0, "units"), -1, "device.memory.0.units = -1: Input should be gr"),
        (("device", "name"), DELETED, "device.name: Field required"),
        (("models",), {}, "models: Dictionary should have at least 1 item"),
        (("remark",), "mine", "remark = 'mine': Extra inputs are not permitted"),
        ((*MODEL, "model"), "alpha", "models.time_s: model 'alpha' is not known; did you mean"),
        ((*MODEL, "unit"), "J", "models.time_s: unit must be s"),
        ((*MODEL, "parameters", 0, "value"), -1.0, "parameters.0: value = -1 must lie in its"),
        ((*MODEL, "parameters", 0, "value"), "x", "parameters.0.value = 'x': Input should be a"),
        pytest.param((*MODEL, "parameters", 0, "value"), 10**400, "0.value = 1000", id="huge"),
        ((*MODEL, "parameters", 0), DELETED, "models.time_s: parameters must be rate, conv_ratio"),
        ((*MODEL, "covariance", 0), DELETED, "models.time_s: covariance must be 22 x 22"),
        ((*MODEL, "covariance"), [[1.0]], "models.time_s: covariance must be 22 x 22"),
        ((*MODEL, "covariance", 3, 2), DELETED, "models.time_s: covariance must be 22 x 22"),
        ((*MODEL, "intervals", "half_width"), 0, "intervals.half_width = 0: Input should be grea"),
        ((*MODEL, "errors", "rows", "within_10_percent"), 1.5, "within_10_percent = 1.5"),
        ((*MODEL, "correction_layers"), [], "correction_layers: Tuple should have at least 1 item"),
        ((*MODEL, "correction_layers", 4, 2), DELETED, "row of correction_layers must have 10"),
        ((*MODEL, "correction_layers"), None, "correction_layers must come together"),
        ((*MODEL, "parameters", 0, "value"), "2e12", "parameters.0.value = '2e12': Input should"),
        ((*MODEL, "parameters", 0, "value"), True, "parameters.0.value = True: Input should be a"),
        ((*MODEL, "parameters", 0, "determined"), "yes", "0.determined = 'yes': Input should be"),
        ((*MODEL, "parameters", 0, "lower"), 1e300, "must lie in its interval, 1e+300 to"),
        ((*MODEL, "parameters", 0, "bounds"), [5e13, None], "its bounds, 5e+13 to inf"),
        ((*MODEL, "intervals", "half_width"), "0.1", "half_width = '0.1': Input should be a va"),
        ((*MODEL, "covariance", 3, 2), 1e9, "covariance must be symmetric; 2.3 and 3.2 differ"),
        ((*MODEL, "covariance", 3, 3), -1.0, "covariance: variance of grouped_ratio = -1 < 0"),
        ((*MODEL, "singular_values", 0), -1.0, "singular_values.0 = -1: Input should be greater"),
        ((*MODEL, "errors", "rows", "rows"), 90.5, "errors.rows.rows = 90.5: Input should be a"),
        ((*MODEL, "errors", "rows", "layers"), 1000, "layers = 1000 must be at most rows = 90"),
        ((*MODEL, "errors", "rows", "mean_absolute"), -0.1, "mean_absolute = -0.1: Input should"),
        ((*MODEL, "correction_layers", 4, 2), 1e300, "correction_layers.4.2 = 1e+300: Input sho"),
        (("device", "memory", 0, "units"), "16", "device.memory.0.units = '16': Input should be"),
        (("schema_version",), True, "schema_version = True: Input should be a valid integer"),
        ((*MODEL, "correction_columns", 0), "area", "correction_columns must be ln_positions, ln"),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(content, tmp_path, place, value, words):
    assert words in refusal(tmp_path / "c.json", edited(content, place, value))


def test_an_unknown_target_is_refused(content, tmp_path):
    renamed = copy.deepcopy(content)
    renamed["models"]["time_ms"] = renamed["models"].pop("time_s")
    line = refusal(tmp_path / "c.json", json.dumps(renamed))
    assert "target 'time_ms' is not known; did you mean 'time_s'?" in line


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_none_is_refused(content, tmp_path, number):
    text = edited(content, (*MODEL, "intervals", "half_width"), 0.1234567)
    line = refusal(tmp_path / "c.json", text.replace("0.1234567", number))
    assert f"{number} is no JSON number" in line


def test_a_field_that_stands_twice_is_refused(content, tmp_path):
    text = json.dumps(content).replace('{"schema_version": 1', '{"device": {}, "schema_version": 1')
    assert "'device' stands twice" in refusal(tmp_path / "c.json", text)


def test_a_number_of_the_provenance_is_one(content, tmp_path):
    text = edited(content, ("provenance", "rows"), 0.1234567).replace("0.1234567", "1e999")
    assert "1e999 is no JSON number" in refusal(tmp_path / "c.json", text)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused_with_the_line(calibration, content, tmp_path, share):
    calibration.save(tmp_path / "whole.json")
    text = (tmp_path / "whole.json").read_text().rstrip()
    cut = text[: int(share * len(text))]
    line = refusal(tmp_path / "c.json", cut)
    assert line.startswith(f", line {max(1, cut.count(chr(10)) + 1)}, column ")
    assert "not JSON" in line


@pytest.mark.parametrize("text", [b"\xff\xfe\x00", b"[" * 100_000, b"[]", b"null", b'{"a": 1}'])
def test_a_foreign_file_is_refused(tmp_path, text):
    assert "give a calibration that jaxcost wrote" in refusal(tmp_path / "c.json", text)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="give a calibration that jaxcost wrote"):
        load_calibration(tmp_path)


def test_the_file_holds_what_the_contract_promises(content):
    assert list(content) == ["schema_version", "device", "models", "provenance"]
    model = content["models"]["time_s"]
    assert {"parameters", "covariance", "errors", "singular_values", "intervals"} <= set(model)
    assert list(model["errors"]) == ["in_sample", "rows", "sweeps"]
    rate = model["parameters"][0]
    assert (rate["name"], rate["unit"], rate["bounds"]) == ("rate", "FLOP/s", [0.0, None])
    assert rate["lower"] < rate["value"] < rate["upper"]
    assert np.shape(model["covariance"]) == (22, 22)


def test_a_person_can_read_it(calibration, tmp_path):
    calibration.save(tmp_path / "c.json")
    lines = (tmp_path / "c.json").read_text().splitlines()
    assert lines[:2] == ["{", '  "schema_version": 1,']
    assert sum(line.count("[") for line in lines if line.strip().startswith("[")) >= 90
    assert max(map(len, lines)) < 2000


def test_the_columns_of_the_correction_are_its_features(content, table):
    """Every column as its name says, worked out from the table; two of its layers stand twice."""
    table = table.drop_duplicates([n for n in table if n not in ("time_s", "sweep", "remark")])
    model = content["models"]["time_s"]
    found = dict(zip(model["correction_columns"], np.array(model["correction_layers"]).T))
    np.testing.assert_allclose(
        found["ln_positions"], np.log(table["batch"] * table["in_h"] * table["in_w"])
    )
    np.testing.assert_allclose(found["ln_c_in"], np.log(table["c_in"]))
    np.testing.assert_allclose(found["ln_c_out"], np.log(table["c_out"]))
    np.testing.assert_allclose(found["ln_taps"], np.log(table["k_h"] * table["k_w"]))
    np.testing.assert_array_equal(found["ln_groups"], 0)
    np.testing.assert_array_equal(found["twice_spatial"], 2 * (table["k_h"] > 1))
    np.testing.assert_array_equal(found["is_dense"], table["op"] == "dense")
    assert len(found) - 1 == features(from_table(table)).shape[1]


def test_saving_over_a_file_that_cannot_be_dumped_leaves_it(calibration, tmp_path):
    path = tmp_path / "c.json"
    path.write_text("before")
    broken = type(calibration)(calibration.device, {}, {})
    with pytest.raises(ValueError):
        broken.save(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_saved_and_loaded(name, tmp_path, unseen):
    preset = load_calibration(name)
    preset.save(tmp_path / "c.json")
    loaded = load_calibration(tmp_path / "c.json")
    table = RUNS
    if "time_s" in preset.models:
        table = unseen.assign(dtype=preset.models["time_s"].dtype)
    assert loaded.predict(table).equals(preset.predict(table))
    assert loaded.device == preset.device


def energies(fitted):
    """The same model as if it had been fitted to energies."""
    return in_units_of("energy_j", fitted)


def test_a_model_of_energies_is_in_joules_throughout(calibration, tmp_path):
    both = calibration.models | {"energy_j": energies(calibration.models["time_s"])}
    type(calibration)(calibration.device, both).save(tmp_path / "c.json")
    content = json.loads((tmp_path / "c.json").read_text())["models"]
    assert {target: model["unit"] for target, model in content.items()} == {
        "time_s": "s",
        "energy_j": "J",
    }
    units = {p["unit"] for p in content["energy_j"]["parameters"]}
    assert not any(unit == "s" or unit.endswith("/s") or unit.startswith("s/") for unit in units)
    assert list(load_calibration(tmp_path / "c.json").models) == ["time_s", "energy_j"]


def test_energies_of_earlier_versions_are_read_though_their_unit_is_that_of_times(
    calibration, tmp_path
):
    fitted = energies(calibration.models["time_s"])
    type(calibration)(calibration.device, {"energy_j": fitted}).save(tmp_path / "c.json")
    content = json.loads((tmp_path / "c.json").read_text())
    place = ("models", "energy_j", "unit")
    (tmp_path / "old.json").write_text(edited(content, place, "s"))
    assert "energy_j" in load_calibration(tmp_path / "old.json").models
    line = refusal(tmp_path / "bad.json", edited(content, place, "kWh"))
    assert "models.energy_j: unit must be J" in line


@pytest.mark.parametrize("name", ["butter-e-gpu", "butter-e-cpu"])
def test_what_was_chosen_of_a_model_is_kept_in_its_file(name, tmp_path):
    preset = load_calibration(name)
    preset.save(tmp_path / "c.json")
    loaded = load_calibration(tmp_path / "c.json")
    (model,) = [fitted.model for fitted in loaded.models.values()]
    assert model.data_set == {"gpu": "whole", "cpu": "batch"}[name[-3:]]
    content = json.loads((tmp_path / "c.json").read_text())
    place = ("models", "energy_per_epoch_j", "settings")
    without = edited(content, place, DELETED)
    (tmp_path / "old.json").write_text(without)
    assert load_calibration(tmp_path / "old.json").models
    line = refusal(tmp_path / "bad.json", edited(content, place, {"data_sett": "whole"}))
    assert "setting 'data_sett' is not known; did you mean 'data_set'?" in line
    line = refusal(tmp_path / "bad.json", edited(content, place, {"data_set": "hole"}))
    assert "data_set 'hole' is not known; did you mean 'whole'?" in line


def test_a_file_from_before_seven_of_its_models_parameters_predicts_as_it_did():
    """`data/measured/amd-epyc`; the numbers are those of 5f483e0, which wrote no such parameter."""
    known = load_calibration("amd-epyc")
    model = known.models["time_s"].model
    assert (model.hidden, model.term_latency, model.start_sharpness) == (0, 0, 1)
    sizes = {"op": "conv2d", "padding": "same", "dilation": 1, "dtype": "float32"}
    layers = pd.DataFrame(
        [
            {"batch": 8, "in_h": 16, "in_w": 16, "c_in": 3, "c_out": 8, "k_h": 5, "k_w": 5}
            | {"stride": 2, "groups": 1},
            {"batch": 1, "in_h": 16, "in_w": 16, "c_in": 512, "c_out": 256, "k_h": 1, "k_w": 1}
            | {"stride": 1, "groups": 8},
        ]
    ).assign(**sizes)
    predicted = known.predict(layers)
    was = [[2.120884e-05, 1.899126e-05, 2.368537e-05], [1.496546e-04, 1.340053e-04, 1.671314e-04]]
    columns = [f"predicted_time_s{end}" for end in ("", "_lo", "_hi")]
    np.testing.assert_allclose(predicted[columns].to_numpy(float), was, rtol=1e-5)

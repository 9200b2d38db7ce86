"""Tables of devices and their presets: those of the package, and made-up ones."""

import hashlib
import json

import pytest

from jaxcost.calibrate import load_calibration
from jaxcost.calibrate.bundled import CALIBRATIONS, calibration_files, measured, measured_devices
from jaxcost.calibrate.presets import PRESETS, preset
from jaxcost.workload.layer_table import validate_layers


@pytest.fixture
def folder(tmp_path):
    """A device with a table, its calibration, and one of a table that is no longer there."""
    path = tmp_path / "some-gpu"
    path.mkdir()
    (path / "layers.csv").write_text("op,time_s,energy_j\ndense,1e-3,\n")
    digest = hashlib.sha256((path / "layers.csv").read_bytes()).hexdigest()
    good, stale = {"provenance": {"table_sha256": digest}}, {"provenance": {"table_sha256": "0"}}
    (path / "calibration.json").write_text(json.dumps(good))
    (path / "calibration-bfloat16.json").write_text(json.dumps(stale))
    (path / "calibration-training.json").write_text(json.dumps(good))
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_a_preset_is_registered_only_with_the_table_it_was_fitted_to(folder):
    assert list(calibration_files(folder)) == ["some-gpu"]
    (folder / "some-gpu" / "layers.csv").write_text("op\n")
    assert calibration_files(folder) == {}
    (folder / "some-gpu" / "layers.csv").unlink()
    assert measured_devices(folder) == []


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"provenance": 3}'])
def test_a_damaged_calibration_is_no_preset(folder, damage):
    (folder / "some-gpu" / "calibration.json").write_text(damage)
    assert calibration_files(folder) == {}


def test_tables_are_read_by_device_and_name(folder):
    frame = measured("some-gpu", folder=folder)
    assert frame["time_s"].tolist() == [1e-3]
    assert frame["energy_j"].isna().all()
    with pytest.raises(ValueError, match="measured device 'some-cpu' is not known.*some-gpu"):
        measured("some-cpu", folder=folder)
    with pytest.raises(ValueError, match="table of some-gpu 'training' is not known.*layers"):
        measured("some-gpu", "training", folder)


def test_the_packages_own_tables_are_whole_and_have_their_presets():
    for device in measured_devices():
        frame = measured(device)
        validate_layers(frame[frame["status"] == "ok"], target="time_s")
        assert device in PRESETS
    assert set(calibration_files()) <= set(PRESETS)
    endings = tuple(CALIBRATIONS)
    assert all(name.endswith(endings) for name in calibration_files())
    for name in calibration_files():
        assert load_calibration(name).device == preset(name).device

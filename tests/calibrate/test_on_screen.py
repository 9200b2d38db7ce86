"""Calibrations fit on a screen, with each part's error and parameters."""

import pytest

import jaxcost as jc
from jaxcost.calibrate.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_calibration_fits_on_a_screen(name):
    found = jc.load_calibration(name)
    lines = repr(found).splitlines()
    assert lines[0] == f"Calibration of {found.device.kind}"
    assert len(lines) < 24
    assert max(map(len, lines)) < 100
    assert found._repr_html_().startswith("<b>Calibration of ")


def test_a_part_is_a_line_with_its_error():
    found = jc.load_calibration("h100-sxm")
    part = found.models["time_s"].apart["memory-bound"]
    median = f"{100 * part.errors['held_out'].median_absolute:.1f} % (held out)"
    assert f"time_s, memory-bound: memory-bound in float16, median error {median}\n" in repr(found)
    assert "conv_ratio *" in repr(found)
    assert "* not determined by the data" in repr(found)


def test_what_was_printed_without_an_interval_has_none():
    (line,) = [
        one for one in repr(jc.load_calibration("quadro-t2000")).splitlines() if "scale" in one
    ]
    assert line.split() == ["products", "scale", "18.7", "–", "ps/FLOP"]


def test_all_parameters_are_in_its_frame():
    found = jc.load_calibration("h100-sxm")
    frame = found.to_frame()
    parts = found.models["time_s"].parts
    assert len(frame) == sum(len(part.estimates) for part in parts.values())
    rate = frame[(frame["of"] == "products") & (frame["parameter"] == "rate")].iloc[0]
    assert rate["value"] == pytest.approx(float(found.models["time_s"].model.rate), rel=1e-6)
    assert rate["lower"] < rate["value"] < rate["upper"]
    assert list(found.models["time_s"].to_frame()["parameter"]) == list(frame["parameter"])
    assert repr(found.models["time_s"]).startswith("Fitted\n")

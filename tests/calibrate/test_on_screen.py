"""Calibrations and fits on a screen, with their errors and parameters."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost as jc
from jaxcost.calibrate import Accuracy
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


@pytest.fixture(scope="module")
def fit():
    sizes = [256, 512, 1024, 2048, 4096, 8192]
    layers = jc.dense(c_in=sizes, c_out=sizes, batch=64)
    seconds = 1e-9 * jnp.array(sizes) ** 2.0
    return jc.fit_model(jc.AlphaFlops, layers, jc.detect_device(), seconds, folds=3)


def test_a_fit_shows_its_errors_and_its_parameters(fit):
    lines = repr(fit).splitlines()
    assert lines[0] == "Fit of AlphaFlops, in s"
    assert lines[1] == f"in sample: {fit.errors['in_sample']}"
    assert lines[2] == f"rows left out: {fit.errors['rows']}"
    assert f"{len(fit.warnings)} warnings: see warnings" in lines
    assert len(lines) < 16
    assert max(map(len, lines)) < 100
    assert fit._repr_html_().count("<tr") == 1 + len(fit.estimates)


def test_the_frame_of_a_fit_has_each_parameter(fit):
    frame = fit.to_frame().set_index("parameter")
    assert list(frame.index) == ["scale", "beta_1", "gamma_1", "beta_k", "gamma_k"]
    assert frame["value"]["scale"] == fit.model.scale
    assert (frame["lower"] <= frame["value"]).all()
    assert (frame["value"] <= frame["upper"]).all()
    undetermined = [e.name for e in fit.estimates if not e.determined]
    assert list(frame.index[~frame["determined"]]) == undetermined
    assert f"{undetermined[0]} *" in repr(fit)


def test_an_accuracy_is_a_line_and_a_row():
    found = Accuracy.of(np.log([1.0, 2.2, 3.0]), np.log([1.0, 2.0, 4.0]))
    words = "Accuracy: mean error 11.7%, median 10.0%, 33% of 3 rows within 10 %"
    assert repr(found) == words
    assert found._repr_html_() == f"<b>{words}</b>"
    frame = found.to_frame()
    assert len(frame) == 1
    assert frame["mean_absolute"][0] == pytest.approx((0 + 0.1 + 0.25) / 3)

"""A device of which nothing, or little, was measured, on the command line."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate import load_calibration


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Sixteen products in bfloat16, a fifth slower than the H200's calibration says."""
    sizes = np.exp(np.random.default_rng(0).uniform(np.log(64), np.log(8192), (3, 16)))
    frame = pd.DataFrame(dict(zip(("batch", "c_in", "c_out"), sizes.round().astype(int))))
    ones = dict.fromkeys(("in_h", "in_w", "k_h", "k_w", "stride", "groups"), 1)
    frame = frame.assign(**ones, op="dense", padding="same", dtype="bfloat16")
    time_s = load_calibration("h200-sxm").predict(frame)["predicted_time_s"] * 1.2
    path = tmp_path_factory.mktemp("few") / "few.csv"
    frame.assign(time_s=time_s).to_csv(path, index=False)
    return path


def test_a_calibration_is_carried_over_and_says_so(jaxcost, few, tmp_path):
    out = tmp_path / "c.json"
    outcome = jaxcost("carry-over", "h100-sxm", "--to", "h200-sxm", "--out", out)
    assert (outcome.status, outcome.err) == (0, "")
    line = "nothing was measured on h200-sxm: carried over from h100-sxm by the data sheets"
    assert line in outcome.out
    content = json.loads(out.read_text())
    assert content["device"]["name"] == "h200-sxm"
    assert content["models"]["time_s"]["warnings"] == [line]
    assert content["provenance"]["carried_over_from"]["device"] == "h100-sxm"
    told = jaxcost("predict", out, few, "--out", tmp_path / "p.csv")
    assert told.status == 0
    assert line in " ".join(told.out.split())


def test_a_fit_starts_from_another_devices_calibration(jaxcost, few, tmp_path):
    out, page = tmp_path / "c.json", tmp_path / "r.html"
    words = ("--device", "h200-sxm", "--from", "h100-sxm", "--report", page)
    outcome = jaxcost("fit", few, "--out", out, *words)
    assert (outcome.status, outcome.err) == (0, "")
    assert "started from the calibration of h100-sxm" in outcome.out
    assert "fewer than ten layers (memory-bound) were measured: carried over" in " ".join(
        outcome.out.split()
    )
    assert "Beside other models" not in outcome.out
    content = json.loads(out.read_text())
    assert content["provenance"]["started_from"]["device"] == "h100-sxm"
    assert content["models"]["time_s"]["errors"]["rows"]["median_absolute"] < 0.15
    assert "predicted by a fit that was made without it" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--from", "h1000"], "calibration preset 'h1000' is not known; did you mean 'h100-sxm'?"),
        (["--from", "quadro-t2000"], "was measured in float32, and bfloat16 is asked for; give"),
        (["--from", "h100-sxm", "--model", "roofline"], "--model is that of the calibration"),
    ],
)
def test_what_cannot_be_started_from_is_refused(refuses, few, tmp_path, option, words):
    line = refuses("fit", few, "--out", tmp_path / "c.json", "--device", "h200-sxm", *option)
    assert words in line


def test_what_cannot_be_carried_over_is_refused(refuses, tmp_path):
    out = "--out", tmp_path / "c.json"
    assert "not both known" in refuses("carry-over", "h100-sxm", "--to", "v100", *out)
    assert "is a CPU" in refuses("carry-over", "amd-epyc", "--to", "b200", *out)

import hashlib
import json
from importlib import import_module

import pandas as pd
import pytest

from jaxcost.calibrate import load_calibration
from jaxcost.calibrate.tables import hardware
from jaxcost.calibrate.units import in_units_of
from jaxcost.device import detect_device

HEADER = "op,batch,in_h,in_w,c_in,c_out,k_h,k_w,stride,padding,groups,dtype,time_s"
GOOD = "conv2d,1,10,10,8,8,3,3,1,same,1,float32,0.001"
BAD_TABLES = {
    "empty": ("", "is empty"),
    "header only": (HEADER, "has no rows"),
    "no time": (HEADER.removesuffix(",time_s"), "column 'time_s' is missing; add it"),
    "misspelt": (HEADER.replace("c_in", "cin"), "column 'c_in' is missing; rename 'cin' to it"),
    "negative time": (GOOD.replace("0.001", "-0.001"), "line 22: time_s = -0.001"),
    "zero time": (GOOD.replace("0.001", "0"), "line 22: time_s = 0"),
    "nan time": (GOOD.replace("0.001", "nan"), "line 22: time_s = nan"),
    "zero channels": (GOOD.replace("8,8", "0,8"), "line 22: c_in = 0"),
    "negative channels": (GOOD.replace("8,8", "8,-8"), "line 22: c_out = -8"),
    "half a channel": (GOOD.replace("8,8", "8.5,8"), "line 22: c_in = 8.5"),
    "text": (GOOD.replace("10,10", "ten,10"), "line 22: in_h = 'ten'"),
    "groups": (GOOD.replace("same,1", "same,3"), "line 22: groups = 3"),
    "kernel": (GOOD.replace("3,3,1,same", "13,3,1,valid"), "line 22: k_h = 13"),
    "op": (GOOD.replace("conv2d", "convv"), "op 'convv' is not known; did you mean 'conv2d'?"),
    "dtype": (GOOD.replace("float32", "float33"), "dtype 'float33' is not known"),
    "ragged": ("conv2d,1,2", "line 22: 3 values but the header has 13 columns"),
    "one row": (None, "rows = 1 is not enough"),
    "constant": (GOOD, "all 21 rows describe the same layers; measure layers of different sizes"),
}


def _content(bad):
    if bad is None:
        return f"{HEADER}\n{GOOD}\n"
    if bad.startswith("op") or not bad:
        return bad
    return "\n".join([HEADER, *[GOOD] * 20, bad, ""])


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_refused_with_the_place_and_the_way_out(refuses, tmp_path, name):
    bad, words = BAD_TABLES[name]
    path = tmp_path / "t.csv"
    path.write_text(_content(bad))
    line = refuses("fit", path, "--out", tmp_path / "c.json", "--report", tmp_path / "c.html")
    assert line.startswith(str(path))
    assert words in line
    assert ";" in line


def test_what_is_no_text_is_refused(refuses, tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\x00\x01\x02" * 50)
    assert "is not text" in refuses("fit", tmp_path / "t.csv", "--out", tmp_path / "c.json")


@pytest.mark.parametrize(
    ("option", "line"),
    [
        (["--model", "alpha-flop"], "model 'alpha-flop' is not known; did you mean 'alpha-flops'?"),
        (["--target", "time"], "target 'time' is not known; did you mean 'time_s'?"),
        (["--target", "energy_j"], "column 'energy_j' is missing; add it"),
        (["--device", "t2000"], "device 't2000' is not known; did you mean 'quadro-t2000'?"),
    ],
)
def test_a_name_that_is_not_known_is_refused(refuses, table, tmp_path, option, line):
    assert line in refuses("fit", table, "--out", tmp_path / "c.json", *option)


def test_the_calibration_is_that_of_the_table(fitted, table, frame):
    folder, _ = fitted
    calibration = load_calibration(folder / "c.json")
    rate = calibration.models["time_s"].estimates[0]
    assert rate.value == pytest.approx(1e11, rel=0.05)
    assert calibration.device.name == "unknown"
    known = calibration.provenance
    assert known["table_sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert (known["table"], known["rows"], known["seed"]) == ("layers.csv", len(frame), 0)


def test_errors_baselines_and_parameters_are_printed(fitted):
    _, out = fitted
    lines = out.splitlines()
    assert "flops-only" in lines
    ways = [line.split("  ")[0] for line in lines if "rows left out" in line or "in sample" in line]
    assert ways[:2] == ["in sample", "rows left out"]
    assert any(line.startswith("sweeps left out") for line in lines)
    for model in ("flops-only ", "alpha-flops ", "roofline "):
        assert any(line.startswith(model) and "·" in line for line in lines), model
    (rate,) = (line.split() for line in lines if line.startswith("rate "))
    assert rate[-5:] == ["GFLOP/s", "rate", "of", "every", "layer"]
    assert "device unknown" in out
    assert lines[-1].startswith("Wrote ")


def test_plain_output_has_no_escapes_and_no_trailing_spaces(fitted):
    _, out = fitted
    assert "\x1b" not in out
    assert all(line == line.rstrip() for line in out.splitlines())


def test_the_report_shows_predictions_by_fits_that_had_not_seen_the_layer(fitted):
    source = (fitted[0] / "c.html").read_text(encoding="utf-8")
    assert "predicted by a fit that was made without it" in source
    assert "mean error on rows left out of the fit" in source


def test_options_are_handed_on_and_energies_are_in_joules(
    jaxcost, fitted, frame, tmp_path, monkeypatch
):
    asked = {}

    def fit_layers(layers, device, **settings):
        asked.update(settings, rows=len(layers), device=device.name)
        return in_units_of("energy_j", load_calibration(fitted[0] / "c.json").models["time_s"])

    monkeypatch.setattr(import_module("jaxcost.calibrate.tables"), "fit_layers", fit_layers)
    path, out = tmp_path / "t.csv", tmp_path / "c.json"
    frame.rename(columns={"time_s": "energy_j"}).to_csv(path, index=False)
    options = ("--target", "energy_j", "--model", "flops-only", "--no-correction", "--seed", 7)
    outcome = jaxcost("fit", path, "--out", out, "--device", "quadro-t2000", *options)
    assert (outcome.status, outcome.err) == (0, "")
    assert asked == {
        "rows": len(frame), "device": "quadro-t2000", "target": "energy_j",
        "model": "flops-only", "correction": False, "seed": 7,
    }  # fmt: skip
    assert "GFLOP/J" in outcome.out
    assert "FLOP/s" not in outcome.out
    content = json.loads(out.read_text())
    assert content["device"]["kind"] == "Quadro T2000"
    assert content["models"]["energy_j"]["parameters"][0]["unit"] == "FLOP/J"
    assert list(content["models"]) == ["energy_j"]


def test_what_was_measured_may_be_this_machine():
    rows = pd.DataFrame({"op": ["dense"]})
    assert hardware(rows, "this").name == detect_device().name
    assert hardware(rows, None).name == "unknown"

"""`jaxcost where-unsure`: what it prints, and that its table is one to be measured."""

import json

import pytest

from jaxcost.app.report import unsure as report
from jaxcost.measure.designs import sweep_layers
from jaxcost.trace.unsure_layers import BEYOND, Ends, Unsure, UnsureLayer

GIVEN = ("amd-epyc", "jax.numpy:dot", "--input", "f32[8,512]", "--input", "f32[512,50000]")


def test_the_table_can_be_measured_and_says_what_is_known(jaxcost, tmp_path):
    files = ("--json", tmp_path / "u.json", "--out", tmp_path / "layers.csv")
    outcome = jaxcost("where-unsure", *GIVEN, *files)
    assert (outcome.status, outcome.err) == (0, "")
    assert "8×512 → 50000" in outcome.out
    assert "jax.numpy:dot on AMD EPYC" in outcome.out
    (layer,) = sweep_layers(str(tmp_path / "layers.csv"), "cpu", ())
    assert (layer.op, layer.batch, layer.c_in, layer.c_out) == ("dense", 8, 512, 50000)
    record = json.loads((tmp_path / "u.json").read_text())
    (row,) = record["layers"]
    assert row["known"] == BEYOND
    assert row["layer"]["c_out"] == 50000
    assert record["half_width_if_all_measured"] < record["half_width"]
    half = (row["program_hi_if_measured_s"] - row["program_lo_if_measured_s"]) / 2
    assert half / record["latency_s"] == pytest.approx(record["half_width_if_all_measured"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("amd-epic", *GIVEN[1:]), "did you mean 'amd-epyc'?"),
        (("butter-e-gpu", *GIVEN[1:]), "no times of single layers"),
        (("amd-epyc", "jax.numpy:tanh", "--input", "f32[8]", "--out", "x.csv"), "has no layer"),
        (("amd-epyc", "jax.numpy:nothing"), "nothing"),
    ],
)
def test_bad_input_is_one_line(refuses, arguments, words):
    assert words in refuses("where-unsure", *arguments)


def test_the_calibration_is_no_output(refuses, fitted):
    path = fitted[0] / "c.json"
    assert "same file as the input" in refuses("where-unsure", path, *GIVEN[1:], "--json", path)


def test_further_rows_share_one():
    ends = Ends(0.5, 1.5)
    one = UnsureLayer(None, "sort", ("a", "b"), 2, 0.01, 0.005, 0.02, 0.04, BEYOND, "", 0.0, ends)
    table = report.layers(Unsure(1.0, ends, ends, (one,) * 25, ()))
    assert len(table.rows) == 21
    assert table.rows[0][:2] == ("sort (a and 1 more)", "2")
    assert table.rows[-1][0] == "5 further rows"
    assert table.rows[-1][4] == "20.0 %"

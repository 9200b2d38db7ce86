import csv

import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate import load_calibration
from jaxcost.workload.layer_table import read_layer_table

ADDED = ["predicted_time_s", "predicted_time_s_lo", "predicted_time_s_hi"]


def _rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_row_and_column_is_kept_as_written(jaxcost, table, tmp_path):
    odd = tmp_path / "odd.csv"
    lines = table.read_text().replace("dense,8,", "dense,8.0,", 1).splitlines()
    notes = ['"a, b"', "007", "", "NA", *["x"] * 20]
    odd.write_text("\n".join([lines[0] + ",note", *map(",".join, zip(lines[1:], notes))]))
    out = tmp_path / "new" / "o.csv"
    assert jaxcost("predict", "quadro-t2000", odd, "--out", out).status == 0
    before, after = _rows(odd), _rows(out)
    assert list(after[0]) == [*before[0], *ADDED]
    assert [{k: v for k, v in row.items() if k not in ADDED} for row in after] == before


def test_predictions_are_the_calibrations_own(jaxcost, table, tmp_path):
    out = tmp_path / "o.csv"
    assert jaxcost("predict", "quadro-t2000", table, "--out", out).status == 0
    expected = load_calibration("quadro-t2000").predict(read_layer_table(table))
    found = pd.read_csv(out)
    for column in ADDED:
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-8)
    assert (found[ADDED[1]] < found[ADDED[0]]).all()
    assert (found[ADDED[0]] < found[ADDED[2]]).all()


def test_a_calibration_from_a_file_and_its_errors_on_the_table(jaxcost, fitted, table, tmp_path):
    outcome = jaxcost("predict", fitted[0] / "c.json", table, "--out", tmp_path / "o.csv")
    assert (outcome.status, outcome.err) == (0, "")
    assert "12 layers predicted for an unknown device" in outcome.out
    found = pd.read_csv(tmp_path / "o.csv")
    error = (found["predicted_time_s"] / found["time_s"] - 1).abs()
    assert f"against time_s of 12 layers: mean error {100 * error.mean():.1f} %" in outcome.out


def test_a_table_without_measurements_has_nothing_to_compare(jaxcost, frame, tmp_path):
    path = tmp_path / "t.csv"
    frame.drop(columns="time_s").to_csv(path, index=False)
    outcome = jaxcost("predict", "quadro-t2000", path, "--out", tmp_path / "o.csv")
    assert outcome.status == 0
    assert "against" not in outcome.out
    frame.assign(time_s="unknown").to_csv(path, index=False)
    outcome = jaxcost("predict", "quadro-t2000", path, "--out", tmp_path / "o.csv")
    assert outcome.status == 0
    assert "against" not in outcome.out


def test_another_device_is_named(jaxcost, table, tmp_path):
    out = jaxcost("predict", "quadro-t2000", table, "--out", tmp_path / "o.csv").out
    assert "12 layers predicted for Quadro T2000, not this machine" in out


def test_an_unknown_preset_is_refused(refuses, table, tmp_path):
    line = refuses("predict", "quadro-t200", table, "--out", tmp_path / "o.csv")
    assert "'quadro-t200' is not known; did you mean 'quadro-t2000'?" in line


@pytest.mark.parametrize(
    "content", ['{"schema_version": 1, "mod', "[]", '{"schema_version": 99}', "\x00", ""]
)
def test_a_damaged_calibration_is_refused(refuses, table, tmp_path, content):
    path = tmp_path / "c.json"
    path.write_text(content)
    line = refuses("predict", path, table, "--out", tmp_path / "o.csv")
    assert line.startswith(str(path))
    assert ";" in line


def test_a_bad_table_is_refused(refuses, table, tmp_path):
    bad = tmp_path / "t.csv"
    bad.write_text(table.read_text().replace("dense,8", "dense,0", 1))
    line = refuses("predict", "quadro-t2000", bad, "--out", tmp_path / "o.csv")
    assert "line 2: batch = 0 is not allowed" in line
    assert "cannot be read" in refuses(
        "predict", "quadro-t2000", tmp_path / "no.csv", "--out", bad.with_name("o")
    )


def test_outputs_are_checked_before_anything_is_read(refuses, table, tmp_path):
    assert "is a folder" in refuses("predict", "none", table, "--out", tmp_path)
    assert "is the same file as the input" in refuses("predict", "none", table, "--out", table)


def test_sizes_beyond_single_precision_are_predicted(jaxcost, frame, tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "o.csv"
    huge = frame.assign(batch=2**31 - 1, c_in=2**31 - 1, c_out=2**31 - 1, in_h=2**31 - 1)
    huge.assign(in_w=2**31 - 1, op="conv2d").to_csv(path, index=False)
    assert jaxcost("predict", "quadro-t2000", path, "--out", out).status == 0
    found = pd.read_csv(out)
    assert np.isfinite(found["predicted_time_s"]).all()
    assert (found["predicted_time_s"] > 1e30).all()


def test_work_without_a_price_is_refused(refuses, frame, tmp_path):
    path = tmp_path / "t.csv"
    moved = {"op": "gather", "in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1, "stride": 1, "groups": 1}
    frame.assign(**moved, c_in=100).to_csv(path, index=False)
    line = refuses("predict", "quadro-t2000", path, "--out", tmp_path / "o.csv")
    assert line.startswith(f"{path}, line 2: ")
    assert "having no price for such work" in line


def test_a_full_disk_is_a_failure_and_leaves_nothing(refuses, table, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    arguments = ("predict", "quadro-t2000", table, "--out", tmp_path / "o.csv")
    line = refuses(*arguments, status=1)
    assert "No space left on device" in line
    assert "o.csv" in line


def test_what_stands_in_the_measured_column_and_is_no_measurement_is_named(
    jaxcost, frame, tmp_path
):
    path = tmp_path / "t.csv"
    times = frame["time_s"].astype(object)
    times[2], times[5], times[7] = "fast", "-1", ""
    frame.assign(time_s=times).to_csv(path, index=False)
    outcome = jaxcost("predict", "quadro-t2000", path, "--out", tmp_path / "o.csv")
    assert outcome.status == 0
    said = " ".join(outcome.out.split())
    assert "against time_s of 9 layers" in said
    assert "line 4: time_s = 'fast' is no finite number above 0" in said
    assert "(1 more rows alike)" in said


def test_rows_outside_the_calibration_are_named_with_their_lines(jaxcost, frame, tmp_path):
    row = frame.iloc[0].to_dict() | {"dtype": "bfloat16", "c_in": 1024, "c_out": 1024}
    large, conv = row | {"c_in": 200_000}, row | {"op": "conv2d", "k_h": 7, "k_w": 7, "in_h": 64}
    for rows, lines in (([row], []), ([row, large, conv, conv, large], [3, 4])):
        pd.DataFrame(rows).drop(columns="time_s").to_csv(path := tmp_path / "t.csv", index=False)
        outcome = jaxcost("predict", "h100-sxm", path, "--out", tmp_path / "o.csv")
        assert outcome.status == 0
        said = " ".join(outcome.out.split())
        assert said.count("outside the calibration") == len(lines)
        assert [f"line {n} (" in said for n in lines] == [True] * len(lines)
    assert "line 3 (dense) and 1 more row lie outside the calibration: 200000 input" in said
    assert "line 4 (conv2d) and 1 more row lie outside the calibration: no layer of its" in said


def test_the_table_that_was_fitted_lies_within(jaxcost, table, tmp_path):
    files = (tmp_path / "c.json", table, "--out", tmp_path / "o.csv")
    assert (
        jaxcost("fit", table, "--out", files[0], "--model", "roofline", "--correction").status == 0
    )
    assert "outside the calibration" not in jaxcost("predict", *files).out

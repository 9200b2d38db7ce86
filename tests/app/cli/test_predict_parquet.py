"""Tables in Parquet: what is predicted of a table in CSV is predicted of the same in Parquet."""

import re

import numpy as np
import pandas as pd
import pytest

from jaxcost._support import text
from jaxcost.app.cli import predict_parquet
from jaxcost.workload import parquet
from jaxcost.workload.parquet import Keys

pa = pytest.importorskip("pyarrow")
ADDED = ["predicted_time_s", "predicted_time_s_lo", "predicted_time_s_hi"]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """So that a table of some rows is read in several batches, priced in several pieces."""
    monkeypatch.setattr(parquet, "ROWS", 7)
    monkeypatch.setattr(predict_parquet, "_PIECE", 4)
    monkeypatch.setattr(predict_parquet, "_SMALL", 2)


@pytest.fixture
def repeated(frame):
    """Each layer three times, with other times, and columns that say nothing of it."""
    whole = pd.concat([frame] * 3, ignore_index=True).sample(frac=1, random_state=0)
    times = whole["time_s"] * np.linspace(0.9, 1.1, len(whole))
    return whole.assign(time_s=times, network=np.arange(len(whole)), note="a")


def _both(jaxcost, tmp_path, frame, calibration, *options):
    """The outcomes of the table in CSV and in Parquet."""
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    outcomes = [
        jaxcost("predict", calibration, table, "--out", table.with_stem("o"), *options)
        for table in (tmp_path / "t.csv", tmp_path / "t.parquet")
    ]
    assert [outcome.status for outcome in outcomes] == [0, 0], outcomes
    return outcomes


def _same_words(csv, other):
    """What is said, with the lines of the one as the rows of the other, and text as numbers."""
    rows = re.sub(r"line (\d+)", lambda m: f"row {int(m[1]) - 1}", " ".join(csv.out.split()))
    assert " ".join(other.out.split()) == rows.replace(".csv", ".parquet").replace(
        "'-0.001'", "-0.001"
    )


def test_a_table_in_parquet_is_predicted_as_in_csv(jaxcost, fitted, repeated, tmp_path):
    times = repeated["time_s"] * 1e3
    table = repeated.rename(columns={"op": "Kind"}).drop(columns="time_s").assign(t_ms=times)
    table.loc[table.index[[3, 9]], "t_ms"] = [-1.0, np.nan]
    _same_words(
        *_both(
            jaxcost, tmp_path, table, fitted[0] / "c.json",
            "--rename", "Kind=op", "--time-column", "t_ms",
        )
    )  # fmt: skip
    csv, found = pd.read_csv(tmp_path / "o.csv"), pd.read_parquet(tmp_path / "o.parquet")
    assert list(found) == list(csv) == [*table, *ADDED]
    pd.testing.assert_frame_equal(found[list(table)], table.reset_index(drop=True))
    np.testing.assert_allclose(found[ADDED], csv[ADDED], rtol=1e-8)


def test_rows_are_chosen_and_what_lies_outside_is_told_as_in_csv(jaxcost, repeated, tmp_path):
    table = repeated.assign(dtype="bfloat16", device="a card")
    table.loc[table.index[::4], "c_in"] = 200_000
    table.loc[table.index[1::5], "dtype"] = "float32"
    _same_words(*_both(jaxcost, tmp_path, table, "h100-sxm", "--dtype", "bfloat16"))
    found = pd.read_parquet(tmp_path / "o.parquet")
    assert set(found["dtype"]) == {"bfloat16"}
    np.testing.assert_allclose(found[ADDED], pd.read_csv(tmp_path / "o.csv")[ADDED], rtol=1e-8)


def test_training_runs_are_predicted_as_in_csv(jaxcost, tmp_path):
    runs = pd.DataFrame(
        {
            "n_observations": [1000, 2000] * 8, "n_features": 10, "n_labels": 1, "batch_size": 256,
            "widths": ["10 64 64 1", "10 32 1"] * 8, "device": ["eagle-gpu"] * 15 + ["another"],
        }
    )  # fmt: skip
    _same_words(*_both(jaxcost, tmp_path, runs, "butter-e-gpu", "--device", "eagle-gpu"))
    found = pd.read_parquet(tmp_path / "o.parquet")
    expected = pd.read_csv(tmp_path / "o.csv")
    assert len(found) == 15
    np.testing.assert_allclose(found.iloc[:, -3:], expected.iloc[:, -3:], rtol=1e-8)


def test_a_folder_of_parts_becomes_a_folder_of_parts(jaxcost, repeated, tmp_path):
    parts, out = tmp_path / "parts", tmp_path / "new" / "out"
    parts.mkdir()
    for name, rows in (("b", slice(20, None)), ("a", slice(0, 20)), ("empty", slice(0, 0))):
        repeated[rows].to_parquet(parts / f"{name}.parquet", index=False)
    (parts / "_SUCCESS").touch()
    outcome = jaxcost("predict", "quadro-t2000", parts, "--out", out)
    assert outcome.status == 0, outcome
    assert f"{len(repeated)} layers predicted" in outcome.out
    assert sorted(p.name for p in out.iterdir()) == ["a.parquet", "b.parquet", "empty.parquet"]
    found = pd.concat([pd.read_parquet(out / f"{name}.parquet") for name in "ab"])
    repeated.to_csv(tmp_path / "t.csv", index=False)
    jaxcost("predict", "quadro-t2000", tmp_path / "t.csv", "--out", tmp_path / "o.csv")
    np.testing.assert_allclose(found[ADDED], pd.read_csv(tmp_path / "o.csv")[ADDED], rtol=1e-8)
    assert list(pd.read_parquet(out / "empty.parquet")) == [*repeated, *ADDED]


@pytest.mark.parametrize("of_parts", [False, True])
def test_an_interrupted_command_leaves_nothing(jaxcost, repeated, tmp_path, monkeypatch, of_parts):
    table = tmp_path / "t.parquet"
    if of_parts:
        table.mkdir()
    repeated.to_parquet(table / "a.parquet" if of_parts else table, index=False)
    before = sorted(tmp_path.rglob("*"))
    calls, beside = [], predict_parquet._Rows._beside

    def stopped(self, *given):
        calls.append(given)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return beside(self, *given)

    monkeypatch.setattr(predict_parquet._Rows, "_beside", stopped)
    out = tmp_path / ("o" if of_parts else "o.parquet")
    outcome = jaxcost("predict", "quadro-t2000", table, "--out", out)
    assert outcome.status == 130
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"batch": 0}, "t.parquet, row 17: batch = 0 is not allowed"),
        ({"padding": "sane"}, "t.parquet, row 17: padding 'sane' is not known"),
        ({"dtype": "float16"}, "t.parquet, row 17: dtype is float16, but the calibration was"),
        ({"op": "gather", "c_in": 100}, "t.parquet, row 17: "),
    ],
)
def test_errors_name_the_row_in_the_file(refuses, fitted, repeated, tmp_path, changed, words):
    table = repeated.reset_index(drop=True)
    table.loc[16, list(changed)] = list(changed.values())
    table.to_parquet(tmp_path / "t.parquet", index=False)
    calibration = fitted[0] / "c.json"
    line = refuses("predict", calibration, tmp_path / "t.parquet", "--out", tmp_path / "o.parquet")
    assert words in line
    assert "alike" not in line


def test_a_column_that_changes_what_rows_are_is_read(refuses, tmp_path):
    sizes = {"batch_size": 1, "isl": 128, "num_heads": 8, "head_dim": 64, "dtype": "bfloat16"}
    table = pd.DataFrame([sizes | {"causal": causal} for causal in [False] * 9 + [True]])
    table.to_parquet(tmp_path / "t.parquet", index=False)
    line = refuses("predict", "h100-sxm", tmp_path / "t.parquet", "--out", tmp_path / "o.parquet")
    assert "row 10: causal = 1 is not allowed" in line


@pytest.mark.parametrize(
    ("table", "out", "words"),
    [
        ("t.parquet", "o.csv", "the table is Parquet; give NAME.parquet"),
        ("t.csv", "o.parquet", "the table is no Parquet; give NAME.csv"),
        ("t.parquet", "t.parquet", "is the same file as the input"),
        ("parts", "empty", "is there, and parts of another table would mix"),
        ("empty", "o", "no file in this folder is called *.parquet"),
        ("damaged.parquet", "o.parquet", "damaged.parquet: no Parquet file"),
        ("none.parquet", "o.parquet", "none.parquet"),
        ("norows.parquet", "o.parquet", "norows.parquet has no rows to predict"),
    ],
)
def test_what_cannot_be_read_or_written_is_refused(refuses, frame, tmp_path, table, out, words):
    for folder in ("parts", "empty"):
        (tmp_path / folder).mkdir()
    frame.to_csv(tmp_path / "t.csv", index=False)
    for name, rows in (("t", 9), ("parts/a", 9), ("norows", 0)):
        frame[:rows].to_parquet(tmp_path / f"{name}.parquet", index=False)
    (tmp_path / "damaged.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:500])
    assert words in refuses("predict", "quadro-t2000", tmp_path / table, "--out", tmp_path / out)


def test_rows_wanted_that_are_not_there_are_refused(refuses, frame, tmp_path):
    path, out = tmp_path / "t.parquet", tmp_path / "o.parquet"
    frame.to_parquet(path, index=False)
    line = refuses("predict", "quadro-t2000", path, "--out", out, "--dtype", "int8")
    assert "dtype = 'int8' is not allowed; give one of float32" in line
    line = refuses("predict", "quadro-t2000", path, "--out", out, "--device", "a")
    assert "has no column 'device'" in line


def test_only_so_many_rows_are_compared_evenly_and_it_says_so(
    jaxcost, frame, tmp_path, monkeypatch
):
    monkeypatch.setattr(predict_parquet, "_COMPARED", 6)
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    said = jaxcost(
        "predict", "quadro-t2000", tmp_path / "t.parquet", "--out", tmp_path / "o.parquet"
    )
    assert "against time_s of 6 layers (of every 2 rows measured the first)" in said.out
    found = pd.read_parquet(tmp_path / "o.parquet")[::2]
    error = (found["predicted_time_s"] / found["time_s"] - 1).abs().mean()
    assert f"mean error {text.error(error)}" in said.out


@pytest.mark.parametrize("bits", [62, 6])
def test_rows_have_the_same_key_where_they_are_equal(monkeypatch, bits):
    monkeypatch.setattr(parquet, "_MOST_BITS", bits)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 4, (60, 4)).astype(float), columns=list("abcd"))
    frame["b"] = frame["b"].map({0: "x", 1: "y", 2: None, 3: "z"})
    frame.loc[frame["a"] == 3, "a"] = np.nan
    keys, seen, since = Keys(), {}, 0
    for start in range(0, 60, 15):
        part = frame[start : start + 15]
        found = keys.of(part)
        if keys.since != since:
            seen, since = {}, keys.since
        for key, row in zip(found.tolist(), part.itertuples(index=False)):
            assert seen.setdefault(key, str(row)) == str(row)
        assert len(set(seen.values())) == len(seen)

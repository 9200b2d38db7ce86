"""What one command writes or lists, the next one takes."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate import load_calibration
from jaxcost.calibrate.presets import PRESETS
from jaxcost.device import presets
from jaxcost.device.data_sheets import data_sheets
from jaxcost.models.registry import ALL, MODELS

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["time", "energy", "runs"])
def test_a_calibration_of_an_earlier_version_predicts_as_it_did(succeeds, name, tmp_path):
    given, out = GOLDEN / f"{name}.csv", tmp_path / "p.csv"
    before = pd.read_csv(given)
    added = [column for column in before if column.startswith("predicted_")]
    before.drop(columns=added).to_csv(tmp_path / "t.csv", index=False)
    succeeds("predict", GOLDEN / f"{name}.json", tmp_path / "t.csv", "--out", out)
    found = pd.read_csv(out)
    assert [column for column in found if column.startswith("predicted_")] == added
    point, lower, upper = added  # intervals may have widened since, for what lies between
    np.testing.assert_allclose(found[point], before[point], rtol=1e-5)
    assert (found[lower] <= before[lower] * (1 + 1e-5)).all()
    assert (found[upper] >= before[upper] * (1 - 1e-5)).all()
    np.testing.assert_allclose(found[added], before[added], rtol=1e-3)


@pytest.mark.parametrize("name", ["time", "energy", "runs"])
def test_a_calibration_of_an_earlier_version_is_saved_and_loaded(name, tmp_path):
    first = load_calibration(GOLDEN / f"{name}.json")
    first.save(tmp_path / "c.json")
    second = load_calibration(tmp_path / "c.json")
    assert second.models.keys() == first.models.keys()
    for target, fitted in first.models.items():
        assert second.models[target].estimates == fitted.estimates
        assert second.models[target].intervals == fitted.intervals
    second.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "c.json").read_text()


def test_a_store_of_an_earlier_version_is_exported_and_merged(succeeds, tmp_path):
    for number, pid in enumerate((1, 2)):
        connection = sqlite3.connect(tmp_path / f"{number}.db")
        connection.executescript((GOLDEN / "store.sql").read_text())
        connection.execute("UPDATE processes SET pid = ?", (pid,))
        connection.commit()
        connection.close()
    succeeds("merge", tmp_path / "0.db", tmp_path / "1.db", "--out", tmp_path / "both.db")
    for store in ("0.db", "both.db"):
        succeeds("export", tmp_path / store, "--out", tmp_path / "t.csv")
        found = pd.read_csv(tmp_path / "t.csv")
        assert found["batch"].tolist() == [1, 2, 4]
        np.testing.assert_allclose(found["time_s"], 1e-3 * found["batch"])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Twelve dense layers of 10 ps a FLOP on average."""
    draw, path = np.random.default_rng(0), tmp_path_factory.mktemp("table") / "t.csv"
    sizes, spread = draw.integers(32, 512, (12, 2)), draw.uniform(0.9, 1.1, 12)
    fixed = {"in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1, "stride": 1, "padding": "same", "groups": 1}
    frame = pd.DataFrame({"op": "dense", "batch": 8, "c_in": sizes[:, 0], "c_out": sizes[:, 1]})
    time_s = 1.6e-10 * sizes.prod(axis=1) * spread
    frame.assign(**fixed, dtype="float32", time_s=time_s).to_csv(path, index=False)
    return path


def listed(out: str, known) -> set[str]:
    """The first words of the lines of a printed table that are `known`."""
    return {line.split()[0] for line in out.splitlines() if line.strip()} & set(known)


def test_every_device_listed_is_taken(succeeds, table, tmp_path):
    names = listed(succeeds("devices"), presets())
    assert names == set(presets())
    for name in names:
        out = tmp_path / f"{name}.json"
        succeeds("fit", table, "--out", out, "--model", "flops-only", "--device", name)
        assert load_calibration(out).device.name == name


def test_every_data_sheet_listed_is_taken(succeeds, strict, tmp_path):
    names = listed(succeeds("devices", "--data-sheets"), data_sheets())
    assert names == set(data_sheets())
    for name in names:
        precision = next(iter(data_sheets()[name]))
        given = ("--device", name, "--precision", precision, "--assume-peak", 0.4)
        succeeds("datasheet", "--flops", 1e9, *given, "--json", tmp_path / "e.json")
        assert strict(tmp_path / "e.json")["assumptions"]["device"] == name


def test_every_calibration_listed_is_taken(succeeds, table, tmp_path):
    (line,) = (x for x in succeeds("devices").splitlines() if x.startswith("Calibrations for"))
    names = [name.strip() for name in line.partition(":")[2].split(",")]
    assert names == list(PRESETS)
    for name in names:
        models = load_calibration(name).models
        if "time_s" in models:
            same = table.with_name(f"{models['time_s'].dtype}.csv")
            pd.read_csv(table).assign(dtype=models["time_s"].dtype).to_csv(same, index=False)
            succeeds("predict", name, same, "--out", tmp_path / f"{name}.csv")
            assert (pd.read_csv(tmp_path / f"{name}.csv")["predicted_time_s"] > 0).all()


def test_every_model_listed_is_taken_or_named_with_its_table(succeeds, jaxcost, table, tmp_path):
    names = listed(succeeds("models"), ALL)
    assert names == set(ALL)
    for name in names - set(MODELS):
        outcome = jaxcost("fit", table, "--out", tmp_path / "c.json", "--model", name)
        assert outcome.status == 2
        assert name in outcome.err


def test_the_tables_of_a_paper_are_tables(succeeds, strict, monkeypatch, tmp_path):
    monkeypatch.setattr("jaxcost.figures.style.png", lambda figure, **_: b"")
    succeeds("reproduce", "alpha-flops", "--out", tmp_path)
    rows = strict(tmp_path / "summary.json")
    names = ["source", "quantity", "published", "reproduced", "relative_error", "note"]
    assert rows
    assert all(list(row) == names for row in rows)
    tables = sorted(tmp_path.rglob("*.csv"))
    assert tables
    for path in tables:
        frame = pd.read_csv(path)
        assert len(frame), path
        assert not any(str(column).startswith("Unnamed") for column in frame), path


def test_provenance_is_kept(succeeds, strict, table, tmp_path):
    """From the table's own bytes to the calibration that was fitted to them."""
    import hashlib

    succeeds("fit", table, "--out", tmp_path / "c.json", "--model", "flops-only", "--seed", 7)
    known = strict(tmp_path / "c.json")["provenance"]
    assert known["table_sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert (known["table"], known["rows"], known["seed"]) == ("t.csv", 12, 7)
    assert load_calibration(tmp_path / "c.json").provenance == json.loads(json.dumps(known))

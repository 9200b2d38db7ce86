import math

import pytest
from ledger import Ledger


def test_rows_come_back_as_text_and_nothing_is_empty(tmp_path):
    ledger = Ledger(tmp_path / "new" / "t.csv")
    assert ledger.rows() == []
    ledger.append({"name": "a, b", "time_s": 1 / 3, "energy_j": None, "note": math.nan})
    ledger.append({"name": "c", "time_s": 2e-9, "energy_j": 1.5, "note": "x"})
    assert ledger.rows() == [
        {"name": "a, b", "time_s": "0.333333333", "energy_j": "", "note": ""},
        {"name": "c", "time_s": "2e-09", "energy_j": "1.5", "note": "x"},
    ]


def test_what_is_there_is_known_by_its_key(tmp_path):
    ledger = Ledger(tmp_path / "t.csv")
    ledger.append({"name": "a", "batch": 8, "time_s": 0.1})
    assert ledger.has({"name": "a", "batch": 8, "time_s": 0.7}, ("name", "batch"))
    assert not ledger.has({"name": "a", "batch": 9}, ("name", "batch"))


def test_a_write_that_fails_leaves_the_table_as_it_was(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "t.csv")
    ledger.append({"name": "a"})

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        ledger.append({"name": "b"})
    assert ledger.rows() == [{"name": "a"}]
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_damage_and_other_columns_are_refused(tmp_path):
    ledger = Ledger(tmp_path / "t.csv")
    ledger.append({"name": "a", "time_s": 1.0})
    with pytest.raises(ValueError, match="other columns"):
        ledger.append({"name": "b"})
    ledger.path.write_text(ledger.path.read_text() + "torn\n")
    with pytest.raises(ValueError, match="line 3: a row of another length"):
        ledger.rows()

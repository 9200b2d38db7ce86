"""A full disk: one line, nothing half-written, and what was stored before is there."""

import os
import sqlite3

import pytest

from jaxcost.measure import LayerSpec, Store, StoreFullError, merge_stores
from jaxcost.measure.clock.visit import Visit

LAYER = LayerSpec(op="dense", c_in=8, c_out=8, sweep="s")


def begun(store, host="h"):
    part = store.partition({"platform": "cpu"}, {"name": "d"})
    store.add_layers(part, [LAYER])
    facts = {"pid": 7, "host": host, "boot_id": "b", "started_monotonic_s": 5.0}
    return part, store.begin_process(part, 0, 0, facts)


def filled(path, host):
    with Store.create(path) as store:
        _, process = begun(store, host)
        for _ in range(20):
            store.add_attempt(process, LAYER, Visit(work="dot"), 1.0)
    return path


def fill(store, process):
    while True:
        store.add_attempt(process, LAYER, Visit(work="dot"), 1.0)


@pytest.mark.parametrize("size", [0, 100, 5000, 20000, 30000])
def test_a_store_that_cannot_be_made_is_gone_again(tmp_path, size, largest_file):
    with largest_file(size), pytest.raises(StoreFullError, match="the disk is full or fails"):
        Store.create(tmp_path / "m.db")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_file_at_all_is_full(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StoreFullError, match="No space left"):
        Store.create(tmp_path / "m.db")


@pytest.mark.parametrize("cause", ["pages", "limit"])
def test_writing_stops_and_spares_what_was_written(tmp_path, cause, largest_file):
    with Store.create(tmp_path / "m.db") as store:
        part, process = begun(store)
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        if cause == "pages":
            store._db.execute(f"PRAGMA max_page_count = {pages + 4}")
        limit = 300_000 if cause == "limit" else 10**9
        with largest_file(limit), pytest.raises(StoreFullError, match="disk is full.*--resume"):
            fill(store, process)
        before = len(list(store.attempts(part)))
        assert before > 3
    with Store.existing(tmp_path / "m.db") as store:
        assert len(list(store.attempts(part))) == before


@pytest.mark.parametrize("size", [40000, 60000])
def test_merging_leaves_nothing(jaxcost, tmp_path, size, largest_file):
    paths = [filled(tmp_path / f"{name}.db", name) for name in "ab"]
    with largest_file(size):
        outcome = jaxcost("merge", *paths, "--out", tmp_path / "new" / "out.db")
    assert (outcome.status, outcome.out) == (1, "")
    out = str(tmp_path / "new" / "out.db")
    assert outcome.err.startswith(f"jaxcost: store {out!r}: the disk is full or fails")
    assert outcome.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "b.db", "new"]
    assert list((tmp_path / "new").iterdir()) == []
    assert merge_stores(paths, tmp_path / "out.db") == 40


def test_a_merged_store_that_does_not_fit_in_one_file_is_no_store(
    tmp_path, monkeypatch, largest_file
):
    """SQLite closes a file silently whose journal it could not bring into it."""
    paths = [filled(tmp_path / f"{name}.db", name) for name in "ab"]
    settle = Store.settle

    def on_a_full_disk(store):
        with largest_file(8192):
            settle(store)

    monkeypatch.setattr(Store, "settle", on_a_full_disk)
    with pytest.raises(StoreFullError):
        merge_stores(paths, tmp_path / "out.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "b.db"]


def test_a_store_that_cannot_be_brought_up_to_date_is_left_as_it_was(
    jaxcost, tmp_path, largest_file
):
    path = filled(tmp_path / "m.db", "h")
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE checksums")
        db.execute("PRAGMA user_version = 1")
    db.close()
    content = path.read_bytes()
    with largest_file(4096):
        outcome = jaxcost("export", path, "--out", tmp_path / "t.csv")
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert path.read_bytes() == content
    with Store.existing(path) as store:
        assert len(list(store.attempts(*store.partitions()))) == 20

"""Damaged and old stores: what was written comes out, or one line that says what is wrong."""

import os
import random
import sqlite3
from pathlib import Path

import pytest

from jaxcost.measure import LayerSpec, Store, StoreError
from jaxcost.measure.clock.visit import Block, Visit
from jaxcost.measure.store import schema

FLIPS = int(os.environ.get("JAXCOST_FLIPS", "100"))  # 5000 take half a minute
LAYERS = [LayerSpec(op="dense", batch=n, c_in=8, c_out=8, sweep="s") for n in (1, 2, 3)]
FACTS = {"pid": 7, "host": "h", "boot_id": "b", "started_monotonic_s": 5.0, "started_utc": "t"}
VISIT = Visit(work="dot", compile_s=0.5, loops=(Block(4, 0.1 + 0.2, cpu_s=0.02),), steps=4)


def fill(store):
    part = store.partition({"platform": "cpu", "jax": "1"}, {"name": "d"})
    store.add_layers(part, LAYERS)
    process = store.begin_process(part, 2, 11, FACTS)
    for layer in LAYERS:
        store.add_attempt(process, layer, VISIT, 9.0)


@pytest.fixture
def path(tmp_path):
    with Store.create(tmp_path / "m.db") as store:
        fill(store)
    return tmp_path / "m.db"


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A store as it was before rows had checksums."""
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        before.setattr(schema.migrate, "__defaults__", (schema.MIGRATIONS[:1],))
        before.setattr(schema, "add_checksums", lambda _: None)
        before.setattr(schema, "damaged", lambda _: [])
        with Store.create(tmp_path / "old.db") as store:
            fill(store)
    return tmp_path / "old.db"


def content(path):
    """All that a store gives, in words: a NaN is like another."""
    with Store.existing(path) as store:
        return repr(
            [
                (part, store.layers(part), store.processes(part), list(store.attempts(part)))
                for part in store.partitions()
            ]
        )


def flipped(good, draw):
    """One bit another: of any byte, or, as most are empty, of one that is not."""
    places = range(len(good)) if draw.random() < 0.5 else [i for i, byte in enumerate(good) if byte]
    bad = bytearray(good)
    bad[draw.choice(places)] ^= 1 << draw.randrange(8)
    return bytes(bad)


def test_a_flipped_bit_is_harmless_or_named(path):
    expected, good, draw = content(path), path.read_bytes(), random.Random(FLIPS)
    lines = []
    for _ in range(FLIPS):
        path.write_bytes(flipped(good, draw))
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        try:
            assert content(path) == expected
        except StoreError as error:
            lines.append(str(error))
    assert all(line.startswith(f"store '{path}'") and "\n" not in line for line in lines)
    assert any("it is damaged in attempt" in line for line in lines)
    assert FLIPS / 10 < len(lines) < FLIPS


@pytest.mark.parametrize(
    ("statement", "record"),
    [
        ("UPDATE attempts SET loops = replace(loops, '0.3', '0.4') WHERE id = 2", "attempt 2"),
        ("UPDATE attempts SET wall_s = 1 WHERE id = 3", "attempt 3"),
        ("UPDATE layers SET position = 9 WHERE id = 2", "layer 2"),
        ("UPDATE processes SET seed = 12", "process 1"),
        ("UPDATE partitions SET device = '{}'", "partition 1"),
        ("DELETE FROM attempts WHERE id = 3", "attempt 3"),
        ("DELETE FROM attempts", "attempt 1 and 2 more"),
        ("DELETE FROM checksums WHERE record = 'layer' AND number = 1", "layer 1"),
        ("UPDATE checksums SET checksum = 1 WHERE record = 'process'", "process 1"),
    ],
)
def test_what_is_not_as_it_was_written_is_named(jaxcost, path, tmp_path, statement, record):
    with sqlite3.connect(path) as db:
        assert db.execute(statement).rowcount > 0
    db.close()
    line = f"store {str(path)!r}: it is damaged in {record}; restore a copy, or give another file"
    for command in (["export", path], ["merge", path, tmp_path / "other.db"]):
        outcome = jaxcost(*command, "--out", tmp_path / ("t.csv" if len(command) == 2 else "o.db"))
        assert outcome == (2, "", f"jaxcost: {line}\n")
    assert not {"t.csv", "o.db"} & {file.name for file in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "statement",
    ["PRAGMA user_version = 1", "PRAGMA user_version = 0", "DROP INDEX attempts_by_layer"],
)
def test_tables_that_are_not_those_of_their_version_are_damage(path, statement):
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()
    with pytest.raises(StoreError, match="it is damaged; restore a copy"):
        Store.create(path)


def test_an_old_store_is_read_whole_and_says_what_was_done(jaxcost, old, path, tmp_path):
    with sqlite3.connect(old) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()
    outcome = jaxcost("export", old, "--all", "--out", tmp_path / "t.csv")
    assert (outcome.status, outcome.err) == (0, "")
    assert f"store {str(old)!r} was of version 1 and is of 2 now" in outcome.out
    assert content(old) == content(path)
    assert "was of version" not in jaxcost("export", old, "--all", "--out", tmp_path / "t.csv").out
    with sqlite3.connect(old) as db:
        db.execute("UPDATE attempts SET steps = 5 WHERE id = 2")
    db.close()
    with pytest.raises(StoreError, match="it is damaged in attempt 2"):
        Store.existing(old)


ROWS = [
    ("attempts", "loops"),
    ("attempts", "doubling"),
    ("layers", "spec"),
    ("processes", "provenance"),
    ("partitions", "device"),
]


@pytest.mark.parametrize(
    ("table", "column", "damage"),
    [(*row, damage) for row in ROWS for damage in ("", "[1", "[1]")]
    + [(*row, '{"a": 1}') for row in ROWS[:3]],  # the others may hold anything
)
def test_a_row_of_an_old_store_that_makes_no_sense_is_named(old, table, column, damage):
    record = {"processes": "process"}.get(table, table[:-1])
    with sqlite3.connect(old) as db:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE id = 1", (damage,))
    db.close()
    with pytest.raises(StoreError, match=f"it is damaged in {record} 1; restore a copy"):
        content(old)

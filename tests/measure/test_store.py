"""The store: what goes in comes out, and nothing else is ever touched."""

import dataclasses
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from jaxcost.measure.clock.visit import Block, Doubling, Visit
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.store import Store, StoreError, schema

LAYERS = [LayerSpec(op="dense", batch=n, c_in=8, c_out=8, sweep="s", line=1) for n in (1, 2, 3)]
FINGERPRINT = {"platform": "cpu", "jax": "1"}
FACTS = {"pid": 7, "host": "h", "boot_id": "b", "started_monotonic_s": 5.0, "python": "3"}
VISIT = Visit(
    work="dot",
    compile_s=0.5,
    memory_bytes=10**10,
    steps=4,
    loops=(Block(4, 0.02, cpu_s=0.02, waiting_s=0.0), Block(4, 0.1 + 0.2)),
    calls=(Block(2, 0.01, shortest_s=0.004),),
    doubling=Doubling((2.0, 1.95), (True, False)),
    settled=True,
    wall_s=0.7,
    energy={"energy_j": None, "reason": "no counter"},
    state={"load_1min": 0.5},
    hlo_hash="ab",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "measurements.db"


def begun(store):
    """A partition with layers and a process in it."""
    partition = store.partition(FINGERPRINT, {"name": "d"})
    store.add_layers(partition, LAYERS)
    return partition, store.begin_process(partition, 2, 11, FACTS)


def filled(path):
    with Store.create(path) as store:
        _, process = begun(store)
        for layer in LAYERS:
            store.add_attempt(process, layer, VISIT, 9.0)
    return path


def test_what_goes_in_comes_out(path):
    filled(path)
    with Store.existing(path) as store:
        (partition,) = store.partitions()
        assert partition.fingerprint == FINGERPRINT
        assert partition.device == {"name": "d"}
        assert store.layers(partition) == LAYERS
        attempts = list(store.attempts(partition))
        assert [a.layer for a in attempts] == LAYERS
        assert {a.slot for a in attempts} == {2}
        assert attempts[0].visit == VISIT
        (process,) = store.processes(partition)
        assert process["provenance"] == {"python": "3"}
        assert (process["pid"], process["seed"], process["host"]) == (7, 11, "h")
        assert store.is_intact()


def test_what_is_unknown_comes_out_unknown(path):
    with Store.create(path) as store:
        partition, process = begun(store)
        store.add_attempt(process, LAYERS[0], Visit(status="oom", error="no memory"), 1.0)
        (attempt,) = store.attempts(partition)
    assert attempt.visit.compile_s is None
    assert attempt.visit.wall_s is None
    assert attempt.visit.work is None
    assert (attempt.visit.status, attempt.visit.error) == ("oom", "no memory")


def test_layers_keep_their_place_and_are_there_once(path):
    with Store.create(path) as store:
        partition = store.partition(FINGERPRINT, {})
        store.add_layers(partition, LAYERS[:2])
        store.add_layers(partition, [LAYERS[2], LAYERS[0]])
        assert store.layers(partition) == LAYERS


def test_another_fingerprint_is_another_partition(path):
    with Store.create(path) as store:
        first, _ = begun(store)
        second = store.partition(FINGERPRINT | {"jax": "2"}, {})
        assert store.partition(FINGERPRINT, {}) == first
        assert [p.number for p in store.partitions()] == [first.number, second.number]
        assert store.layers(second) == []


def test_a_row_is_on_disk_when_the_call_returns(path):
    program = (
        "import sys, os; from test_store import *\n"
        "store = Store.create(sys.argv[1]); _, process = begun(store)\n"
        "store.add_attempt(process, LAYERS[0], VISIT, 1.0)\n"
        "os.kill(os.getpid(), 9)"
    )
    here = Path(__file__).parent
    ended = subprocess.run([sys.executable, "-c", program, str(path)], cwd=here, check=False)
    assert ended.returncode == -9
    with Store.existing(path) as store:
        assert len(list(store.attempts(store.partitions()[0]))) == 1
        assert store.is_intact()


@pytest.mark.parametrize(
    "content", [b"no store at all" * 100, b"SQLite format 3\x00" + b"\x01" * 4000]
)
def test_a_file_that_is_no_store_is_refused_and_left_alone(path, content):
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged or no store at all"):
        Store.create(path)
    assert path.read_bytes() == content


def test_a_damaged_store_is_refused_and_left_alone(path):
    content = bytearray(filled(path).read_bytes())
    content[3000:9000] = b"\x5a" * 6000
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        Store.create(path)
    assert path.read_bytes() == bytes(content)


def test_a_database_of_another_program_is_refused_and_left_alone(path):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE attempts (x)")
    other.close()
    content = path.read_bytes()
    with pytest.raises(StoreError, match="a database of another program"):
        Store.create(path)
    assert path.read_bytes() == content


def test_a_store_of_a_newer_version_is_refused(path):
    filled(path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="schema version 99 is newer than 2.*update jaxcost"):
        Store.create(path)


def test_a_missing_store_is_not_made_up(path):
    with pytest.raises(StoreError, match="does not exist"):
        Store.existing(path)
    assert not path.exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(StoreError, match="cannot be written here"):
        Store.create(tmp_path / "none" / "m.db")


def test_one_writer_at_a_time(path):
    with Store.create(path) as first, Store.create(path) as second:
        with first.lock(), pytest.raises(StoreError, match="being written by another process"):
            second.lock().__enter__()
        with second.lock():
            pass


def test_migrations_run_in_order_and_each_wholly_or_not_at_all():
    db = sqlite3.connect(":memory:", isolation_level=None)

    def first(db):
        db.execute("CREATE TABLE a (x)")

    def second(db):
        db.execute("ALTER TABLE a ADD COLUMN y")

    def broken(db):
        db.execute("DROP TABLE a")
        raise ArithmeticError

    schema.migrate(db, [first])
    schema.migrate(db, [first, second])
    assert schema.version(db) == 2
    with pytest.raises(ArithmeticError):
        schema.migrate(db, [first, second, broken])
    assert schema.version(db) == 2
    assert db.execute("SELECT y FROM a").fetchall() == []
    schema.migrate(db, [first, second])


def test_a_store_has_one_lock_by_whatever_link_it_is_opened(path, tmp_path):
    filled(path)
    (tmp_path / "link.db").symlink_to(path)
    refused = pytest.raises(StoreError, match="being written by another process")
    link = tmp_path / "link.db"
    with Store.create(path) as one, Store.create(link) as other, one.lock(), refused:
        other.lock().__enter__()


def test_a_store_by_a_second_name_is_refused_and_left_alone(path, tmp_path):
    """Each name would have a journal of its own: even to look would undo what is being written."""
    other = tmp_path / "other.db"
    with Store.create(path) as store, store.lock():
        _, process = begun(store)
        other.hardlink_to(path)
        for opening in (Store.create, Store.existing):
            with pytest.raises(StoreError, match=r"has 2 names \(hard links\).*copy it"):
                opening(other)
        store.add_attempt(process, LAYERS[0], VISIT, 1.0)
        assert {file.name for file in tmp_path.glob("other*")} == {"other.db"}
    other.unlink()
    with Store.existing(path) as store:
        assert len(list(store.attempts(*store.partitions()))) == 1


def test_a_row_as_it_was_written_by_the_first_version_is_the_same_visit(path):
    """In JSON, what was unknown of a block is left out, and what was unknown of a visit is null."""
    columns = {
        "loops": '[{"steps":4,"duration_s":0.02,"cpu_s":0.02,"waiting_s":0.0},'
        '{"steps":4,"duration_s":0.30000000000000004}]',
        "calls": '[{"steps":2,"duration_s":0.01,"shortest_s":0.004}]',
        "doubling": '{"ratios":[2.0,1.95],"accepted":[true,false]}',
        "energy": '{"energy_j":null,"reason":"no counter"}',
        "state": '{"load_1min":0.5}',
    }
    filled(path)
    with Store.existing(path) as store:
        (written,) = store.rows(f"SELECT {', '.join(columns)} FROM attempts WHERE id = 1")
        assert [json.loads(text) for text in written] == [json.loads(c) for c in columns.values()]
        with store.writing() as db:
            names = f"{', '.join(columns)}, compile_s, wall_s"
            rest = "process_id, layer_id, status, error, at_utc, at_monotonic_s, memory_bytes"
            rest += ", steps, work, hlo_hash, settled"
            db.execute(
                f"INSERT INTO attempts ({rest}, {names})"
                f" SELECT {rest}, ?, ?, ?, ?, ?, NULL, NULL FROM attempts WHERE id = 1",
                tuple(columns.values()),
            )
        *_, last = store.attempts(*store.partitions())
    assert last.visit == dataclasses.replace(VISIT, compile_s=None, wall_s=None)

"""Merging stores: nothing lost, nothing twice, and what does not fit is refused."""

import pytest

from jaxcost.measure import LayerSpec, Store, StoreError, collect, merge_stores
from jaxcost.measure.clock.visit import Block, Doubling, Visit

LAYERS = [LayerSpec(op="dense", batch=n, c_in=8, c_out=8, sweep="s") for n in (1, 2, 3)]
DEVICE = {"name": "d", "peak_flops": 1e12}


def visit(step_s):
    blocks = (Block(10, 10 * step_s, cpu_s=10 * step_s),) * 15
    doubling = Doubling((2.0,), (True,))
    return Visit(work="dot", compile_s=0.1, steps=10, loops=blocks, calls=blocks, doubling=doubling)


def store(path, *, host="a", jax="1", device=DEVICE, layers=LAYERS, step_s=1e-3):
    """A store with one process that has visited each layer once."""
    with Store.create(path) as made:
        part = made.partition({"platform": "cpu", "jax": jax}, device)
        made.add_layers(part, layers)
        facts = {"pid": 1, "host": host, "boot_id": "b", "started_monotonic_s": 1.0}
        process = made.begin_process(part, 0, 3, facts)
        for layer in layers:
            made.add_attempt(process, layer, visit(step_s), 2.0)
    return path


def test_equal_devices_come_together_as_further_processes(tmp_path):
    one = store(tmp_path / "1.db", layers=LAYERS[:2], step_s=1e-3)
    two = store(tmp_path / "2.db", host="b", layers=LAYERS[1:], step_s=3e-3)
    assert merge_stores([one, two], tmp_path / "out.db") == 4
    with Store.existing(tmp_path / "out.db") as merged:
        assert merged.is_intact()
        (part,) = merged.partitions()
        assert [p["host"] for p in merged.processes(part)] == ["a", "b"]
        records = collect(merged, part).records
    assert [record.layer for record in records] == LAYERS
    assert [record.process_times for record in records] == [
        pytest.approx([1e-3]),
        pytest.approx([1e-3, 3e-3]),
        pytest.approx([3e-3]),
    ]
    assert not list(tmp_path.glob("*.partial*"))


def test_every_column_of_a_timing_is_copied(tmp_path):
    paths = [store(tmp_path / "1.db"), store(tmp_path / "2.db", host="b")]
    merge_stores(paths, tmp_path / "out.db")
    query = (
        "SELECT a.status, a.at_utc, a.at_monotonic_s, a.loops, a.doubling, l.spec, p.host, p.seed"
        " FROM attempts a JOIN layers l ON l.id = a.layer_id JOIN processes p"
        " ON p.id = a.process_id"
    )
    before = []
    for path in paths:
        with Store.existing(path) as opened:
            before += list(opened.rows(query))
    with Store.existing(tmp_path / "out.db") as merged:
        assert sorted(merged.rows(query)) == sorted(before)


def test_other_versions_keep_their_partition(tmp_path):
    paths = [store(tmp_path / "1.db"), store(tmp_path / "2.db", host="b", jax="2")]
    merge_stores(paths, tmp_path / "out.db")
    with Store.existing(tmp_path / "out.db") as merged:
        assert [part.fingerprint["jax"] for part in merged.partitions()] == ["1", "2"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"host": "a"}, "process 1 of a is in another store, too"),
        ({"host": "b", "device": DEVICE | {"peak_flops": 2e12}}, "has peak_flops = 2000000000000"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_written(tmp_path, changed, words):
    paths = [store(tmp_path / "1.db"), store(tmp_path / "2.db", **changed)]
    with pytest.raises(StoreError, match=words):
        merge_stores(paths, tmp_path / "out.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.db", "2.db"]


def test_nothing_is_overwritten(tmp_path):
    one = store(tmp_path / "1.db")
    content = one.read_bytes()
    with pytest.raises(StoreError, match="exists; give the name of a new file"):
        merge_stores([store(tmp_path / "2.db", host="b")], one)
    assert one.read_bytes() == content


def test_a_file_that_merging_did_not_make_is_left_alone(tmp_path):
    """Named as the unfinished store used to be."""
    (tmp_path / "out.db.partial").write_text("mine")
    merge_stores(
        [store(tmp_path / "1.db"), store(tmp_path / "2.db", host="b")], tmp_path / "out.db"
    )
    assert (tmp_path / "out.db.partial").read_text() == "mine"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("out", ["1.db", "link.db", "hard.db", "notes.txt", "folder", "/dev/null"])
def test_what_is_there_is_never_merged_onto(jaxcost, tmp_path, out):
    paths = [store(tmp_path / "1.db"), store(tmp_path / "2.db", host="b")]
    (tmp_path / "link.db").symlink_to(paths[0])
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    if out == "hard.db":
        (tmp_path / out).hardlink_to(paths[1])
    before = {path: path.is_dir() or path.read_bytes() for path in tmp_path.iterdir()}
    outcome = jaxcost("merge", *paths, "--out", tmp_path / out)
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    with pytest.raises(StoreError, match=r"exists; give the name of a new file|hard links"):
        merge_stores(paths, tmp_path / out)
    assert {path: path.is_dir() or path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_store_given_twice_is_refused_by_whatever_name(jaxcost, tmp_path):
    path = store(tmp_path / "1.db")
    (tmp_path / "link.db").symlink_to(path)
    outcome = jaxcost("merge", path, tmp_path / "link.db", "--out", tmp_path / "out.db")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "is in another store, too; give each store once" in outcome.err
    assert {file.name for file in tmp_path.iterdir()} == {"1.db", "link.db"}


def test_a_file_that_came_while_it_merged_is_left_alone(tmp_path, monkeypatch):
    out, settle = tmp_path / "out.db", Store.settle

    def slow(merged):
        settle(merged)
        out.write_text("mine")

    monkeypatch.setattr(Store, "settle", slow)
    with pytest.raises(StoreError, match="exists; give the name of a new file"):
        merge_stores([store(tmp_path / "1.db"), store(tmp_path / "2.db", host="b")], out)
    assert out.read_text() == "mine"
    assert {file.name for file in tmp_path.iterdir()} == {"1.db", "2.db", "out.db"}

"""`export` and `merge`: what scripts get from a store."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from jaxcost.measure import LayerSpec, Store
from jaxcost.measure.clock.visit import Block, Doubling, Visit
from jaxcost.workload.layer_table import read_layer_table

SIZES = np.random.default_rng(0).integers(16, 400, (30, 3))
LAYERS = [LayerSpec(op="dense", batch=b, c_in=i, c_out=o, sweep="s") for b, i, o in SIZES.tolist()]


def _visit(layer):
    step = 1e-11 * layer.flops + 1e-6
    blocks = (Block(10, 10 * step, cpu_s=10 * step),) * 15
    calls = (dataclasses.replace(blocks[0], shortest_s=step),) * 15
    timed = {"loops": blocks, "calls": calls, "doubling": Doubling((2.0,), (True,))}
    return Visit(work="dot", compile_s=0.1, steps=10, **timed)


def _fill(path, *, jax="1", host="h"):
    with Store.create(path) as store:
        part = store.partition({"platform": "cpu", "jax": jax}, {"name": "d", "kind": "Dee"})
        store.add_layers(part, LAYERS)
        facts = {"pid": 1, "host": host, "boot_id": "b", "started_monotonic_s": 1.0}
        process = store.begin_process(part, 0, 0, facts)
        for layer in LAYERS:
            store.add_attempt(process, layer, _visit(layer), 2.0)
    return path


@pytest.fixture
def store(tmp_path):
    return _fill(tmp_path / "m.db")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_table_has_every_layer_once_with_its_time(jaxcost, store, tmp_path, ending):
    out = tmp_path / f"layers.{ending}"
    outcome = jaxcost("export", store, "--out", out)
    assert (outcome.status, outcome.err) == (0, "")
    assert "30 of 30 layers have a time" in outcome.out
    frame = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    assert frame[["batch", "c_in", "c_out"]].to_numpy().tolist() == SIZES.tolist()
    expected = [1e-11 * layer.flops + 1e-6 for layer in LAYERS]
    assert frame["time_s"].tolist() == pytest.approx(expected, rel=1e-6)
    assert set(frame["status"]) == {"ok"}


def test_a_layer_without_a_time_is_left_out_unless_asked_for(jaxcost, store, tmp_path):
    with Store.existing(store) as opened:
        (part,) = opened.partitions()
        lost = LayerSpec(op="dense", c_in=9, c_out=9, sweep="s")
        opened.add_layers(part, [lost])
        process = opened.processes(part)[0]["id"]
        opened.add_attempt(process, lost, Visit(status="oom", error="no memory"), 3.0)
    out = tmp_path / "layers.csv"
    assert (
        "30 of 31 layers have a time; the others are left out"
        in jaxcost("export", store, "--out", out).out
    )
    assert len(pd.read_csv(out)) == 30
    jaxcost("export", store, "--all", "--out", out)
    assert pd.read_csv(out)[["status", "error"]].iloc[-1].tolist() == ["oom", "no memory"]


def test_what_is_exported_can_be_fitted(jaxcost, store, tmp_path):
    jaxcost("export", store, "--out", tmp_path / "layers.csv")
    assert len(read_layer_table(tmp_path / "layers.csv", target="time_s")) == 30
    files = (tmp_path / "layers.csv", "--out", tmp_path / "c.json", "--model", "flops-only")
    assert jaxcost("fit", *files).status == 0


def test_a_store_of_two_versions_asks_which(jaxcost, refuses, store, tmp_path):
    other = _fill(tmp_path / "2.db", jax="2", host="g")
    both = tmp_path / "both.db"
    assert "60 timings of 2 stores" in jaxcost("merge", store, other, "--out", both).out
    line = jaxcost("export", both, "--out", tmp_path / "t.csv")
    assert line.status == 2
    assert "choose from 1: Dee (jax 1, jaxlib None); 2: Dee (jax 2, jaxlib None)" in line.err
    assert jaxcost("export", both, "--partition", 2, "--out", tmp_path / "t.csv").status == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export", "none.db", "--out", "t.csv"), "store 'none.db' does not exist"),
        (("export", "none.db", "--out", "t.xlsx"), "ends in neither .csv nor .parquet"),
        (("merge", "a.db", "--out", "b.db"), "1 store is nothing to merge"),
        (("merge", "a.db", "b.db", "--out", "a.db"), "same file as the input"),
    ],
)
def test_bad_arguments_are_one_line(refuses, arguments, words):
    assert words in refuses(*arguments)


def test_a_store_without_measurements_is_named(refuses, tmp_path):
    Store.create(tmp_path / "empty.db").close()
    outcome = refuses("export", tmp_path / "empty.db", "--out", tmp_path / "t.csv")
    assert "is empty; measure something first" in outcome

"""`measure`: what is refused before anything is measured, and a sweep made up."""

import math
import types
from importlib import import_module

import pytest

from jaxcost.device import detect_device
from jaxcost.measure import LayerSpec, measure_layers
from jaxcost.measure import run as measure_run
from jaxcost.measure.clock.timing import TimingRules

TABLE = "op,batch,in_h,in_w,c_in,c_out,k_h,k_w,stride,padding,groups,dtype\n"
GOOD = TABLE + "dense,8,1,1,16,16,1,1,1,same,1,float32\n"


@pytest.fixture
def sweep(tmp_path):
    path = tmp_path / "sweep.csv"
    path.write_text(GOOD)
    return path


def test_the_sweeps_are_listed_by_name(jaxcost):
    out = jaxcost("measure", "--sweep", "list").out
    for name in ("conv_K_vs_S", "increasing_batch", "transformer", "memory_bound", "standard"):
        assert any(line.startswith(f"{name} ") for line in out.splitlines()), name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sweep", "increasing_bach"), "did you mean 'increasing_batch'?"),
        (("--sweep", "{}", "--dtype", "float33"), "dtype 'float33' is not known"),
        (("--sweep", "{}", "--budget", "0"), "give a number of minutes above 0"),
        (("--sweep", "{}", "--processes", "0"), "--processes"),
        (("--sweep", "none.csv"), "none.csv cannot be read"),
    ],
)
def test_bad_arguments_are_one_line_before_anything_is_measured(refuses, sweep, arguments, words):
    store = sweep.parent / "m.db"
    given = [str(sweep) if word == "{}" else word for word in arguments]
    assert words in refuses("measure", *given, "--store", store)


def test_an_impossible_layer_is_named_with_its_line(refuses, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(GOOD + "conv2d,8,1,1,16,16,3,3,1,same,3,float32\n")
    line = refuses("measure", "--sweep", path, "--store", tmp_path / "m.db")
    assert "line 3" in line
    assert "groups" in line


def test_a_device_that_jax_does_not_see_is_said(refuses, sweep, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "nonsense")
    line = refuses("measure", "--sweep", sweep, "--store", sweep.parent / "m.db")
    assert line.startswith("JAX finds no device to measure with JAX_PLATFORMS = 'nonsense'")


def test_a_store_that_cannot_be_written_is_named(refuses, sweep, monkeypatch):
    monkeypatch.setattr(measure_run, "look", lambda: (detect_device(), "cpu"))
    line = refuses("measure", "--sweep", sweep, "--store", sweep / "m.db")
    assert "is a file; give another folder" in line


def test_it_says_what_became_of_the_layers(jaxcost, sweep, monkeypatch, tmp_path):
    records = []

    def measured(path, layers, plan, *, resume, progress, also):
        assert (resume, plan.processes, plan.budget_s) == (True, 2, 90.0)
        rules = TimingRules(block_s=1e-3, rounds=1, most_rounds=1)
        found = measure_layers([*layers, LayerSpec(op="dense", c_in=9, c_out=9)], rules=rules)
        records.extend(found.records)
        store = types.SimpleNamespace(notice="an old store")
        return found, types.SimpleNamespace(new_partition=True, store=store)

    monkeypatch.setattr(measure_run, "look", lambda: (detect_device(), "cpu"))
    monkeypatch.setattr(import_module("jaxcost.measure"), "measure_into", measured)
    arguments = ("--sweep", sweep, "--processes", 2, "--budget", 1.5, "--resume")
    outcome = jaxcost("measure", *arguments, "--store", tmp_path / "m.db")
    assert (outcome.status, outcome.err) == (0, "")
    assert "sweep" in outcome.out
    assert "1 layer in 2 processes, at most 1 min 30 s" in outcome.out
    timed = sum(not math.isnan(record.time_s) for record in records)  # a busy machine: fewer
    assert len(records) == 2
    assert f"{timed} of 2 layers have a time" in outcome.out
    assert "a new partition" in outcome.out
    assert "an old store\n" in outcome.out
    assert "in timings that count" in outcome.out


def test_a_full_disk_is_status_1_and_leaves_nothing(refuses, sweep, monkeypatch, largest_file):
    monkeypatch.setattr(measure_run, "look", lambda: (detect_device(), "cpu"))
    store = sweep.parent / "m.db"
    with largest_file(5000):
        line = refuses("measure", "--sweep", sweep, "--store", store, status=1)
    assert line.startswith(f"store {str(store)!r}: the disk is full or fails")

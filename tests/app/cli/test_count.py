import json

import pandas as pd
import pytest

MODEL = """
import jax, jax.numpy as jnp

first, second = jnp.ones((64, 32)), jnp.ones((32, 10))

def network(x):
    with jax.named_scope("first"):
        y = jnp.tanh(x @ first)
    with jax.named_scope("second"):
        return y @ second

def build():
    return network

def looping(x):
    return jax.lax.while_loop(lambda c: c[0, 0] < 1, lambda c: c * 2, x)

def broken(x):
    raise KeyError("weights")

number = 3
"""


@pytest.fixture(autouse=True)
def _model(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("models")
    (folder / "counted_models.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(__import__("sys").modules, "counted_models", raising=False)


INPUT = ("--input", "f32[8,64]")


def test_counts_are_printed_and_written(jaxcost, tmp_path):
    files = ("--json", tmp_path / "c.json", "--csv", tmp_path / "c.csv")
    outcome = jaxcost("count", "counted_models:network", *INPUT, *files)
    assert (outcome.status, outcome.err) == (0, "")
    assert "first" in outcome.out
    assert "A multiply-add is 2 FLOPs" in outcome.out
    record = json.loads((tmp_path / "c.json").read_text())
    assert record["macs"] == 8 * 64 * 32 + 8 * 32 * 10
    assert record["flops"] == 2 * record["macs"]
    assert record["parameters"] == 64 * 32 + 32 * 10
    assert record["unknown"] == []
    assert record["transcendentals"] == 8 * 32
    rows = record["layers"]
    assert {"name", "op", "flops", "macs", "parameters", "bytes_moved", "repeat"} <= set(rows[0])
    for quantity in ("flops", "macs", "bytes_moved"):
        assert sum(row["repeat"] * row[quantity] for row in rows) == record[quantity]
    frame = pd.read_csv(tmp_path / "c.csv")
    assert (frame.repeat * frame.flops).sum() == record["flops"]


def test_a_model_is_built_first(jaxcost):
    outcome = jaxcost("count", "counted_models:build", "--call", *INPUT)
    assert outcome.status == 0
    assert "43.0 kFLOP" in outcome.out or "37.9 kFLOP" in outcome.out


@pytest.mark.parametrize(("by", "rows"), [("module", "second"), ("op", "elementwise")])
def test_rows_can_be_modules_or_operations(jaxcost, by, rows):
    assert rows in jaxcost("count", "counted_models:network", *INPUT, "--by", by).out


def test_what_is_unknown_has_a_section(jaxcost, tmp_path):
    outcome = jaxcost("count", "counted_models:looping", *INPUT, "--json", tmp_path / "c.json")
    assert "Unknown: not in the totals" in outcome.out
    assert "while" in outcome.out
    (unknown,) = json.loads((tmp_path / "c.json").read_text())["unknown"]
    assert {"primitive", "shapes", "count"} <= set(unknown)
    known = jaxcost("count", "counted_models:looping", *INPUT, "--trips", "7")
    assert "Unknown" not in known.out


def test_with_a_loss_more_is_counted(jaxcost, tmp_path):
    for option in ((), ("--backward",)):
        jaxcost("count", "counted_models:network", *INPUT, *option, "--json", tmp_path / "c.json")
        found = json.loads((tmp_path / "c.json").read_text())["macs"]
        assert (found > 8 * 64 * 32 + 8 * 32 * 10) == bool(option)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("counted_models:network", "--input", "f32"), "is not a shape"),
        (("counted_models:netwrk", *INPUT), "did you mean 'network'?"),
        (("nothing_here:f", *INPUT), "importing nothing_here failed"),
        (("counted_models:broken", *INPUT), "broken cannot be traced"),
        (("counted_models:broken", *INPUT), "KeyError: 'weights'"),
        (("counted_models:number", *INPUT), "int cannot be called"),
        (("counted_models:network", "--input", "f32[8,63]"), "network cannot be traced"),
        (("counted_models:network", *INPUT, "--by", "lyer"), "did you mean 'layer'?"),
    ],
)
def test_bad_input_is_one_line(refuses, arguments, words):
    assert words in refuses("count", *arguments)

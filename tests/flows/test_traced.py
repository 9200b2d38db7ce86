"""A model counted and estimated: the command says what Python says, and a trace costs the same."""

import sys
import warnings

import jax
import jax.numpy as jnp
import pandas as pd
import pytest

import jaxcost as jc

MODEL = """
import jax, jax.numpy as jnp

first, second = jnp.ones((64, 128)), jnp.ones((128, 10))
kernel = jnp.ones((3, 3, 8, 16))

def network(x):
    with jax.named_scope("first"):
        y = jnp.tanh(x @ first)
    with jax.named_scope("second"):
        return jax.nn.softmax(y @ second)

def convolution(x):
    y = jax.lax.conv_general_dilated(
        x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return jax.nn.relu(y).mean((1, 2))

def scanned(x):
    def step(carry, _):
        return jnp.tanh(carry @ first @ first.T), None
    return jax.lax.scan(step, x, None, length=5)[0]

def elementwise(x):
    return jnp.exp(x) + jnp.concatenate([x[:4], x[4:]])

def looped(x):
    return jax.lax.while_loop(lambda c: c[0, 0] < 1, lambda c: c @ c.T @ x, x)
"""
SHAPES = {
    "network": (8, 64), "convolution": (2, 16, 16, 8), "scanned": (8, 64),
    "elementwise": (8, 64), "looped": (8, 8),
}  # fmt: skip
MEASURED = "amd-epyc"


@pytest.fixture(autouse=True)
def models(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("models")
    (folder / "traced_models.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "traced_models", raising=False)
    return __import__("traced_models")


def given(name):
    """A model and its input, for the command."""
    return f"traced_models:{name}", "--input", f"f32{list(SHAPES[name])}"


def shape(name):
    return jax.ShapeDtypeStruct(SHAPES[name], jnp.float32)


def plain(value):
    """As JSON has it: tuples are lists."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", ["network", "convolution", "scanned", "elementwise"])
def test_the_command_counts_what_python_counts(succeeds, strict, models, name, backward, tmp_path):
    found = jc.count(getattr(models, name), shape(name), backward=backward)
    out, table = tmp_path / "c.json", tmp_path / "c.csv"
    options = ["--backward"] if backward else []
    said = succeeds("count", *given(name), *options, "--json", out, "--csv", table)
    assert strict(out) == plain(found.record())
    rows = pd.read_csv(table, keep_default_na=False).to_dict("records")
    assert rows == [row | {"output": "×".join(map(str, row["output"]))} for row in found.layers()]
    assert f"{found.parameters:,}" in said


@pytest.mark.parametrize("name", ["network", "looped"])
def test_nothing_of_a_count_is_lost_in_its_json(succeeds, strict, models, name, tmp_path):
    succeeds("count", *given(name), "--json", tmp_path / "c.json")
    record, found = strict(tmp_path / "c.json"), jc.count(getattr(models, name), shape(name))
    for total in ("flops", "macs", "elementwise_flops", "transcendentals", "bytes_moved"):
        summed = sum(row["repeat"] * row[total] for row in record["layers"])
        assert summed == record[total] == getattr(found, total), total
    assert len(record["unknown"]) == len(found.unknown) == (name == "looped")
    assert record["warnings"] == list(found.warnings)


@pytest.mark.parametrize("name", SHAPES)
def test_the_command_estimates_what_python_estimates(succeeds, strict, models, name, tmp_path):
    found = jc.estimate(getattr(models, name), shape(name), calibration=MEASURED)
    out = tmp_path / "e.json"
    succeeds("estimate", *given(name), "--calibration", MEASURED, "--json", out)
    record = strict(out)
    assert record == plain(found.record())
    assert record["latency_s_lo"] < record["latency_s"] < record["latency_s_hi"]
    total = sum(row["repeat"] * row["latency_s"] for row in record["layers"])
    assert total == pytest.approx(record["latency_s"])
    assert (record["energy_j"] is None) == bool(record["energy_reason"])


@pytest.mark.parametrize("calibration", [MEASURED, "quadro-t2000"])
@pytest.mark.parametrize("name", ["network", "convolution", "scanned", "elementwise"])
def test_a_trace_costs_what_is_estimated_and_both_say_what_has_no_price(models, name, calibration):
    """The T2000's model knows no bytes; the other prices all that these do."""
    fn, x = getattr(models, name), shape(name)
    workload = jc.trace(fn, x)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        traced = jc.load_calibration(calibration).latency(workload)
    estimate = jc.estimate(fn, x, calibration=calibration)
    assert float(traced) == pytest.approx(estimate.latency, rel=1e-5)
    said = [[line for line in lines if "left out" in line] for lines in (
        [str(w.message) for w in caught], estimate.warnings
    )]  # fmt: skip
    assert [len(lines) for lines in said] == ([0, 0] if calibration == MEASURED else [1, 1])


def test_a_data_sheet_is_given_what_is_counted(succeeds, strict, models, tmp_path):
    flops = jc.count(models.network, shape("network")).flops
    sheet = ("--device", "v100", "--assume-peak", 0.4, "--json")
    succeeds("datasheet", *given("network"), *sheet, tmp_path / "model.json")
    succeeds("datasheet", "--flops", flops, *sheet, tmp_path / "flops.json")
    assert strict(tmp_path / "model.json") == strict(tmp_path / "flops.json")

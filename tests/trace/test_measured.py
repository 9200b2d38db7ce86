"""An estimate held against the program itself, run on this machine."""

import dataclasses
import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import jaxcost as jc
from jaxcost.app.cli.app import app
from jaxcost.trace import measured
from jaxcost.trace.measured import measure_program


@pytest.fixture(scope="module")
def here() -> jc.Calibration:
    """A calibration of this machine, to made-up times of dense layers."""
    rng = np.random.default_rng(0)
    sizes = {name: rng.integers(8, 512, 30) for name in ("batch", "c_in", "c_out")}
    ones = dict.fromkeys(("in_h", "in_w", "k_h", "k_w", "stride", "groups"), 1)
    table = pd.DataFrame(sizes | ones | {"op": "dense", "padding": "same", "dtype": "float32"})
    flops = 2.0 * sizes["batch"] * sizes["c_in"] * sizes["c_out"]
    timed = table.assign(time_s=1e-6 + flops / 1e10)
    return jc.fit(timed, jc.detect_device(), model="flops-only")


@pytest.fixture
def clock(monkeypatch):
    """A clock of ours, by which calls take 16, 8, 4, 2 and 1 s, and nothing else takes any time."""
    taken = [16.0, 8.0, 4.0, 2.0, 1.0]
    ends = np.cumsum(taken)
    each = (time for end, call in zip(ends, taken) for time in (end - call, end))
    ticks = iter([0.0, *each, ends[-1]])
    monkeypatch.setattr(measured, "_SECONDS", 0.0)
    stand_in = types.SimpleNamespace(perf_counter=lambda: next(ticks))
    monkeypatch.setattr(measured, "time", stand_in)


def everything(tree, ids, key, flag):
    noise = jax.random.normal(key, tree["w"].shape)
    return jnp.where(flag, tree["w"][ids] @ (tree["w"] + noise), 0.0)


SHAPES = (
    {"w": jax.ShapeDtypeStruct((8, 8), jnp.float32)},
    jax.ShapeDtypeStruct((3,), jnp.int32),
    jax.eval_shape(lambda: jax.random.key(0)),
    jax.ShapeDtypeStruct((), bool),
)


def test_it_is_the_first_quartile_of_calls_after_one_that_is_not_timed(monkeypatch, clock):
    calls = []
    real = jax.block_until_ready
    monkeypatch.setattr(jax, "block_until_ready", lambda x: (calls.append(0), real(x))[1])
    taken = measure_program(everything, *SHAPES)
    assert len(calls) == 6
    assert taken == 2.0


def test_gradients_are_run_too():
    assert measure_program(lambda w, x: jnp.tanh(x @ w), W, X, backward=True) > 0


W, X = (jax.ShapeDtypeStruct(s, jnp.float32) for s in ((16, 16), (4, 16)))


def test_an_estimate_has_it_only_where_it_was_asked_for(here):
    found = [
        jc.estimate(lambda w, x: x @ w, W, X, calibration=here, measure=asked)
        for asked in (False, True)
    ]
    assert found[0].measured_s is None
    assert "measured_s" not in found[0].record()
    assert found[1].measured_s > 0
    assert found[1].record()["measured_s"] == found[1].measured_s
    assert found[1].latency_s == found[0].latency_s


def test_how_often_a_loop_runs_is_for_the_estimate_alone(here):
    def powers(x):
        return jax.lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] @ x), (0, x))[1]

    square = jax.ShapeDtypeStruct((16, 16), jnp.float32)
    found = jc.estimate(powers, square, calibration=here, trips=3, measure=True)
    assert found.measured_s > 0
    assert found.counts.flops == 3 * 2 * 16**3


def test_what_cannot_be_held_against_it_is_refused(here):
    elsewhere = dataclasses.replace(here, device=jc.known_device("h100-sxm"))
    with pytest.raises(ValueError, match="is of NVIDIA H100 SXM, not of this machine"):
        jc.estimate(lambda w, x: x @ w, W, X, calibration=elsewhere, measure=True)

    def broken(x):
        return jax.pure_callback(lambda x: 1 / 0, jax.ShapeDtypeStruct((), jnp.float32), x)

    with pytest.raises(ValueError, match="does not run on this machine: .") as raised:
        measure_program(broken, X)
    assert "\n" not in str(raised.value)


def test_the_command_shows_and_writes_it(here, tmp_path, monkeypatch):
    here.save(tmp_path / "here.json")
    (tmp_path / "its_model.py").write_text("def double(x):\n    return x @ x\n")
    monkeypatch.chdir(tmp_path)
    command = "estimate its_model:double --input f32[32,32] --calibration here.json --measure"
    run = CliRunner().invoke(app, [*command.split(), "--json", "out.json"])
    assert run.exit_code == 0, run.output
    assert "measured here" in run.output
    assert "times the estimate" in run.output
    assert json.loads((tmp_path / "out.json").read_text())["measured_s"] > 0

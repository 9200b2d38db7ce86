"""Every command on a terminal that knows only ASCII, beside files with bad names, and unread."""

import dataclasses
import io
import os
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jaxcost.app.cli.app import app
from jaxcost.app.cli.errors import run
from jaxcost.calibrate import load_calibration, this_device
from jaxcost.measure import LayerSpec, Preset, Store, SweepPlan
from jaxcost.measure import run as measure_run
from jaxcost.measure.clock.visit import Visit
from jaxcost.papers import PAPERS, Reproduction, SummaryRow

GOLDEN = Path(__file__).parent / "golden"
BAD_NAME = "größe\x1b[2J"  # not ASCII, and clears a terminal
COMMANDS = {
    "calibrate": "--out {out}/c.json --report {out}/r.html",
    "measure": "--sweep list",
    "export": "{store} --out {out}/t.csv",
    "merge": "{store} {other} --out {out}/m.db",
    "fit": "{table} --out {out}/c.json --model flops-only --no-correction",
    "carry-over": "h100-sxm --to h200-sxm --out {out}/c.json",
    "predict": "{golden}/time.json {golden}/time.csv --out {out}/p.csv",
    "count": "jax.numpy:tanh --input f32[8] --json {out}/c.json",
    "estimate": "jax.numpy:tanh --input f32[8] --calibration amd-epyc --json {out}/e.json",
    "where-unsure": "amd-epyc jax.numpy:tanh --input f32[8] --json {out}/u.json",
    "import-trace": "{profile} jax.numpy:dot --out {out}/t.csv" + 2 * " --input f32[64,64]",
    "compare": "a100-sxm amd-epyc jax.numpy:tanh --input f32[8] --json {out}/c.json",
    "check": "jax.numpy:tanh --input f32[8] --budget {budget} --json {out}/v.json",
    "diff": "jax.numpy:tanh jax.numpy:sort --input f32[8] --json {out}/d.json",
    "roofline": "jax.numpy:tanh --input f32[8] --calibration amd-epyc --out {out}/r.png",
    "datasheet": "--flops 1e12 --device a100 --assume-peak 0.4 --json {out}/e.json",
    "reproduce": "alpha-flops --out {out}/paper",
    "devices": "",
    "models": "",
}


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """What JAX wrote of a product that it computed."""
    folder, x = tmp_path_factory.mktemp("profile"), jnp.ones((64, 64))
    product = jax.jit(jnp.dot).lower(x, x).compile()
    with jax.profiler.trace(str(folder)):
        jax.block_until_ready(product(x, x))
    return folder


@pytest.fixture
def arguments(device, store, profile, tmp_path, monkeypatch):
    """The words of a command that succeeds, in little time."""
    layers = [LayerSpec(op="dense", batch=n, c_in=64, c_out=64, sweep="×") for n in range(1, 21)]
    plan = Preset("quick", layers, SweepPlan(processes=1))
    monkeypatch.setattr(measure_run, "preset", lambda name, platform: plan)
    monkeypatch.setattr(this_device, "fit_layers", lambda *_, **__: fitted())
    monkeypatch.setattr(this_device, "evaluate", lambda found, *_, **__: found)
    monkeypatch.setitem(PAPERS, "alpha-flops", paper)
    out = tmp_path / BAD_NAME
    out.mkdir()
    places = {"out": out, "store": store, "golden": GOLDEN, "profile": profile}
    places |= {"other": other_store(out / "other.db"), "table": out / "table.csv"}
    places["budget"] = out / "budget.toml"
    places["budget"].write_text("bytes_moved = 100\n")
    assert run(["export", str(store), "--out", str(places["table"])]) == 0

    def call(command):
        return [command, *(word.format(**places) for word in COMMANDS[command].split())]

    return call


def fitted():
    """A model that was fitted, as if it had been to what was measured."""
    found = load_calibration(GOLDEN / "time.json").models["time_s"]
    errors = {**found.errors, "held_out": next(iter(found.errors.values()))}
    return dataclasses.replace(found, errors=errors, warnings=("It is − × ±\x1b[2J.",))


def paper(data, out, *, download=False):
    del data, download
    out.mkdir(exist_ok=True)
    row = SummaryRow("Table 1 × ±\x1b[2J", "time_s", 2.0, 2.1)
    return Reproduction([row], [], ["Figure 2: − lost\x1b[2J"])


def other_store(path):
    with Store.create(path) as made:
        part = made.partition({"platform": "cpu"}, {"name": "d", "kind": "Größe"})
        layer = LayerSpec(op="dense", c_in=8, c_out=8, sweep="×")
        made.add_layers(part, [layer])
        facts = {"pid": 1, "host": "h", "boot_id": "b", "started_monotonic_s": 0.0}
        made.add_attempt(made.begin_process(part, 0, 0, facts), layer, Visit(), 0.0)
    return path


def test_every_command_is_tried():
    names = {command.callback.__name__ for command in app.registered_commands}
    assert {name.replace("_", "-") for name in names} == COMMANDS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_gets_ascii_if_it_knows_no_more_and_never_an_escape(
    arguments, monkeypatch, command
):
    out, err = (io.TextIOWrapper(io.BytesIO(), "ascii", "strict", "\n") for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        assert run(arguments(command)) == 0
    assert err.buffer.getvalue() == b""
    printed = out.buffer.getvalue()
    assert printed.isascii()
    assert b"\x1b" not in printed


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_what_ascii_lacks_is_written_out_however_python_meant_it(monkeypatch, errors):
    """PYTHONIOENCODING=ascii means the first, LC_ALL=C without UTF-8 the second."""
    out = io.TextIOWrapper(io.BytesIO(), "ascii", errors, "\n")
    monkeypatch.setattr(sys, "stdout", out)
    assert run(["devices"]) == 0
    assert b"\\xd7" in out.buffer.getvalue()  # ×


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_gone_is_no_fault(arguments, monkeypatch, capsys, command):
    words = arguments(command)
    capsys.readouterr()
    reader, writer = os.pipe()
    os.close(reader)
    with monkeypatch.context() as patch, open(writer, "w", encoding="utf-8") as out:  # noqa: PTH123
        patch.setattr(sys, "stdout", out)
        assert run(words) == 1
    assert capsys.readouterr() == ("", "")

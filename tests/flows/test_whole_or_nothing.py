"""A command that is stopped or fails while it writes leaves what was there, and nothing else."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
LAYERS, RUNS = GOLDEN / "time.csv", GOLDEN / "runs.csv"


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "m.db"
    connection = sqlite3.connect(path)
    connection.executescript((GOLDEN / "store.sql").read_text())
    connection.close()
    return path


SHEET = ("datasheet", "--flops", "1e9", "--device", "v100", "--assume-peak", "0.4", "--json")
COMMANDS = {
    "predict": ("predict", "quadro-t2000", str(LAYERS), "--out"),
    "predict runs": ("predict", "butter-e-gpu", str(RUNS), "--out"),
    "export": ("export", "m.db", "--out"),
    "datasheet": SHEET,
    "count": ("count", "jax.numpy:sin", "--input", "f32[3]", "--json"),
    "count csv": ("count", "jax.numpy:sin", "--input", "f32[3]", "--csv"),
}


def content(folder):
    """Every file and what is in it; of a store, and SQLite's log beside it, only that it is."""
    return {
        path.name: None if ".db" in path.name else path.read_bytes() for path in folder.iterdir()
    }


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("name", COMMANDS)
def test_what_was_there_stays(jaxcost, store, monkeypatch, tmp_path, name, error):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / ("out.csv" if name == "export" else "out")
    out.write_text("before")
    before = content(tmp_path)

    def fail(_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        outcome = jaxcost(*COMMANDS[name], out)
    assert outcome.status == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert outcome.err.count("\n") == 1
    assert content(tmp_path) == before
    assert jaxcost(*COMMANDS[name], out).status == 0
    assert out.read_text() != "before"


WRITING = """
import os, signal, sys
from jaxcost.app.cli.errors import run

sync = os.fsync
os.fsync = lambda handle: (sync(handle), os.kill(os.getpid(), signal.{signal}))
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("name", ["SIGINT"])
def test_a_signal_as_it_writes_leaves_no_half_file(tmp_path, name):
    out = tmp_path / "p.csv"
    out.write_text("before")
    command = [sys.executable, "-c", WRITING.format(signal=name), *COMMANDS["predict"], str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert content(tmp_path) == {"p.csv": b"before"}


def test_a_new_process_says_what_this_one_says(jaxcost, tmp_path):
    """`python -m jaxcost` is the command that the tests call in their own process."""
    arguments = [*COMMANDS["predict"], "p.csv"]
    done = subprocess.run(
        [sys.executable, "-m", "jaxcost", *arguments],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    outcome = jaxcost(*arguments[:-1], tmp_path / "q.csv")
    assert done.stdout == outcome.out.replace(str(tmp_path / "q.csv"), "p.csv")
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "q.csv").read_bytes()

import errno
import os
import subprocess
import sys

import pytest

from jaxcost.app.cli import app, errors
from jaxcost.app.cli.errors import RunError, explain


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("c_in = 0"), 2, "c_in = 0"),
        (RunError("too few"), 1, "too few"),
        (ConnectionError("no network; copy the file"), 1, "no network; copy the file"),
        (
            OSError(errno.ENOSPC, "No space left", "x.json"), 1,
            "x.json: No space left; nothing there was changed: free space, or write elsewhere",
        ),
        (FileExistsError(errno.EEXIST, "File exists", "x"), 2, "x: File exists"),
        (OSError(errno.EIO, "Input/output error"), 1, "Input/output error"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 2, "x: Permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), 2, "x: No such file"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "x"), 2, "x: Is a directory"),
        (MemoryError(), 1, "out of memory; use a smaller table or preset"),
        (KeyboardInterrupt(), 130, "interrupted; no file was left half-written"),
        (KeyError("x"), 1, "KeyError: 'x' (JAXCOST_TRACEBACK=1 shows where)"),
        (RuntimeError("a\nb"), 1, "RuntimeError: a (JAXCOST_TRACEBACK=1 shows where)"),
    ],
)  # fmt: skip
def test_every_failure_has_its_status_and_its_words(error, status, line):
    assert explain(error) == (status, line)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "Missing command (see jaxcost --help)"),
        (["fti"], "No such command 'fti'. Did you mean 'fit'? (see jaxcost --help)"),
        (["fit"], "Missing argument 'TABLE.csv' (see jaxcost fit --help)"),
        (["fit", "t.csv"], "Missing option '--out' (see jaxcost fit --help)"),
        (["models", "extra"], "(see jaxcost models --help)"),
        (["devices", "--all"], "No such option: --all (see jaxcost devices --help)"),
    ],
)
def test_bad_usage_is_one_line(refuses, arguments, line):
    assert line in refuses(*arguments)


def _failing(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(
        errors, "_command", lambda: type("", (), {"main": lambda *a, **k: fail()})()
    )


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("a\n  b"), 2), (KeyboardInterrupt(), 130)]
)
def test_any_failure_is_one_line(monkeypatch, refuses, error, status):
    _failing(monkeypatch, error)
    line = refuses("models", status=status)
    assert line == ("a b" if status == 2 else "interrupted; no file was left half-written")


def test_a_traceback_is_there_for_who_asks(monkeypatch, jaxcost):
    _failing(monkeypatch, KeyError("x"))
    assert "Traceback" not in jaxcost("models").err
    monkeypatch.setenv("JAXCOST_TRACEBACK", "1")
    assert "Traceback" in jaxcost("models").err


def test_an_interrupt_within_a_command_is_130(monkeypatch, refuses):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxcost.app.cli.show.table", interrupted)
    assert refuses("models", status=130).startswith("interrupted")


def test_a_reader_that_has_gone_is_no_fault():
    command = [sys.executable, "-m", "jaxcost", "models"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


def test_help_loads_nothing_heavy():
    assert app.app is not None
    heavy = ("jax", "numpy", "pandas", "matplotlib", "rich", "pydantic", "equinox")
    code = (
        "import sys; from jaxcost.app.cli.errors import run; status = run(['--help']);"
        f"print(status, [m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_an_ascii_terminal_is_no_fault():
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "jaxcost", "devices", "--data-sheets"]
    for arguments in (command, [*command[:3], "fit", "größe.csv", "--out", "x.json"]):
        done = subprocess.run(arguments, env=environment, capture_output=True, check=False)
        assert b"Unicode" not in done.stderr
        assert (done.returncode, done.stderr[:9]) in ((0, b""), (2, b"jaxcost: "))

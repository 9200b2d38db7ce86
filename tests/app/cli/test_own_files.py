"""Files of the user's that are called as modules of ours: none is taken for the module."""

import os
import subprocess
import sys

import pytest

SHADOWS = ("jax", "numpy", "pandas", "rich", "random", "statistics", "typer", "html", "csv")
MODEL = "import jax.numpy as jnp\n\ndef f(x):\n    return jnp.tanh(x @ x)\n"
MARK = "import pathlib; pathlib.Path({!r}).touch()\nraise AssertionError('taken for a module')\n"


@pytest.fixture
def folder(tmp_path):
    """A folder with such files; one that is imported leaves a mark, and fails."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(MARK.format(str(tmp_path / "taken")))
    (tmp_path / "model.py").write_text(MODEL)
    return tmp_path


def _run(folder, *command, **environment):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"JAX_PLATFORMS": "cpu"} | environment,
    )  # fmt: skip
    assert not (folder / "taken").exists(), done.stderr
    return done


START = {
    "script": ("-P", "-c", "from jaxcost.app.cli import main; main()"),
    "module": ("-m", "jaxcost"),
}


@pytest.mark.parametrize("start", START)
@pytest.mark.parametrize("empty", [False, True], ids=["", "an empty entry"])
def test_a_command_takes_none_of_them(folder, start, empty):
    """`export PYTHONPATH=$PYTHONPATH:/more` leaves an empty entry, which is the current folder."""
    path = os.pathsep.join(filter(None, [*sys.path, os.environ.get("PYTHONPATH")]))
    environment = {"PYTHONPATH": os.pathsep + path if empty else path}
    count = ("count", "model:f", "--input", "f32[4,4]")
    done = _run(folder, sys.executable, *START[start], *count, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "dense" in done.stdout


@pytest.mark.parametrize("path", ["", f"{os.pathsep}/none{os.pathsep}"])
def test_the_process_that_measures_takes_none_of_them(folder, path):
    code = (
        "import os, sys; sys.path[:] = [p for p in sys.path if p not in ('', os.getcwd())]\n"
        "from jaxcost.measure import TimingRules\n"
        "from jaxcost.measure.process.worker import Worker\n"
        "with Worker(TimingRules()) as worker: print(worker.description['device']['platform'])"
    )
    path = os.environ.get("PYTHONPATH", "") + path
    done = _run(folder, sys.executable, "-P", "-c", code, PYTHONPATH=path.lstrip(os.pathsep))
    assert (done.returncode, done.stdout) == (0, "cpu\n"), done.stderr


@pytest.mark.parametrize("source", ["def f(x):\n    quit(3)\n", "raise SystemExit(0)\n"])
def test_a_model_that_ends_the_program_is_no_success(folder, source):
    """As it is called, and as it is imported; the ways of ending it are told in test_specs."""
    (folder / "ends.py").write_text(source)
    done = _run(folder, sys.executable, *START["module"], "count", "ends:f", "--input", "f32[4]")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("jaxcost: ")
    assert done.stderr.count("\n") == 1
    assert "SystemExit" in done.stderr


def test_a_folder_that_is_gone_is_no_fault(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); sys.argv[1:] = ['models']\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code + "from jaxcost.app.cli import main; main()"],
        cwd=gone, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")

"""A cost model of one's own: the page's code as it stands, other processes, and what is refused."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.calibrate import load_calibration
from jaxcost.models import registry

PAGE = Path(__file__).resolve().parents[3] / "docs" / "tutorials" / "own-cost-model.md"
NAME = "my_models:LaunchedRoofline"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page's files, and a table of layers that its model explains."""
    folder = tmp_path_factory.mktemp("own")
    for name, code in re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        (folder / name).write_text(code)
    sizes = 2.0 ** np.random.default_rng(0).integers(3, 12, (40, 3))
    rows = pd.DataFrame(sizes.astype(int), columns=["batch", "c_in", "c_out"])
    work = 2 * rows.prod(axis=1)
    moved = 4 * (rows.batch * (rows.c_in + rows.c_out) + rows.c_in * rows.c_out)
    times = 4e-6 + np.maximum(work / 1e12, moved / 1e11)
    ones = dict.fromkeys(("in_h", "in_w", "k_h", "k_w", "stride", "groups"), 1)
    table = rows.assign(op="dense", padding="same", dtype="float32", time_s=times, **ones)
    table.to_csv(folder / "layers.csv", index=False)
    return folder


def ran(folder, *command):
    return subprocess.run(
        [sys.executable, *map(str, command)], cwd=folder, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted(folder):
    """What the page's script printed."""
    outcome = ran(folder, "fit_mine.py")
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


@pytest.fixture
def unregistered(monkeypatch):
    """As in a process that has not heard of the class."""
    monkeypatch.setattr(registry, "_OWN", {})
    sys.modules.pop("my_models", None)
    yield
    sys.modules.pop("my_models", None)


def test_the_page_fits_what_was_planted(fitted):
    found = {line.split()[0]: float(line.split()[1]) for line in fitted.splitlines()}
    assert found == pytest.approx({"rate": 1e12, "bandwidth": 1e11, "launch": 4e-6}, rel=0.01)


def test_another_process_reads_it(folder, fitted):
    outcome = ran(folder, "use_mine.py")
    assert outcome.returncode == 0, outcome.stderr
    sizes = ((784, 512), (512, 10))
    slower = [max(64 * a * b / 1e12, 4 * (32 * (a + b) + a * b) / 1e11) for a, b in sizes]
    assert float(outcome.stdout.split()[0]) == pytest.approx(8e-6 + sum(slower), rel=0.02)


def test_the_command_writes_what_the_call_does(jaxcost, folder, fitted, monkeypatch, unregistered):
    monkeypatch.chdir(folder)
    options = ("--model", NAME, "--device", "quadro-t2000", "--out", "same.json")
    outcome = jaxcost("fit", "layers.csv", *options)
    assert (outcome.status, outcome.err) == (0, "")
    mine, same = (json.loads((folder / name).read_text()) for name in ("mine.json", "same.json"))
    for record in (mine, same):
        del record["provenance"]["date_utc"]
    assert mine == same
    assert mine["models"]["time_s"]["model"] == NAME


def test_nothing_is_imported_because_a_file_says_so(jaxcost, folder, fitted, unregistered):
    files = [folder / name for name in ("mine.json", "layers.csv", "p.csv")]
    outcome = jaxcost("predict", *files[:2], "--out", files[2])
    assert outcome.status == 2
    assert f"model '{NAME}' is a class of somebody's own" in outcome.err
    assert outcome.err.endswith(
        f"name it with --model {NAME}, or give the class: load_calibration(path, "
        "models=[LaunchedRoofline])\n"
    )
    assert "my_models" not in sys.modules


def test_predicting_takes_the_class_that_is_named(
    jaxcost, folder, fitted, monkeypatch, unregistered
):
    monkeypatch.chdir(folder)
    outcome = jaxcost("predict", "mine.json", "layers.csv", "--model", NAME, "--out", "p.csv")
    assert (outcome.status, outcome.err) == (0, "")
    table = pd.read_csv("p.csv")
    np.testing.assert_allclose(table["predicted_time_s"], table["time_s"], rtol=0.02)


def test_a_class_with_other_parameters_is_refused(folder, fitted, unregistered):
    class LaunchedRoofline(jc.LayerwiseCost):
        unit = "s"
        pace: float = jc.parameter(0, 1, unit="s/FLOP", doc="time of one FLOP")

        def layer_cost(self, layer, device):
            return self.pace * layer.batch

    LaunchedRoofline.__module__, LaunchedRoofline.__qualname__ = NAME.split(":")
    with pytest.raises(ValueError, match="parameters must be pace"):
        load_calibration(folder / "mine.json", models=[LaunchedRoofline])


class Abstract(jc.LayerwiseCost):
    unit = "s"


def test_what_is_no_model_is_refused(jaxcost, tmp_path):
    for kind, words in ((int, "is no cost model of layers"), (Abstract, "is not complete")):
        with pytest.raises(TypeError, match=words):
            jc.register_model(kind)
    (tmp_path / "t.csv").write_text("op,batch\n")
    options = ("--out", tmp_path / "c.json", "--model", "json:dumps")
    outcome = jaxcost("fit", tmp_path / "t.csv", *options)
    assert outcome.status == 2
    assert "--model = 'json:dumps'" in outcome.err
    assert "is no cost model of layers" in outcome.err


def test_a_frame_is_fitted_as_its_file_is(folder):
    path = folder / "layers.csv"
    options = {"model": "flops-only", "device": "quadro-t2000"}
    of_file, of_frame = (jc.fit(t, **options) for t in (path, pd.read_csv(path)))
    layers = jc.mlp([784, 512, 10], batch_size=32)
    assert of_file.latency(layers) == of_frame.latency(layers)

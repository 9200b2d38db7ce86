"""A device made up for whole flows: commands run in this process, layers are timed by a fake."""

import functools
import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jaxcost.app.cli.errors import run
from jaxcost.measure.process.worker import Worker

FAKE = Path(__file__).parents[1] / "measure" / "fake_worker.py"
WATTS = 50.0


@pytest.fixture(autouse=True, scope="module")
def _model_alone(model_alone) -> None:
    """What others add is not what flows."""


@pytest.fixture(scope="module")
def device(tmp_path_factory) -> Iterator[None]:
    """Within it, `measure` and `calibrate` find a device that takes 1 ms an input, at 50 W."""
    faults = tmp_path_factory.mktemp("fake") / "faults.json"
    faults.write_text("{}")
    fake = functools.partial(Worker, command=[sys.executable, str(FAKE), str(faults)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_WATTS", str(WATTS))
        patch.setattr(import_module("jaxcost.measure.process.worker"), "Worker", fake)
        patch.setattr(import_module("jaxcost.measure.run"), "Worker", fake)
        yield


@pytest.fixture(scope="module")
def store(device, tmp_path_factory) -> Path:
    """What `measure` left of twelve dense layers that differ in their batch alone."""
    folder = tmp_path_factory.mktemp("measured")
    sweep_table(range(1, 13)).to_csv(folder / "layers.csv", index=False)
    files = ["--sweep", str(folder / "layers.csv"), "--store", str(folder / "m.db")]
    assert run(["measure", *files, "--energy", "--processes", "1"]) == 0
    return folder / "m.db"


@pytest.fixture
def succeeds(jaxcost) -> Callable[..., str]:
    """Runs a command that must succeed without a word on standard error; what it printed."""

    def call(*arguments: object) -> str:
        outcome = jaxcost(*arguments)
        assert (outcome.status, outcome.err) == (0, ""), outcome
        return outcome.out

    return call


def sweep_table(batches: Any) -> pd.DataFrame:
    """Dense layers of these batches, in two sweeps, without times."""
    fixed = {"in_h": 1, "in_w": 1, "c_in": 64, "c_out": 64, "k_h": 1, "k_w": 1, "stride": 1}
    fixed |= {"padding": "same", "groups": 1, "dtype": "float32"}
    frame = pd.DataFrame({"op": "dense", "batch": list(batches), **fixed})
    return frame.assign(sweep=["odd" if batch % 2 else "even" for batch in frame["batch"]])


@pytest.fixture(scope="session")
def strict() -> Callable[[Path], Any]:
    """Reads a JSON file as the standard has it: NaN and Infinity are no numbers."""

    def refused(name: str) -> None:
        raise AssertionError(f"{name} in JSON")

    return lambda path: json.loads(path.read_text("utf-8"), parse_constant=refused)

"""Studies made up without a fit: planted times beside a calibration that comes with the package."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from jaxcost.app.report import Study
from jaxcost.calibrate import Calibration, load_calibration
from jaxcost.calibrate.fit import Accuracy
from jaxcost.measure import paper_sweep
from jaxcost.workload import from_table

SWEEPS = ("increasing_Cout", "increasing_batch")


def accuracy(median, rows=20):
    return Accuracy(rows, 2 * median, median, 0.625, 0.01)


@pytest.fixture(scope="session")
def layers() -> pd.DataFrame:
    """Two of the paper's sweeps, depthwise and grouped layers; times off by up to a fifth."""
    specs = [layer for name in SWEEPS for layer in paper_sweep(name, small=True)[::6]]
    frame = pd.DataFrame([spec.row() for spec in specs])
    convolution = frame[frame["op"] == "conv2d"].iloc[:2]
    depthwise = convolution.assign(c_in=64, c_out=64, groups=64, sweep="depthwise", line=[0, 1])
    grouped = convolution.assign(
        c_in=64, c_out=64, groups=4, stride=2, sweep="grouped", line=[0, 1]
    )
    frame = pd.concat([frame, depthwise, grouped], ignore_index=True)
    preset = load_calibration("quadro-t2000")
    times = preset.models["time_s"].layer_costs(from_table(frame), preset.device)
    error = np.random.default_rng(0).uniform(-0.2, 0.2, len(frame))
    return frame.assign(time_s=np.asarray(times, float) * (1 + error))


@pytest.fixture(scope="session")
def calibration() -> Calibration:
    """The preset with errors as a fit would give them."""
    preset = load_calibration("quadro-t2000")
    errors = {"in_sample": accuracy(0.02), "rows": accuracy(0.04), "sweeps": accuracy(0.08)}
    fitted = dataclasses.replace(
        preset.models["time_s"],
        errors=errors,
        model_errors=errors,
        baselines={"flops-only": {"in_sample": accuracy(0.4), "rows": accuracy(0.5)}},
        warnings=("beta_1 is <not> determined",),
    )
    provenance = {"jaxcost": "0.1.0", "date_utc": "2026-01-02T03:04:05Z", "model": None}
    return Calibration(preset.device, {"time_s": fitted}, provenance)


@pytest.fixture(scope="session")
def plain(calibration, layers) -> Study:
    """As `jaxcost fit` has it: no layer was held out, each was predicted once without it."""
    unseen = layers["time_s"].to_numpy() * np.linspace(0.9, 1.1, len(layers))
    return Study.of(calibration, "time_s", layers, unseen=unseen)


@pytest.fixture(scope="session")
def checked(calibration, layers) -> Study:
    """As `jaxcost calibrate` has it: every fourth layer was held out, two were not measured."""
    fitted = calibration.models["time_s"]
    errors = fitted.errors | {"held_out": accuracy(0.06, 5)}
    fitted = dataclasses.replace(fitted, errors=errors)
    held = np.arange(len(layers)) % 4 == 0
    missing = pd.DataFrame(
        {
            "status": ["oom", "skipped", "oom"],
            "error": ["needs 9 GB", "no time", "needs 8 GB"],
            "sizes": ["a", "b", "c"],
        }
    )
    return Study.of(
        dataclasses.replace(calibration, models={"time_s": fitted}), "time_s", layers,
        held_out=held, unmeasured=missing, facts={"time taken": "1 min 40 s"},
    )  # fmt: skip

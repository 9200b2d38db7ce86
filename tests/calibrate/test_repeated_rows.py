"""Measuring a layer five times is no five layers: what is printed and promised stays the same.

Held against the authors' measurements of the T2000 and against DeepBench's, where they are.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.measured_layers import MeasuredLayers
from jaxcost.calibrate.run_build import fit_runs
from jaxcost.device import Device, device
from jaxcost.workload import from_table

pytestmark = pytest.mark.usefixtures("model_alone")

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "datasets"
T2000 = device("quadro-t2000")
TIMES = 5


def data(name: str) -> pd.DataFrame:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this checkout")
    return pd.read_csv(path)


def repeated(frame: pd.DataFrame, column: str, most: float, seed: int = 1) -> pd.DataFrame:
    """Every row five times, with up to `most` of noise."""
    draw = np.random.default_rng(seed)
    copies = [
        frame.assign(**{column: frame[column] * (1 + most * draw.uniform(0, 1, len(frame)))})
        for _ in range(TIMES)
    ]
    return pd.concat(copies, ignore_index=True)


@pytest.fixture(scope="module")
def layers() -> pd.DataFrame:
    found = data("alpha_flops_t2000.csv").sample(59, random_state=4).reset_index(drop=True)
    assert len(found.drop(columns=["time_s", "sweep", "line"]).drop_duplicates()) == 59
    return found


def fitted(frame: pd.DataFrame):
    return fit_layers(frame, T2000, model="roofline", correction=True, starts=2)


@pytest.fixture(scope="module")
def once(layers):
    return fitted(layers)


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_five_times_the_same_layers_promise_what_they_do_once(layers, once, noise):
    five = fitted(repeated(layers, "time_s", noise))
    for way, errors in once.errors.items():
        again = five.errors[way]
        assert (again.layers, again.rows) == (59, 5 * 59)
        assert again.median_absolute == pytest.approx(errors.median_absolute, abs=0.005 + noise)
        assert again.mean_absolute == pytest.approx(errors.mean_absolute, rel=0.1, abs=noise)
    assert len(five.layers) == len(once.layers) == 59
    assert five.intervals.half_width == pytest.approx(once.intervals.half_width, rel=0.1, abs=0.02)
    for before, after in zip(once.estimates, five.estimates, strict=True):
        assert after.value == pytest.approx(before.value, rel=0.05)


def test_intervals_of_repeated_layers_hold_layers_not_measured(layers):
    whole = data("alpha_flops_t2000.csv")
    seen = set(from_key(layers))
    new = whole[[key not in seen for key in from_key(whole)]]
    found = fitted(repeated(layers, "time_s", 0.03).drop(columns="sweep"))
    _, lower, upper = found.interval(from_table(new), T2000)
    assert 0.8 < ((lower <= new["time_s"]) & (new["time_s"] <= upper)).mean() <= 1


def from_key(frame: pd.DataFrame) -> list[str]:
    return (
        frame.drop(columns=["time_s", "sweep", "line"]).astype(str).agg(" ".join, axis=1).tolist()
    )


def test_a_layer_a_little_larger_is_another_layer(layers):
    near = pd.concat([layers, layers.assign(c_out=layers["c_out"] + 1)], ignore_index=True)
    assert MeasuredLayers.of(near, T2000, "time_s").repeats.layers == 118


def test_deepbench_has_several_rows_of_one_shape():
    """Their operands are transposed or not, which a layer's sizes do not tell."""
    frame = data("gpu/deepbench_train.csv")
    frame = frame[frame["device"] == "NV_V100"]
    frame = frame[frame["dtype"] == "float32"].reset_index(drop=True)
    found = fit_layers(frame, Device("v100"), model="roofline", starts=2)
    sizes = frame.drop(columns=["device", "sweep", "time_s", "transpose", "sheet", "padding"])
    errors = found.errors["rows"]
    assert errors.rows == len(frame)
    assert errors.layers is not None
    assert errors.layers <= len(sizes.drop_duplicates()) < len(frame)


def test_training_runs_repeated_are_one_run_each():
    frame = data("butter_e_energy_per_epoch.csv")
    frame = frame[frame["device"] == "eagle-gpu"].reset_index(drop=True)
    of = device("eagle-gpu")
    column = "energy_per_epoch_j"
    single = fit_runs(frame, of, model="training-energy", starts=2)
    five = fit_runs(repeated(frame, column, 0.0), of, model="training-energy", starts=2)
    assert five.errors["rows"].layers == len(frame)
    assert five.errors["rows"].median_absolute == pytest.approx(
        single.errors["rows"].median_absolute, rel=1e-3
    )
    assert five.intervals.half_width == pytest.approx(single.intervals.half_width, rel=1e-3)


def test_ten_rows_of_two_layers_are_too_few(layers):
    with pytest.raises(ValueError, match="rows = 10 of 2 different layers is not enough for inter"):
        fitted(repeated(layers.iloc[:2], "time_s", 0.02))

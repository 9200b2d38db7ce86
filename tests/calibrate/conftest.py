"""A made-up table of measured layers, and the calibration fitted to it, once for all tests."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate import Calibration
from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.fitted import Fitted
from jaxcost.device import device
from jaxcost.models.alpha_roofline import AlphaRoofline
from jaxcost.models.base import parameters_of
from jaxcost.workload import from_table

NOISE = 0.03
FAULTY = {7: 20.0, 44: 0.02}  # by row: times what it should be


@pytest.fixture(scope="session")
def planted() -> AlphaRoofline:
    values = {p.name: p.start for p in parameters_of(AlphaRoofline)}
    return AlphaRoofline(**values | {"rate": 2e12, "bandwidth": 1e11, "floor": 1e-5})


def layers(rows: int, seed: int) -> pd.DataFrame:
    """Convolutions and products of random sizes, in three sweeps, without times."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({"sweep": np.resize(["channels", "kernels", "products"], rows)})
    dense = (frame["sweep"] == "products").to_numpy()
    frame["op"] = np.where(dense, "dense", "conv2d")
    frame["batch"] = 2 ** draw.integers(0, 8, rows)
    frame["in_h"] = frame["in_w"] = np.where(dense, 1, 2 ** draw.integers(3, 8, rows))
    frame["c_in"], frame["c_out"] = 2 ** draw.integers(3, 10, (2, rows))
    kernel = np.where(frame["sweep"] == "kernels", draw.choice([3, 5], rows), 1)
    frame["k_h"] = frame["k_w"] = kernel
    fixed = {"stride": 1, "padding": "same", "groups": 1, "dtype": "float32"}
    return frame.assign(**fixed, remark=[f"row {i}" for i in range(rows)])


def timed(frame: pd.DataFrame, planted: AlphaRoofline) -> pd.DataFrame:
    clean = np.asarray(planted.layer_costs(from_table(frame), device("quadro-t2000")), float)
    return frame.assign(time_s=clean)


@pytest.fixture(scope="session")
def clean(planted) -> pd.DataFrame:
    """Ninety layers with the times that the model planted gives."""
    return timed(layers(90, seed=0), planted)


@pytest.fixture(scope="session")
def table(clean) -> pd.DataFrame:
    """The same with noise, and two rows that contradict all others."""
    factor = np.exp(NOISE * np.random.default_rng(1).standard_normal(len(clean)))
    factor[list(FAULTY)] *= list(FAULTY.values())
    return clean.assign(time_s=clean["time_s"] * factor)


@pytest.fixture(scope="session")
def unseen(planted) -> pd.DataFrame:
    """Other layers of the same kinds, with a row index of their own."""
    frame = timed(layers(60, seed=5), planted)
    return frame.set_index(pd.Index(jnp.arange(60).tolist()[::-1], name="number"))


@pytest.fixture(scope="session")
def fitted(table) -> Fitted:
    return fit_layers(table, device("quadro-t2000"), starts=4)


@pytest.fixture(scope="session")
def calibration(fitted) -> Calibration:
    return Calibration(device("quadro-t2000"), {"time_s": fitted}, {"host": "elsewhere"})

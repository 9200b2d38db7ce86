"""Intervals of sizes beyond a table, on GPUs that others measured, and what a fit leaves open."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.calibrate.extrapolation import _left_open, doubt
from jaxcost.calibrate.fit.folds import block_folds
from jaxcost.calibrate.intervals import UNLIKE
from jaxcost.device import device
from jaxcost.workload import dense
from jaxcost.workload.layer_table import read_layer_table

# What they predict is chosen to test other things, and lies outside at times.
pytestmark = pytest.mark.filterwarnings("ignore:(row|layer) .* outside the calibration")

T2000 = device("quadro-t2000")


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("Tesla V100-PCIE-32GB", "add"),
        ("AMD Instinct MI100", "softmax"),
        ("NVIDIA A100-PCIE-40GB", "ln"),
    ],
)
def test_what_memory_binds_beyond_all_sizes_is_inside_its_interval(name, op, shared, tmp_path):
    """Of 40 small ones the bandwidth is a cache's: 1 to 41 % were inside, without a warning."""
    table = pd.read_csv(shared / "datasets" / "gpu" / "neusight_other_ops_fp32.csv")
    table = table[(table["device"] == name) & (table["op"] == op)]
    size = table["rows"] * table["cols"]
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    table[size <= size.median()].sample(40, random_state=0).to_csv(small, index=False)
    table[size > size.median()].sample(300, random_state=0).to_csv(large, index=False)
    found = jc.fit(small).predict(read_layer_table(large, target="time_s"))
    measured = found["time_s"].astype(float)
    inside = measured.between(found["predicted_time_s_lo"], found["predicted_time_s_hi"])
    assert inside.mean() >= 0.8


@pytest.fixture(scope="module")
def fitted(shared):
    rows = pd.read_csv(shared / "datasets" / "alpha_flops_t2000.csv").sample(60, random_state=0)
    return jc.fit(rows, T2000).models["time_s"]


def test_what_the_fit_leaves_open_is_the_spread_over_draws_of_its_parameters(fitted):
    """A quarter of the covariance, within which logarithms of costs are straight enough."""
    few = dataclasses.replace(fitted, covariance=np.asarray(fitted.covariance) / 400)
    layers = dense(batch=[8.0, 512.0], c_in=1024, c_out=1024)
    names = [e.name for e in few.estimates]
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(len(names)), few.covariance, 400)
    costs = []
    for draw in draws:
        moved = {n: getattr(few.model, n) * np.exp(d) for n, d in zip(names, draw) if n != "hidden"}
        model = dataclasses.replace(few.model, **moved)
        costs.append(np.log(np.asarray(model.layer_costs(layers, T2000))))
    np.testing.assert_allclose(_left_open(few, layers, T2000), np.std(costs, axis=0), rtol=0.15)


def test_within_what_was_measured_nothing_comes_on_top_and_beyond_it_ever_more(fitted):
    layers = dense(batch=512, c_in=[1024, 1024, 1024, 1024], c_out=1024)
    usual = fitted.intervals.usual
    none, some, more, most = doubt(fitted, layers, T2000, np.array([usual, usual + 0.1, 3, 9]))
    assert none == 0
    assert 0 < some < more <= most
    assert more <= UNLIKE
    assert most <= 4 * UNLIKE


@pytest.mark.parametrize(("layers", "blocks"), [(19, 0), (20, 4), (60, 8), (400, 8)])
def test_blocks_leave_out_each_layer_once_and_lie_apart(layers, blocks):
    x = np.random.default_rng(0).uniform(0, [9, 3, 1], (layers, 3))
    masks = block_folds(np.concatenate([x, x]))  # every layer was measured twice
    assert masks.shape == (blocks, 2 * layers)
    if blocks:
        np.testing.assert_array_equal(masks.sum(axis=0), 1)
        np.testing.assert_array_equal(masks[:, :layers], masks[:, layers:])
        spans = [np.ptp(x[mask[:layers]], axis=0)[0] for mask in masks]
        assert max(spans) < 0.5 * np.ptp(x, axis=0)[0]

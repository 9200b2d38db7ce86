"""Layers larger than all that were measured: their intervals say that they are."""

import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.features import features
from jaxcost.calibrate.measured_layers import MeasuredLayers
from jaxcost.device import Device, device
from jaxcost.workload import from_table

pytestmark = pytest.mark.usefixtures("model_alone")

MOST_FITTED, MOST_JUDGED = 300, 500


@pytest.fixture(scope="module", params=["A100-SXM4-80GB", "B200"])
def products(request, shared) -> pd.DataFrame:
    table = pd.read_csv(shared / "datasets" / "gpu" / "aic_gemm_bf16_time.csv")
    found = table[table["device"].str.contains(request.param)]
    assert len(found) > 2000
    return found


def test_large_products_lie_within_the_intervals_of_a_fit_to_small_ones(products):
    small = products[products["batch"] <= 512].sample(MOST_FITTED, random_state=0)
    large = products[products["batch"] >= 2048].sample(MOST_JUDGED, random_state=0)
    a_gpu = Device("of this test")
    fitted = fit_layers(small, a_gpu, model="alpha-roofline", correction=True, starts=2)
    layers = from_table(large)
    _, lower, upper = fitted.interval(layers, a_gpu)
    seconds = large["time_s"].to_numpy()
    assert np.mean((lower <= seconds) & (seconds <= upper)) >= 0.8
    narrow = fitted.intervals.half_width
    assert np.median(np.log(upper / lower)) / 2 > 1.5 * narrow
    within = from_table(products[products["batch"] <= 512].sample(MOST_JUDGED, random_state=1))
    _, lower, upper = fitted.interval(within, a_gpu)
    assert np.median(np.log(upper / lower)) / 2 == pytest.approx(narrow, rel=0.01)


def test_the_largest_rows_are_a_quarter_by_each_measure(table):
    measured = MeasuredLayers.of(table, device("quadro-t2000"), "time_s")
    x = np.asarray(features(measured.layers), np.float64)
    assert len(measured.largest) == 3
    np.testing.assert_allclose(np.mean(measured.largest, axis=1), 0.25, atol=0.03)
    left_out = measured.largest[1]  # by positions
    assert x[left_out, 0].min() > x[~left_out, 0].max()
    result = measured.fit("roofline", starts=2)
    assert list(result.folds) == list(result.errors)[1:] == ["rows", "sweeps"]
    np.testing.assert_array_equal(result.largest.masks, measured.largest)

"""Where the search begins."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost._support.sizes import Scalar
from jaxcost.calibrate.fit.space import Space
from jaxcost.calibrate.fit.starts import starting_points, work_of
from jaxcost.models.base import CostModel, parameter
from jaxcost.workload import Workload, counts, dense, mlp


class Units(CostModel):
    """One parameter for each way of finding a start."""

    unit = "s"
    declared: Scalar = parameter(0, jnp.inf, unit="s", doc="", start=3.0, spread=0.01)
    floor: Scalar = parameter(0, jnp.inf, unit="s", doc="")
    rate: Scalar = parameter(0, jnp.inf, unit="FLOP/s", doc="")
    bandwidth: Scalar = parameter(0, jnp.inf, unit="B/s", doc="")
    pace: Scalar = parameter(0, jnp.inf, unit="s/FLOP", doc="")
    price: Scalar = parameter(0, jnp.inf, unit="J/B", doc="")
    share: Scalar = parameter(-1, 3, unit="1", doc="")
    above: Scalar = parameter(4, jnp.inf, unit="1", doc="")
    free: Scalar = parameter(-jnp.inf, jnp.inf, unit="1", doc="")

    def __call__(self, workload, device):
        return self.floor


SPACE = Space.of(Units)
WORK = {"FLOP": 10.0 ** np.arange(3, 14), "B": 10.0 ** np.arange(2, 13)}
OBSERVED = 1e-6 + WORK["FLOP"] / 1e9


def points(observed=OBSERVED, number=1, seed=0):
    return starting_points(SPACE, WORK, observed, number=number, seed=seed)


def test_the_first_point_is_in_the_scale_of_the_data():
    start = SPACE.values(points()[0])
    assert start["declared"] == pytest.approx(3)
    assert start["floor"] == pytest.approx(np.quantile(OBSERVED, 0.1))
    assert start["rate"] == pytest.approx(1e9, rel=0.01)
    assert start["bandwidth"] == pytest.approx(1e8, rel=0.01)
    assert start["pace"] == pytest.approx(np.median(OBSERVED / WORK["FLOP"]))
    assert start["price"] == pytest.approx(np.median(OBSERVED / WORK["B"]))
    assert (start["share"], start["above"], start["free"]) == pytest.approx((1, 5, 0))


def test_a_faulty_row_does_not_set_the_scale():
    faulty = OBSERVED.copy()
    faulty[7] = 1e-12
    before, after = (SPACE.values(points(observed)[0]) for observed in (OBSERVED, faulty))
    for name in ("floor", "rate", "bandwidth"):
        assert after[name] == pytest.approx(before[name], rel=3), name


def test_the_other_points_scatter_as_far_as_is_believed():
    many = points(number=400)
    assert many.shape == (400, 9)
    np.testing.assert_array_equal(many[:1], points())
    np.testing.assert_allclose(many.std(axis=0), [0.01] + [1.0] * 8, rtol=0.15)


def test_points_are_repeatable():
    np.testing.assert_array_equal(points(number=5, seed=1), points(number=5, seed=1))
    assert (points(number=5, seed=1)[1:] != points(number=5, seed=2)[1:]).all()
    np.testing.assert_array_equal(points(number=5)[:3], points(number=3))


def test_rows_without_work_set_no_scale():
    none = {"FLOP": np.zeros(3), "B": np.array([0.0, 10.0, 0.0])}
    start = starting_points(SPACE, none, np.array([1.0, 2.0, 3.0]), number=1, seed=0)
    values = SPACE.values(start[0])
    assert values["bandwidth"] == pytest.approx(5)
    assert values["rate"] == pytest.approx(1)


def test_work_of_a_layer_and_of_a_network():
    layer = dense(c_in=[10, 100], c_out=[20, 200], batch=2)
    work = work_of(layer)
    np.testing.assert_array_equal(work["FLOP"], [800, 80000])
    np.testing.assert_array_equal(work["B"], counts.bytes_moved(layer))
    networks = Workload.stack([mlp([10, 20, 5], batch_size=2, bias=False), layer[:1]])
    np.testing.assert_array_equal(work_of(networks)["FLOP"], [800 + 400, 800])

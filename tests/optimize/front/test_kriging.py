import numpy as np
import pytest

from jaxcost.optimize.front.kriging import Kriging


def bent(points):
    """A function with a kink-free bend, and its slopes."""
    x, y = points.T
    values = np.log(np.exp(x) + np.exp(2 * y)) + 0.3 * x
    share = np.exp(x) / (np.exp(x) + np.exp(2 * y))
    return values, np.column_stack([share + 0.3, 2 * (1 - share)])


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform(0, 4, (12, 2))


def test_values_and_slopes_are_met_where_they_are_known(points):
    values, slopes = bent(points)
    model = Kriging(points, values, slopes, choices=((1.0, 1e-6),))
    assert np.allclose(model(points), values, atol=1e-3)
    step = np.array([1e-4, 0])
    secant = (model(points + step) - model(points - step)) / 2e-4
    assert np.allclose(secant, slopes[:, 0], atol=2e-2)


def test_slopes_bring_the_model_nearer_to_the_truth(points):
    elsewhere = np.random.default_rng(1).uniform(0, 4, (200, 2))
    values, slopes = bent(points)
    truth = bent(elsewhere)[0]
    without = Kriging(points, values, np.full_like(slopes, np.nan))
    errors = [
        np.abs(m(elsewhere) - truth).mean() for m in (Kriging(points, values, slopes), without)
    ]
    assert errors[0] < 0.5 * errors[1]


def test_a_straight_line_goes_on_beyond_the_data():
    points = np.random.default_rng(2).uniform(0, 1, (6, 3))
    line = np.array([1.0, -2.0, 0.5])
    model = Kriging(points, points @ line + 7, np.full((6, 3), np.nan))
    assert model(np.array([[3.0, 3.0, 3.0]])) == pytest.approx(7 - 1.5, abs=0.05)


def test_steps_are_taken_for_noise():
    points = np.random.default_rng(3).uniform(0, 4, (60, 1))
    values = points[:, 0] + 0.1 * (points[:, 0] * 5 % 2 > 1)
    model = Kriging(points, values, np.full((60, 1), np.nan))
    at = np.linspace(0.5, 3.5, 20)[:, None]
    assert model.choice[1] == 1e-2
    assert np.abs(model(at) - at[:, 0] - 0.05).max() < 0.07

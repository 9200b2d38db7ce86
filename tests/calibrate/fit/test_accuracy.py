"""Errors worked out by hand."""

import numpy as np
import pytest

from jaxcost.calibrate.fit.accuracy import Accuracy

# Signed relative errors: +50 %, -20 %, 0, +10 % (just within), -90 %.
PREDICTED, OBSERVED = [1.5, 0.8, 1.0, 1.1, 0.1], [1.0, 1.0, 1.0, 1.0 + 1e-9, 1.0]


def test_errors_are_relative_to_what_was_observed():
    accuracy = Accuracy.of(np.log(PREDICTED), np.log(OBSERVED))
    assert accuracy.rows == 5
    assert accuracy.mean_absolute == pytest.approx((0.5 + 0.2 + 0.1 + 0.9) / 5)
    assert accuracy.median_absolute == pytest.approx(0.2)
    assert accuracy.within_10_percent == pytest.approx(2 / 5)
    assert accuracy.bias == pytest.approx(0, abs=1e-12)


def test_the_bias_has_a_sign():
    assert Accuracy.of(np.log([1.2, 1.3, 0.5]), np.zeros(3)).bias == pytest.approx(0.2)
    assert Accuracy.of(np.log([0.8, 0.7, 1.5]), np.zeros(3)).bias == pytest.approx(-0.2)


def test_it_prints_as_a_sentence():
    text = str(Accuracy.of(np.log(PREDICTED), np.log(OBSERVED)))
    assert text == "mean error 34.0%, median 20.0%, 40% of 5 rows within 10 %"

import math

import numpy as np
import pytest
from scipy import stats

from jaxcost.measure.clock.statistics import median_absolute_deviation, quantile_interval, summarise


@pytest.mark.parametrize("count", [17, 24, 50, 333])
@pytest.mark.parametrize("quantile", [0.25, 0.5, 0.8])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_interval_is_scipys(count, quantile, confidence):
    values = np.random.default_rng(count).gamma(2.0, size=count)
    expected = stats.quantile_test(values, p=quantile).confidence_interval(confidence)
    assert quantile_interval(values, quantile, confidence) == (expected.low, expected.high)


def test_interval_covers_the_median_as_often_as_it_says():
    draws = np.random.default_rng(1).exponential(size=(2000, 24))
    intervals = [quantile_interval(row, 0.5) for row in draws]
    covered = np.mean([low <= math.log(2) <= high for low, high in intervals])
    assert 0.95 <= covered <= 0.985


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_draws_have_no_interval(count):
    assert all(math.isnan(end) for end in quantile_interval(list(range(count)), 0.5))


def test_six_draws_are_the_fewest_for_the_median():
    assert quantile_interval([3, 1, 2, 6, 5, 4], 0.5) == (1, 6)


def test_summary_is_numpys_and_scipys():
    values = np.random.default_rng(2).lognormal(size=31)
    summary = summarise(values)
    assert summary is not None
    assert summary.p25 == pytest.approx(np.percentile(values, 25))
    assert summary.median == pytest.approx(np.median(values))
    assert summary.minimum == values.min()
    assert summary.mad == pytest.approx(stats.median_abs_deviation(values))
    assert summary.count == 31
    assert summary.value == summary.median
    assert summary.lower < summary.median < summary.upper


def test_half_width_is_relative_to_the_median():
    summary = summarise([9.0, 10.0, 10.0, 10.0, 10.0, 12.0])
    assert summary is not None
    assert summary.half_width == pytest.approx(1.5 / 10)


def test_the_value_is_the_chosen_quantile_with_its_interval():
    values = np.random.default_rng(3).lognormal(size=40)
    summary = summarise(values, quantile=0.25)
    assert summary is not None
    assert summary.value == summary.p25 == pytest.approx(np.percentile(values, 25))
    assert (summary.lower, summary.upper) == quantile_interval(values, 0.25)


def test_nothing_has_no_summary():
    assert summarise([]) is None


def test_one_outlier_leaves_the_deviation_small():
    assert median_absolute_deviation([1.0, 1.1, 0.9, 1.0, 50.0]) == pytest.approx(0.1)

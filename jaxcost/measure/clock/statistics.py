"""Summaries of repeated timings that a few disturbed ones do not spoil; pure functions."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Summary:
    """What repeated timings of one thing say, all times in their unit.

    Args:
        count: how many timings.
        value: the chosen quantile.
        p25, median, minimum: quantiles 0.25, 0.5 and 0.
        mad: median absolute deviation from the median, not scaled.
        lower, upper: interval of `value`; NaN where too few timings can give one.
    """

    count: int
    value: float
    p25: float
    median: float
    minimum: float
    mad: float
    lower: float
    upper: float

    @property
    def half_width(self) -> float:
        """Half the interval over the value, a ratio; NaN where there is no interval."""
        return (self.upper - self.lower) / 2 / self.value


def summarise(
    times: Sequence[float], quantile: float = 0.5, confidence: float = 0.95
) -> Summary | None:
    """The summary of at least one timing; None of none.

    Args:
        times: timings, each finite and > 0.
        quantile: which one is `value`, in (0, 1).
        confidence: least probability that the interval covers it, in (0, 1).
    """
    if not len(times):
        return None
    values = np.asarray(times, dtype=float)
    value, p25, median = map(float, np.quantile(values, [quantile, 0.25, 0.5]))
    lower, upper = quantile_interval(times, quantile, confidence)
    return Summary(
        count=len(values),
        value=value,
        p25=p25,
        median=median,
        minimum=float(values.min()),
        mad=median_absolute_deviation(times),
        lower=lower,
        upper=upper,
    )


def median_absolute_deviation(values: Sequence[float]) -> float:
    """The median of the distances from the median, in the unit of the values, not scaled."""
    array = np.asarray(values, dtype=float)
    return float(np.median(np.abs(array - np.median(array))))


def quantile_interval(
    values: Sequence[float], quantile: float, confidence: float = 0.95
) -> tuple[float, float]:
    """An interval of a quantile from order statistics alone, in the unit of the values.

    It assumes independent draws and nothing of their distribution: the number of draws
    below the quantile is binomial, and each side gets half of the error.

    Args:
        values: the draws.
        quantile: of which quantile, in (0, 1).
        confidence: least probability of covering it, in (0, 1).
    Returns:
        Lower and upper end; both NaN where so few draws cannot reach the confidence.
    Source: Conover, Practical Nonparametric Statistics (3rd ed.), section 3.2.
    """
    ordered = sorted(values)
    count = len(ordered)
    tail = (1 - confidence) / 2
    below = _binomial_cdf(count, quantile)
    low = sum(probability <= tail for probability in below[:-1]) - 1
    high = next((rank for rank in range(count) if below[rank] >= 1 - tail), None)
    if low < 0 or high is None:
        return math.nan, math.nan
    return ordered[low], ordered[high]


def _binomial_cdf(count: int, probability: float) -> list[float]:
    """P(draws <= k) for k = 0 .. count; logarithms keep large counts finite."""
    terms = [
        math.exp(
            math.lgamma(count + 1)
            - math.lgamma(k + 1)
            - math.lgamma(count - k + 1)
            + k * math.log(probability)
            + (count - k) * math.log1p(-probability)
        )
        for k in range(count + 1)
    ]
    return list(np.cumsum(terms))

"""What the thesis computes from its data: joules, fronts, growth, correlations, scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxcost._support.dates import fractional_years
from jaxcost._support.precision import double_precision
from jaxcost._support.published import published
from jaxcost.calibrate.trends import efficiency_line
from jaxcost.device import Device
from jaxcost.models.efficiency_trend import EfficiencyTrend, of_flops

if TYPE_CHECKING:
    import pandas as pd

JOULES_PER_KCAL, SECONDS_PER_DAY = 4184.0, 86400.0
BODY_W = 2000 * JOULES_PER_KCAL / SECONDS_PER_DAY
PERSON_W = 79897 * 3.6e6 / (365 * SECONDS_PER_DAY)


def vision() -> pd.DataFrame:
    """Table A.3 with `year`, `energy_j` by the CNN line, and `best`: the most accurate of its year.

    Network by network; ties go to the earlier row.
    """
    table = _with_energy("a_3", "cnn")
    best = table.groupby(table.year.astype(int))["top_1_percent"].idxmax()
    return table.assign(best=table.index.isin(best))


def language() -> pd.DataFrame:
    """Table A.4 with `year`, `energy_j` by the NLP line, and `best`: the largest yet in FLOPs."""
    table = _with_energy("a_4", "nlp").sort_values("date", kind="stable", ignore_index=True)
    # Of networks published on one day, the largest is the one that set the record.
    largest = table.flops == table.groupby("date")["flops"].transform("max")
    record = table.flops > table.flops.cummax().shift(fill_value=0)
    return table.assign(best=largest & record)


def energy(line: str, flops: ArrayLike, dates: ArrayLike) -> np.ndarray:
    """Joules of one inference on hardware of each network's own date, shape `(networks,)`."""
    years = fractional_years(np.atleast_1d(np.asarray(dates)))
    with double_precision():
        model = efficiency_line(line).model
        return np.array([_joules(model, f, y) for f, y in zip(np.atleast_1d(flops), years)])


def pareto(cost: ArrayLike, score: ArrayLike) -> np.ndarray:
    """Which points no other is at least as good as at no more cost, shape `(points,)`."""
    price, merit = np.asarray(cost, float), np.asarray(score, float)
    as_good = (price <= price[:, None]) & (merit >= merit[:, None])
    better = (price < price[:, None]) | (merit > merit[:, None])
    return np.asarray(~(as_good & better).any(axis=1))


class Growth(NamedTuple):
    """A straight line through log10(value) against year: slope in decades a year, 90 % interval."""

    slope: float
    lower: float
    upper: float
    level: float  # log10(value) at year 0

    @property
    def doubling_years(self) -> float:
        """Years in which the value doubles; negative where it halves."""
        return float(np.log10(2) / self.slope)

    def at(self, year: ArrayLike) -> np.ndarray:
        """The line's value at each year, shape `(years,)`."""
        return 10 ** (self.level + self.slope * np.asarray(year, float))


def growth(year: ArrayLike, value: ArrayLike) -> Growth:
    """The least-squares line, its interval from Student's t; at least three points."""
    from scipy.stats import linregress, t

    x, y = np.asarray(year, float), np.log10(np.asarray(value, float))
    line = linregress(x, y)
    reach = t.ppf(0.95, len(x) - 2) * line.stderr
    return Growth(line.slope, line.slope - reach, line.slope + reach, line.intercept)


def yearly_mean(table: pd.DataFrame, column: str) -> pd.Series:
    """The mean of a column over the networks of each calendar year, at the middle of the year."""
    mean = table.groupby(table.year.astype(int))[column].mean()
    return mean.set_axis(mean.index + 0.5)


def correlation(architecture: str) -> float:
    """Pearson's correlation of parameters with FLOPs over an architecture's networks.

    Networks with the same parameters and FLOPs, trained in several ways, count once: that gives
    the two printed figures, which all rows together do not.
    """
    table = published("inference_trends_table_a_3")
    distinct = table.drop_duplicates(["parameters", "flops"])
    chosen = distinct[distinct.architecture == architecture]
    return float(np.corrcoef(chosen.parameters, chosen.flops)[0, 1])


@dataclass(frozen=True)
class Scaling:
    """How much deeper, wider and finer a network is than the one it was scaled from; each > 0."""

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0

    def flops(self, base: ArrayLike) -> Array:
        """FLOPs = base * depth * width**2 * resolution**2 (eq. A.1), the shape of `base`."""
        return jnp.asarray(base) * self.depth * self.width**2 * self.resolution**2


def _with_energy(table: str, line: str) -> pd.DataFrame:
    found = published(f"inference_trends_table_{table}")
    joules = energy(line, found.flops.to_numpy(), found.date.to_numpy())
    return found.assign(year=fractional_years(found.date.to_numpy()), energy_j=joules)


def _joules(model: EfficiencyTrend, flops: float, year: float) -> float:
    return float(model(of_flops(flops), Device("gpu of the year", launch_year=year)))

"""The efficiency of GPUs over the years: the thesis's three lines, fitted to its own table."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np

from jaxcost._support.dates import fractional_year, fractional_years
from jaxcost._support.messages import unknown
from jaxcost._support.published import published
from jaxcost.calibrate.fit import FitResult, fit_model
from jaxcost.calibrate.intervals import Intervals, calibrate_intervals
from jaxcost.device import Device
from jaxcost.models.efficiency_trend import EfficiencyTrend, of_flops

# Each line goes through all FP32 rows of table B.3, and those adapted for its kind of network.
LINES = {"fp32": ("none",), "cnn": ("none", "cnn"), "nlp": ("none", "nlp")}
_LEAST_SQUARES = 10.0  # a ln ratio so large that every row counts alike, as in the thesis


@dataclasses.dataclass(frozen=True)
class EfficiencyLine:
    """A line through log10(FLOP/J) against launch date.

    Attributes:
        name: `fp32`, `cnn` or `nlp`.
        result: the fit, with 90 % intervals of level and growth.
        intervals: of a single GPU around the line, from GPUs left out of the fit.
        first, last: ISO dates between which its GPUs were launched.
    """

    name: str
    result: FitResult
    intervals: Intervals
    first: str
    last: str

    @property
    def model(self) -> EfficiencyTrend:
        """The fitted model, in the precision that JAX has when it is asked for."""
        return EfficiencyTrend(**{e.name: e.value for e in self.result.estimates})

    def beyond(self, date: str) -> float:
        """Years by which `date` lies after the line's data, or (negative) before them; else 0."""
        year, first, last = map(fractional_year, (date, self.first, self.last))
        return max(year - last, 0) + min(year - first, 0)

    def energy(self, flops: float, date: str, *, extrapolate: bool = False) -> np.ndarray:
        """Joules of `flops` on hardware launched on `date`: estimate, and its 90 % interval.

        Args: date: ISO; extrapolate: whether it may lie outside the data, keyword-only.
        Returns: estimate, lower and upper end, in J, shape `(3,)`.
        Raises: ValueError: a date outside the data; the message says by how much.
        """
        if self.beyond(date) and not extrapolate:
            way_out = "give one within, or allow it with --extrapolate (in Python extrapolate=True)"
            raise ValueError(f"{self.outside(date)}; {way_out}")
        device = Device(self.name, launch_year=fractional_year(date))
        joules = float(self.model(of_flops(flops), device))
        ends = self.intervals.around(np.log([joules]), np.zeros(1))
        return np.array([joules, *(float(end[0]) for end in ends)])

    def outside(self, date: str) -> str:
        """In words, how far `date` lies outside the data."""
        years, edge = self.beyond(date), "first" if self.beyond(date) < 0 else "last"
        side = f"{abs(years):.1f} years {'before' if years < 0 else 'after'} the {edge} GPU"
        return f"date {date} is {side} of the {self.name} line ({self.first} to {self.last})"


@functools.cache
def efficiency_line(name: str) -> EfficiencyLine:
    """The line called `name`, fitted to table B.3 by least squares on ln(efficiency).

    Raises: ValueError: an unknown name; the message gives the nearest and lists all.
    """
    if name not in LINES:
        raise ValueError(unknown("efficiency line", name, LINES))
    table = published("inference_trends_table_b_3")
    gpus = table[table.adapted_for.isin(LINES[name])]
    joules = 1 / gpus.efficiency_flop_per_j.to_numpy()
    years = jnp.asarray(fractional_years(gpus.launch_date.to_numpy()))
    found = fit_model(
        EfficiencyTrend, of_flops(np.ones(len(gpus))), Device(name, launch_year=years), joules,
        robust=_LEAST_SQUARES, folds=10, starts=2, combine=False,
    )  # fmt: skip
    error = np.log(joules) - found.folds["rows"].predicted()
    bounds = calibrate_intervals((error, np.zeros(len(gpus))))
    return EfficiencyLine(name, found, bounds, gpus.launch_date.min(), gpus.launch_date.max())

"""What the data say about each parameter, and what they leave open."""

import dataclasses
import math

import numpy as np

from jaxcost.calibrate.fit.problem import Problem
from jaxcost.calibrate.intervals import Z90
from jaxcost.models.base import Parameter

_VAGUE = 10.0  # standard deviation of z where nothing is believed and nothing was learnt
_FACTOR_TWO = math.log(2)
_STEPS = 12


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A fitted parameter with its 90 % interval, in `unit`; `determined` by the data or not."""

    name: str
    value: float
    lower: float
    upper: float
    unit: str
    doc: str
    determined: bool


@dataclasses.dataclass(frozen=True)
class Identifiability:
    """Estimates, their covariance in the searched space `z`, and the data's singular values.

    `singular_values`, shape `(parameters,)`: of the Jacobian of ln(predicted) by `z` over the
    residual's standard deviation. One near 0 is a direction the data do not see.
    """

    estimates: tuple[Estimate, ...]
    covariance: np.ndarray
    singular_values: np.ndarray

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line in plain words for each parameter that the data do not determine."""
        return tuple(
            f"{e.name} ({e.doc}) is not determined by these data: 90 % interval {e.lower:.3g} to "
            f"{e.upper:.3g}{'' if e.unit == '1' else ' ' + e.unit}; measure layers it depends on"
            for e in self.estimates
            if not e.determined
        )


def identify(problem: Problem, z: np.ndarray, others: np.ndarray | None = None) -> Identifiability:
    """Linearises the model at its optimum `z`, for the loss's robust weights.

    Each end of an interval is then held against the loss itself, and moved outward as far as
    that hardly rises: beside the kink of a maximum the linear model sees what is not there. It
    also takes in whichever of the `others`, reached from other starts, shape `(starts,
    parameters)`, explain the data as well: a parameter that differs between them is not known.

    Source: Huber, Ronchetti (2009), Robust statistics, section 7.6 (covariance of M-estimates).
    """
    predicted, jacobian = problem.jacobian(z)
    residual = predicted - problem.log_observed
    certainty, trust = problem.certainty, problem.trust(residual)
    sigma, slope = _noise(residual, trust, certainty, len(z))
    seen = jacobian * np.sqrt(certainty)[:, None] / sigma
    before = np.where(problem.precision > 0, problem.precision, _VAGUE**-2)
    covariance = np.linalg.inv(seen.T @ seen + np.diag(before))
    spread = np.sqrt(np.diag(covariance))
    along = covariance / spread  # column i: how all parameters move with the i-th
    sharp = problem.noise**2 / (slope * sigma**2)  # makes the loss rise as its quadratic does
    down, up, equal = _reach(problem, z, along, z[None] if others is None else others, sharp)
    apart = equal - z
    lower = problem.space.values(z - np.maximum(down, -apart.min(axis=0)))
    upper = problem.space.values(z + np.maximum(up, apart.max(axis=0)))
    middle, wide = problem.space.values(z), np.maximum((down + up) / 2, np.abs(apart).max(axis=0))
    estimates = tuple(
        _estimate(p, middle[p.name], lower[p.name], upper[p.name], wide[i] / Z90)
        for i, p in enumerate(problem.space.parameters)
    )
    return Identifiability(
        estimates, covariance, np.linalg.svd(np.linalg.qr(seen, mode="r"), compute_uv=False)
    )


def _noise(
    residual: np.ndarray, trust: np.ndarray, certainty: np.ndarray, parameters: int
) -> tuple[float, float]:
    """Standard deviation of what a residual of a certain row does to the fit, `trust * residual`
    over its mean slope, and that slope."""
    influence = np.sqrt(certainty) * trust * residual
    slope = max(float(np.average(trust * (2 * trust - 1), weights=certainty)), 0.01)
    freedom = max(len(residual) - parameters, 1)
    return max(math.sqrt((influence**2).sum() / freedom) / slope, 1e-6), slope


def _reach(
    problem: Problem, z: np.ndarray, along: np.ndarray, others: np.ndarray, sharp: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far below and above `z` each 90 % interval ends; and `z` with those of the `others`
    at which the loss is hardly above that at `z`."""
    spread = np.diag(along)
    furthest = np.maximum(Z90 * _VAGUE / spread, Z90)
    steps = np.geomspace(Z90, furthest, _STEPS)
    here = problem.loss(z[None], sharp)

    def hardly(points: np.ndarray) -> np.ndarray:
        """The loss rises by under half of what a quadratic does at the end of its interval."""
        with np.errstate(all="ignore"):  # a NaN is a rise
            return problem.loss(points, sharp) - here < Z90**2 / 4

    # Of each end, the nearest step that is enough, or the furthest.
    ends = np.zeros((2, len(z)), int)
    open_ = np.argwhere(ends == 0)
    for step in range(_STEPS - 1):
        side, which = open_.T
        moved = steps[step, which, None] * along.T[which]
        open_ = open_[hardly(z + (2 * side - 1)[:, None] * moved)]
        ends[tuple(open_.T)] = step + 1
        if not len(open_):
            break
    down, up = np.take_along_axis(steps, ends, axis=0) * spread
    return down, up, np.concatenate([z[None], others[hardly(others)]])


def _estimate(p: Parameter, value: float, a: float, b: float, spread: float) -> Estimate:
    """Determined: its standard deviation is clearly under what was believed beforehand, and its
    interval under half its range, or the deviation in ln under a factor of two."""
    lower, upper = min(a, b), max(a, b)
    if math.isfinite(p.lower) and math.isfinite(p.upper):
        narrow = upper - lower < (p.upper - p.lower) / 2
    else:
        narrow = spread < _FACTOR_TWO
    determined = narrow and spread < 0.7 * (p.spread or math.inf)
    return Estimate(p.name, value, lower, upper, p.unit, p.doc, bool(determined))

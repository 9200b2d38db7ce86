"""What the data say about each parameter, and what they leave open."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcost.fit.problem import Problem
from jaxcost.models.base import Parameter

_Z90 = 1.6449
_VAGUE = 10.0  # standard deviation of z where nothing is believed and nothing was learnt
_FACTOR_TWO = math.log(2)


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

    `singular_values`, shape `(parameters,)`: of the weighted Jacobian of ln(predicted) by `z`,
    over the residual's standard deviation. One near 0 is a direction the data do not see.
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


def identify(problem: Problem, z: np.ndarray) -> Identifiability:
    """Linearises the model at its optimum `z`: Gauss-Newton with the loss's robust weights."""
    predicted, jacobian = map(np.asarray, _linearise(problem, jnp.asarray(z)))
    residual = predicted - np.asarray(problem.log_observed)
    trust = np.asarray(problem.trust(residual))
    freedom = max(trust.sum() - len(z), 1.0)
    sigma = max(np.sqrt((trust * residual**2).sum() / freedom), 1e-6)
    seen = np.sqrt(trust)[:, None] * jacobian / sigma
    precision = np.asarray(problem.precision)
    before = np.where(precision > 0, precision, _VAGUE**-2)
    covariance = np.linalg.inv(seen.T @ seen + np.diag(before))
    spread = np.sqrt(np.diag(covariance))
    lower, upper = (problem.space.values(z + sign * _Z90 * spread) for sign in (-1, 1))
    middle = problem.space.values(z)
    estimates = tuple(
        _estimate(p, middle[p.name], lower[p.name], upper[p.name], spread[i])
        for i, p in enumerate(problem.space.parameters)
    )
    return Identifiability(estimates, covariance, np.linalg.svd(seen, compute_uv=False))


@eqx.filter_jit
def _linearise(problem: Problem, z: Array) -> tuple[Array, Array]:
    return problem.log_predicted(z), jax.jacfwd(problem.log_predicted)(z)


def _estimate(p: Parameter, value: float, a: float, b: float, spread: float) -> Estimate:
    """Determined: its interval is under half its range, or it is known to a factor of two and
    clearly better than was believed beforehand."""
    lower, upper = min(a, b), max(a, b)
    if math.isfinite(p.lower) and math.isfinite(p.upper):
        determined = upper - lower < (p.upper - p.lower) / 2
    else:
        determined = spread < (0.7 * p.spread if p.spread else _FACTOR_TWO)
    return Estimate(p.name, value, lower, upper, p.unit, p.doc, bool(determined))

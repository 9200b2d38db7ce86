"""Minimising sums of squares, robust or not, by damped Gauss-Newton steps, many side by side."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

_FIRST_DAMPING, _LEAST_DAMPING = 1e-2, 1e-12  # almost a Gauss-Newton step, and one
_MOST_DAMPING = 1e16  # no step so short goes down: this is the minimum, to rounding
_FLAT = 1e-9  # of the largest curvature: a direction in which the loss hardly changes
_NOTHING = 1e-12  # of a loss: that of rows which the model fits to rounding
_FURTHEST = 4.0  # that a step moves any parameter, in logarithms a factor of 55

# From numbers of searches, shape `(n,)`, and a point of each, shape `(n, parameters)`, to the
# losses there, their gradients, and the Gauss-Newton approximations of their Hessians.
Linearised = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


class Points(NamedTuple):
    """A point `z` of each search, its loss, gradient, and Gauss-Newton Hessian."""

    z: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray


class Searches(NamedTuple):
    """The lowest point of each search so far, what its last step gained, what shapes the next.

    `largest` is the largest curvature met so far along each parameter, `damping` is in its units,
    `expected` what the next step would gain if the loss were quadratic.
    """

    lowest: Points
    largest: np.ndarray
    gain: np.ndarray
    expected: np.ndarray
    damping: np.ndarray
    growth: np.ndarray


def minimize(
    linearised: Linearised, starts: np.ndarray, *, max_steps: int = 400, tolerance: float = 1e-7
) -> tuple[np.ndarray, np.ndarray]:
    """The local minimum reached from each start, shape `(starts, parameters)`, and its value.

    A search stops when a step has gained less than `tolerance` of the value, or would, or after
    `max_steps`; those that go on are no longer held up by it. In NumPy: a program of XLA's for
    these small matrices would take longer to compile than to run.

    Args:
        starts: shape `(starts, parameters)`.
    Source: Madsen, Nielsen, Tingleff (2004), Methods for non-linear least squares problems,
        algorithm 3.16; scaled as in Moré (1978), The Levenberg-Marquardt algorithm, section 6.
    """
    found, values = starts.copy(), np.full(len(starts), np.inf)
    going, z, searches = np.arange(len(starts)), starts, _begun(starts)
    for count in range(1, max_steps + 1):
        with np.errstate(all="ignore"):
            searches, z = _moved(searches, Points(z, *linearised(going, z)))
            done = _finished(searches, tolerance) & (count >= 3) | (count == max_steps)
        found[going[done]] = searches.lowest.z[done]
        values[going[done]] = searches.lowest.value[done]
        going, z, searches = _where(~done, (going, z, searches))
        if not len(going):
            break
    return found, values


def _where(some: np.ndarray, state: tuple) -> tuple:
    """The same of some of the searches."""
    return jax.tree.map(lambda leaf: leaf[some], state)


def _begun(starts: np.ndarray) -> Searches:
    inf, none = np.full(len(starts), np.inf), np.zeros_like(starts)
    start = Points(starts, inf, none, np.zeros((*starts.shape, starts.shape[1])))
    damping, growth = np.full_like(inf, _FIRST_DAMPING), np.full_like(inf, 2.0)
    return Searches(start, none, inf, inf, damping, growth)


def _moved(past: Searches, here: Points) -> tuple[Searches, np.ndarray]:
    """What `here` teaches, and where to look next: where a loss has risen, by a shorter step from
    the lowest point."""
    down = here.value < past.lowest.value

    def either(new: np.ndarray, old: np.ndarray) -> np.ndarray:
        return np.where(down.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    lowest = Points(*map(either, here, past.lowest))
    largest = np.maximum(past.largest, np.diagonal(lowest.curvature, axis1=1, axis2=2))
    gain = past.lowest.value - here.value
    share = np.where(np.isfinite(gain), gain / past.expected, 0)
    eased = past.damping * np.clip(1 - (2 * share - 1) ** 3, 1 / 3, 1)
    damping = np.where(down, eased, past.damping * past.growth)
    growth = np.where(down, 2.0, 2 * past.growth)
    step, expected = _step(lowest, largest, damping)
    kept = np.maximum(damping, _LEAST_DAMPING)
    return Searches(lowest, largest, np.where(down, gain, 0), expected, kept, growth), (
        lowest.z + step
    )


def _finished(searches: Searches, tolerance: float) -> np.ndarray:
    little = tolerance * np.abs(searches.lowest.value) + _NOTHING
    settled = (searches.gain > 0) & (searches.gain <= little)
    return settled | (searches.expected <= 1e-3 * little) | (searches.damping > _MOST_DAMPING)


def _step(at: Points, largest: np.ndarray, damping: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The damped steps, and what each would gain if the loss were quadratic."""
    least = _FLAT * largest.max(axis=1, keepdims=True)
    scale = np.sqrt(np.maximum(largest, least) + np.finfo(float).tiny)
    damped = at.curvature / (scale[:, :, None] * scale[:, None])
    damped += damping[:, None, None] * np.eye(scale.shape[1])
    full = -np.linalg.solve(damped, (at.gradient / scale)[:, :, None])[:, :, 0] / scale
    step = full * np.minimum(1, _FURTHEST / np.abs(full).max(axis=1, keepdims=True))
    step = np.where(np.isfinite(step), step, 0)
    curved = np.einsum("ni,nij,nj->n", step, at.curvature, step)
    return step, -np.einsum("ni,ni->n", at.gradient, step) - curved / 2

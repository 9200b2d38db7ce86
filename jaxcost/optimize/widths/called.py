"""Objectives that JAX cannot trace, such as training a network: called, never differentiated."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcost._support.messages import refused
from jaxcost.optimize.lattice import Lattice
from jaxcost.optimize.problem import Evaluator, Problem, broken_by, order
from jaxcost.optimize.widths.anneal import default_schedule, descend
from jaxcost.optimize.widths.polish import polish

_FIRST = 8  # networks that are tried before the best of them is moved
_STEPS = 100


class Called:
    """A function of whole widths, called once for each network.

    Attributes: calls: how often so far.
    """

    def __init__(self, cost: Callable[[np.ndarray], Any], name: str) -> None:
        self._cost, self._name = cost, name
        self._known: dict[tuple[int, ...], float] = {}

    @property
    def calls(self) -> int:
        """Networks that it was called for."""
        return len(self._known)

    def __call__(self, widths: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """The values at widths `(m, n)`, shape `(m,)`; infinite where not `wanted`."""
        return np.array([self._at(w) if want else np.inf for w, want in zip(widths, wanted)])

    def _at(self, widths: np.ndarray) -> float:
        key = tuple(int(w) for w in widths)
        if key not in self._known:
            self._known[key] = self._number(self._cost(np.array(key)), key)
        return self._known[key]

    def _number(self, found: Any, key: tuple[int, ...]) -> float:
        try:
            number = float(np.asarray(found, np.float64).reshape(()))
        except (TypeError, ValueError):
            number = np.nan
        if np.isnan(number):
            name = f"{self._name} at widths {list(key)}"
            raise ValueError(refused(name, found, "one number; inf for a network that failed"))
        return number


def untraced(cost: Callable[..., Any], widths: int, name: str) -> Called | None:
    """The cost as one that is called, where JAX cannot trace it; None where it can."""
    if not callable(cost):
        raise ValueError(refused(name, cost, "a function of widths"))
    try:
        jax.eval_shape(cost, jax.ShapeDtypeStruct((widths,), jnp.zeros(0).dtype))
    except jax.errors.JAXTypeError:
        return Called(cost, name)
    except TypeError:  # it takes more than widths, or is wrong: what checks costs says so
        return None
    return None


def nothing(widths: Array) -> Array:
    """Stands for an objective that is not traced."""
    return jnp.zeros_like(widths[0])


class _Unspent(eqx.Module):
    """How far the tightest budget is from being spent wholly, as a smooth objective above 0."""

    problem: Problem

    def __call__(self, widths: Array, temperature: Array) -> Array:
        _, over = self.problem(widths, temperature)
        return 1 + (jax.nn.logsumexp(20 * over) / 20) ** 2


def search_called(
    problem: Problem,
    lattice: Lattice,
    evaluate: Evaluator,
    drawn: np.ndarray,
    feasible: np.ndarray,
    tiles: Sequence[int],
) -> np.ndarray:
    """The best widths found by exact moves, `(n,)`, from where budgets are spent by gradient.

    Args: drawn: real widths, `(starts, n)`; feasible: allowed ones that meet the budgets, `(n,)`.
    """
    ends = drawn
    if problem.names:
        ends = descend(
            Problem.of(_Unspent(problem), {}), drawn, (lattice.lower, lattice.upper),
            steps=_STEPS, schedule=default_schedule(_STEPS), learning_rate=0.15,
        ).widths  # fmt: skip
    near = lattice.places(ends)
    below = np.maximum(near - (lattice.at(near) > ends), 0)
    tried = np.unique(np.vstack([lattice.at(below), feasible[None]]), axis=0)
    tried = tried[broken_by(Evaluator(problem)(tried)[1]) == 0]
    tried = np.random.default_rng(0).permutation(tried)[: min(_FIRST, evaluate.left)]
    best = tried[order(*evaluate(tried))[0]]
    return polish(lattice, evaluate, best, tiles).widths

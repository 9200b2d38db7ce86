"""Whether any widths meet the budgets, and which budgets stand in the way."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcost._support.messages import shown
from jaxcost.optimize.lattice import Lattice
from jaxcost.optimize.problem import Evaluator, Problem, broken_by, order
from jaxcost.optimize.widths.anneal import default_schedule, descend
from jaxcost.optimize.widths.polish import Polished, polish

_STEPS = 100
_TRIED = 3
_ALL = 1 << 18  # networks that are all tried before budgets are said to be out of reach


class _Broken(eqx.Module):
    """How far the worst budget is broken, as a smooth objective above 0."""

    problem: Problem

    def __call__(self, widths: Array, temperature: Array) -> Array:
        _, over = self.problem(widths, temperature)
        return jnp.exp(jax.nn.logsumexp(20 * over) / 20)


class Feasible(NamedTuple):
    """Allowed widths that meet all budgets, `(n,)`; `rare`: none of those drawn at random did, and
    there are few enough networks to try them all."""

    widths: np.ndarray
    rare: bool


def check_feasible(
    problem: Problem, lattice: Lattice, evaluate: Evaluator, drawn: np.ndarray
) -> Feasible:
    """Whether any widths meet the budgets; ValueError where none are found.

    Args: drawn: real widths spread over the bounds, `(starts, n)`.
    """
    if not problem.names:
        return Feasible(lattice.upper, False)
    tried = np.vstack([lattice.lower, lattice.upper, lattice.nearest(drawn)])
    _, over = evaluate(tried)
    if (meets := broken_by(over) == 0).any():
        return Feasible(tried[meets][0], False)
    for widths in lattice.everything() if lattice.size <= _ALL else ():
        if (meets := broken_by(evaluate(widths)[1]) == 0).any():
            return Feasible(widths[meets][0], True)
    descent = descend(
        Problem.of(_Broken(problem), {}), drawn, (lattice.lower, lattice.upper),
        steps=_STEPS, schedule=default_schedule(_STEPS), learning_rate=0.15,
    )  # fmt: skip
    tried = np.vstack([tried, lattice.nearest(descent.widths)])
    nearest: list[Polished] = []
    for i in order(*evaluate(tried))[:_TRIED]:
        nearest.append(polish(lattice, evaluate, tried[i]))
        if broken_by(nearest[-1].over[None])[0] == 0:
            return Feasible(nearest[-1].widths, False)
    raise ValueError(_words(problem, min(nearest, key=lambda p: p.over.max())))


def _words(problem: Problem, nearest: Polished) -> str:
    limits = np.asarray(problem.limits, np.float64)
    costs = limits * np.exp(nearest.over)
    broken = [i for i in np.argsort(-nearest.over) if nearest.over[i] > 0]
    names = " and ".join(f"{problem.names[i]} <= {shown(limits[i])}" for i in broken)
    together = "" if len(problem.names) == len(broken) == 1 else ", all budgets together"
    have = ", ".join(f"{problem.names[i]} = {shown(costs[i])}" for i in broken)
    return (
        f"no widths within the bounds meet {names}{together}; the nearest, "
        f"{' '.join(map(str, nearest.widths))}, has {have}; give higher limits or wider bounds"
    )

"""Pareto fronts of two costs: the networks of which none is better in both."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxcost.messages import refused
from jaxcost.search.anneal import default_schedule, descend
from jaxcost.search.lattice import Lattice
from jaxcost.search.problem import GRADIENT_PRICE, Cost, Evaluator, Problem, check_costs

_BY_GRADIENT = 0.55  # share of the evaluations that the descents may take
_STEPS = 12  # of a descent, about
_RATE = 0.6  # of the first step, in ln(width)


class _Weighed(eqx.Module):
    """The logarithms of two costs, weighed by the last entry of the widths, which does not move."""

    problem: Problem

    def __call__(self, widths: Array, temperature: Array) -> Array:
        first, over = self.problem(widths[:-1], temperature)
        share = widths[-1]
        return jnp.exp((1 - share) * jnp.log(first) + share * over[0])


@dataclasses.dataclass(frozen=True)
class Front:
    """Networks of which none is better in both costs, by the first cost ascending.

    Attributes:
        names: of the two costs.
        widths: whole numbers, shape `(m, n)`.
        costs: exact, shape `(m, 2)`.
        evaluations: of the exact model; gradients: of the smooth one.
    """

    names: tuple[str, str]
    widths: np.ndarray
    costs: np.ndarray
    evaluations: int
    gradients: int

    def hypervolume(self, reference: ArrayLike) -> float:
        """What the front dominates, see `hypervolume`."""
        return hypervolume(self.costs, reference)


def search_front(
    costs: Mapping[str, Cost],
    bounds: Sequence[Any],
    *,
    multiples: int | Sequence[int] = 1,
    points: int | None = None,
    evaluations: int = 1000,
    seed: int = 0,
) -> Front:
    """The Pareto front of two costs over whole widths, from few evaluations.

    Descents of the costs' weighed logarithms, from one to the other, reach points of the front;
    between them, networks in the middle of two neighbours fill its largest gaps.

    Args: all but the first two keyword-only.
        costs: two by name, of widths, > 0, as the objective of `search_widths`.
        bounds, multiples, seed: as there.
        points: descents; None: as many as leave each a dozen steps, from 3 to 16.
        evaluations: of the exact model in all; a gradient counts as three.
    Raises: ValueError: other than two costs, or whatever `search_widths` refuses of them.
    """
    if len(costs) != 2:
        raise ValueError(refused("costs", list(costs), "two costs by name"))
    if points is None:
        points = int(np.clip(_BY_GRADIENT * evaluations / (_STEPS * GRADIENT_PRICE), 3, 16))
    least = 6 * points * GRADIENT_PRICE
    if evaluations < least:
        raise ValueError(refused("evaluations", evaluations, f"at least {least}"))
    first, second = costs
    lattice = Lattice.of(bounds, multiples)
    problem = Problem.of(costs[first], {second: (costs[second], 1.0)})
    check_costs(problem, np.vstack([lattice.lower, lattice.upper]))
    steps = int(_BY_GRADIENT * evaluations / (points * GRADIENT_PRICE))
    spent = points * steps * GRADIENT_PRICE
    archive = _Archive(lattice, Evaluator(problem, evaluations - spent))
    path = _descents(problem, lattice, points, steps, seed)
    archive.add(lattice.nearest(path[-1]))
    archive.add(lattice.nearest(path[steps // 2 :: 2].reshape(-1, len(lattice.axes))))
    while archive.fill(2 * points):
        pass
    archive.vary(seed)
    widths, found = archive.front()
    return Front((first, second), widths, found, archive.evaluate.evaluations, points * steps)


def _descents(problem: Problem, lattice: Lattice, points: int, steps: int, seed: int) -> np.ndarray:
    shares = (np.arange(points) + 0.5) / points
    middle = np.sqrt(lattice.lower * lattice.upper)
    jitter = np.exp(0.1 * np.random.default_rng(seed).standard_normal((points, len(middle))))
    starts = np.column_stack([np.clip(middle * jitter, lattice.lower, lattice.upper), shares])
    ends = np.append(lattice.lower, 0.01), np.append(lattice.upper, 1.0)
    found = descend(
        Problem.of(_Weighed(problem), {}), starts, ends,
        steps=steps, schedule=default_schedule(steps), learning_rate=_RATE, held=1,
    )  # fmt: skip
    return found.path[..., :-1]


class _Archive:
    """Every network evaluated, once each, and both of its costs."""

    def __init__(self, lattice: Lattice, evaluate: Evaluator) -> None:
        self._lattice, self.evaluate = lattice, evaluate
        self._known: dict[bytes, None] = {}
        self._widths = np.empty((0, len(lattice.axes)), int)
        self._costs = np.empty((0, 2))

    def add(self, widths: np.ndarray) -> int:
        """How many of the widths were new and affordable; they are evaluated."""
        new = [w for w in np.unique(widths, axis=0) if w.tobytes() not in self._known]
        new = new[: self.evaluate.left]
        if not new:
            return 0
        value, over = self.evaluate(np.array(new))
        self._known |= {w.tobytes(): None for w in new}
        self._widths = np.vstack([self._widths, new])
        self._costs = np.vstack([self._costs, np.column_stack([value, np.exp(over)])])
        return len(new)

    def front(self) -> tuple[np.ndarray, np.ndarray]:
        """The widths and costs that none dominates, the first cost ascending."""
        kept = undominated(self._costs)
        return self._widths[kept], self._costs[kept]

    def fill(self, number: int) -> int:
        """Tries networks between neighbours of the front, where it has the largest gaps."""
        widths, costs = self.front()
        gaps = np.abs(np.diff(np.log(costs), axis=0)).prod(axis=1)
        widest = np.argsort(-gaps)[:number]
        return self.add(self._lattice.nearest(np.sqrt(widths[widest] * widths[widest + 1])))

    def vary(self, seed: int) -> None:
        """Spends what is left on neighbours of the front, a width or two changed at a time."""
        random = np.random.default_rng(seed)
        for _ in range(100):
            if not self.evaluate.left:
                return
            places = self._lattice.places(self.front()[0])
            moves = random.integers(-3, 4, places.shape) * (random.random(places.shape) < 0.25)
            largest = [len(axis) - 1 for axis in self._lattice.axes]
            self.add(self._lattice.at(np.clip(places + moves, 0, largest)))


def undominated(costs: np.ndarray) -> np.ndarray:
    """Indices of the rows of `costs`, shape `(m, 2)`, that no other dominates, by the first."""
    best, kept = np.inf, []
    for i in np.lexsort((costs[:, 1], costs[:, 0])):
        if costs[i, 1] < best and np.isfinite(costs[i, 0]):
            best = costs[i, 1]
            kept.append(i)
    return np.array(kept, int)


def hypervolume(costs: ArrayLike, reference: ArrayLike) -> float:
    """The area that two costs dominate up to `reference`, in units of their logarithms' product.

    Args: costs: shape `(m, 2)`, > 0; reference: shape `(2,)`, > 0, the worst that counts.
    """
    logs = np.log(np.asarray(reference, float)) - np.log(np.asarray(costs, float))
    logs = logs[(logs > 0).all(axis=1)]
    area, reached = 0.0, 0.0
    for across, up in logs[np.argsort(-logs[:, 0])]:
        area += across * max(up - reached, 0)
        reached = max(reached, up)
    return float(area)

"""The last candidates of a search measured one by one, each chosen by what the last ones showed.

Which networks may turn out to be the best is kept while the search goes; which of them comes next
is for `jaxcost.optimize.widths.beliefs` to say.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np
from scipy.special import ndtr

from jaxcost._support.messages import refused, unknown
from jaxcost._support.sizes import count, one
from jaxcost.optimize.lattice import Lattice
from jaxcost.optimize.problem import Evaluator, Problem, broken_by
from jaxcost.optimize.widths.beliefs import OBJECTIVE, Beliefs, Measured
from jaxcost.optimize.widths.by_layer import POOL, ByLayer, LayerBeliefs, LayerMeasured
from jaxcost.optimize.widths.polish import polish

# Of ln(measured / predicted): calibrations to 400 rows of four GPUs have a robust standard
# deviation of 0.05 to 0.08 on the other rows (experiments/search/tables.py).
DOUBT = 0.07
_REACH = 3.0  # doubts beyond a budget: a network that is further is not thought about
_CAUTION = (2.0, 4.0, 8.0)  # doubts within it: the best network of each, should all others be over
_AIMS = (1.0, -1.0, -4.0)  # doubts by which limits are moved, to find networks on both sides
_POOL = 4096  # networks that are thought about, so that their covariance is computed at once
_MOST = 1 << 17  # networks seen, beyond which those that are worth nothing are forgotten


@dataclasses.dataclass(frozen=True)
class Wanted:
    """How many networks are measured, by what, and how far predictions are doubted.

    Attributes: number: >= 0; measure: name of a budget, or `objective` -> function of whole widths,
        or of a budget alone a `ByLayer`; doubt: the standard deviation of ln(measured / predicted);
        doubted: of each budget, whether it is measured.
    """

    number: int
    measure: Mapping[str, Callable[[np.ndarray], Any] | ByLayer]
    doubt: float
    doubted: np.ndarray

    @classmethod
    def of(cls, number: Any, measure: Any, doubt: Any, names: tuple[str, ...]) -> "Wanted":
        """From what `search_widths` is given, and the names of its budgets.

        Raises: ValueError: one of number and measure without the other, a name that is no
            budget's, what is no function, layers to measure and something else, a doubt that is
            not above 0.
        """
        number = count("measure_shortlist", number, least=0)
        if (number > 0) != bool(measure):
            raise ValueError(
                "measure_shortlist and measure go together; give both, such as measure_shortlist=5 "
                "and measure={'latency_s': function_of_widths}, or neither"
            )
        for name, function in dict(measure or {}).items():
            if name not in (OBJECTIVE, *names):
                raise ValueError(unknown("what to measure,", name, (*names, OBJECTIVE)))
            if isinstance(function, ByLayer):
                _check_alone(name, measure)
            elif not callable(function):
                raise ValueError(refused(f"measure[{name!r}]", function, "a function of widths"))
        doubt = one("doubt", doubt, lambda d: 0 < d < np.inf, "a finite number above 0")
        doubted = np.array([name in (measure or {}) for name in names], bool)
        return cls(number, dict(measure or {}), doubt, doubted)

    @property
    def of_objective(self) -> bool:
        """Whether the objective is measured."""
        return OBJECTIVE in self.measure


class Seen:
    """Networks that a search evaluated, as far as they may turn out to be the best.

    Attributes: widths, shape `(m, n)`; goal, `(m,)`: the objective, or its logarithm where it is
        measured; over, `(m, budgets)`: ln(cost / limit).
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._parts: list[tuple[np.ndarray, ...]] = []

    def add(self, widths: np.ndarray, value: np.ndarray, over: np.ndarray) -> None:
        """More of them."""
        if self._wanted.of_objective:
            if not (value > 0).all():
                least = "an objective that is above 0, or leave it out of measure"
                raise ValueError(refused("objective", float(value.min()), least))
            value = np.log(value)
        self._parts.append((widths, value, over))
        if sum(len(part[0]) for part in self._parts) > _MOST:
            self._parts = [self.best(_MOST // 2)]

    def best(self, most: int = _POOL) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """At most so many, those worth most before any is measured, each once."""
        widths, goal, over = (np.concatenate(part) for part in zip(*self._parts))
        widths, first = np.unique(widths, axis=0, return_index=True)
        goal, over, doubt = goal[first], over[first], self._wanted.doubt
        broken = over[:, self._wanted.doubted].max(axis=1, initial=-1e3)
        known = np.isfinite(goal) & (broken_by(over[:, ~self._wanted.doubted]) == 0)
        near = known & (broken < _REACH * doubt)
        cautious = [_least(goal, known & (broken < -by * doubt)) for by in _CAUTION]
        if not near.any():
            kept = np.argsort(np.where(known, broken, np.inf), kind="stable")[:most]
            return widths[kept], goal[kept], over[kept]
        worst = goal[near].max() if cautious[0] is None else goal[cautious[0]]
        worst += 2 * _REACH * doubt * self._wanted.of_objective  # of two logarithms that are off
        worth = np.where(near, (worst - goal) * ndtr(-broken / doubt), -1.0)
        kept = np.argsort(-worth, kind="stable")[:most]
        kept = np.union1d(kept[worth[kept] >= 0], [at for at in cautious if at is not None])
        kept = kept.astype(int)
        return widths[kept], goal[kept], over[kept]


def _check_alone(name: str, measure: Mapping[str, Any]) -> None:
    if name == OBJECTIVE or len(measure) > 1:
        alone = "give it for one budget, and nothing else to measure"
        raise ValueError(f"measure[{name!r}] measures single layers; {alone}")


def _least(goal: np.ndarray, among: np.ndarray) -> int | None:
    """The place of the least goal among some; None of none."""
    return int(np.argmin(np.where(among, goal, np.inf))) if among.any() else None


def measure_best(
    problem: Problem, lattice: Lattice, evaluate: Evaluator, widths: np.ndarray, seen: Seen,
    wanted: Wanted,
) -> tuple[np.ndarray, tuple[Measured, ...], tuple[LayerMeasured, ...]]:  # fmt: skip
    """The best network as measured, `(n,)`, and all networks and layers that were, in order.

    Args: widths: what was found by prediction, shape `(n,)`; seen: what `evaluate` was asked.
    """
    if not wanted.number:
        return widths, (), ()
    if evaluate.differentiated and wanted.doubted.any():
        for aim in _AIMS:
            by = aim * wanted.doubt * wanted.doubted
            moved = eqx.tree_at(lambda p: p.limits, problem, problem.limits * np.exp(by))

            def keep(w: np.ndarray, value: np.ndarray, over: np.ndarray, by: Any = by) -> None:
                seen.add(w, value, over + by)

            polish(lattice, Evaluator(moved, evaluate.left, keep=keep), widths)
    budgets = {name: float(limit) for name, limit in zip(problem.names, problem.limits)}
    [(name, first), *_] = wanted.measure.items()
    if isinstance(first, ByLayer):
        by_layer = LayerBeliefs(seen.best(POOL), first, name, budgets)
        while len(by_layer.found) < wanted.number and (layer := by_layer.next()) is not None:
            by_layer.learn(layer)
        best, believed = by_layer.best()
        return best, (believed,), tuple(by_layer.found)
    beliefs = Beliefs(seen.best(), budgets, wanted.measure, wanted.doubt)
    while (
        len(beliefs.found) < wanted.number
        and (at := beliefs.next(last=len(beliefs.found) == wanted.number - 1)) is not None
    ):
        beliefs.learn(at)
    return beliefs.best(), tuple(beliefs.found), ()

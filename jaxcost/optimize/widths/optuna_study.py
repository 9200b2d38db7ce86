"""Widths in Optuna: an objective with constraints, and the gradient's optima to begin from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcost._support.messages import refused
from jaxcost.optimize.lattice import Lattice
from jaxcost.optimize.problem import Cost, Evaluator, Problem, check_costs
from jaxcost.optimize.widths.called import nothing, untraced
from jaxcost.optimize.widths.feasible import check_feasible
from jaxcost.optimize.widths.result import WidthSearch

_STARTS = 64  # of the search for widths that meet the budgets


class OptunaObjective:
    """An objective for `optuna.study.Study.optimize`; needs the extra `search`.

        objective = OptunaObjective({"latency_s": latency, "error": error}, bounds, multiples=8)
        study = optuna.create_study(directions=objective.directions, sampler=...)
        objective.seed(study, found)                # what search_widths or search_front found
        study.optimize(objective, n_trials=200)
        objective.widths(study.best_trials[0])

    Works with every sampler; TPE and NSGA-II heed constraints.

    Args:
        costs: by name, each a function of widths, shape `(n,)`, to a number to be minimised. One
            that JAX cannot trace is called with whole widths, once for each network.
        bounds, multiples: as in `jaxcost.search_widths`; keyword-only but the bounds.
        budgets: name -> (cost, limit); a trial's constraint is ln(cost / limit), met up to 0.
    Raises: ValueError: as `search_widths`, for bounds, costs and budgets, also one that nothing
        meets; in a trial, a cost that is NaN.
    """

    def __init__(
        self,
        costs: Mapping[str, Cost],
        bounds: Sequence[Any],
        *,
        multiples: int | Sequence[int] = 1,
        budgets: Mapping[str, tuple[Cost, float]] | None = None,
    ) -> None:
        if not costs:
            raise ValueError(refused("costs", dict(costs), "one or more costs by name"))
        self.names = tuple(costs)
        self._budgets = tuple(budgets or {})
        self._lattice = Lattice.of(bounds, multiples)
        self._costs = [self._evaluator(name, cost, budgets or {}) for name, cost in costs.items()]
        limited = Problem.of(nothing, budgets or {})
        check_feasible(limited, self._lattice, Evaluator(limited), self._lattice.draw(_STARTS, 0))

    @property
    def directions(self) -> list[str]:
        """Every cost is minimised."""
        return ["minimize"] * len(self.names)

    def __call__(self, trial: Any) -> float | tuple[float, ...]:
        """The exact costs of the widths that the trial suggests."""
        places = [self._suggest(trial, i) for i in range(len(self._lattice.axes))]
        widths = self._lattice.at(np.array([places]))
        found = [evaluate(widths) for evaluate in self._costs]
        for name, over in zip(self._budgets, found[0][1][0].tolist()):
            trial.set_constraint(name, over)
        values = tuple(float(value[0]) for value, _ in found)
        return values[0] if len(values) == 1 else values

    def widths(self, trial: Any) -> tuple[int, ...]:
        """The widths of a finished trial."""
        axes = enumerate(self._lattice.axes)
        return tuple(int(axis[trial.params.get(_name(i), 0)]) for i, axis in axes)

    def seed(self, study: Any, found: WidthSearch | Any, most: int = 20) -> int:
        """Has the study try first what a gradient search found; how many networks that is.

        Args: found: of `search_widths`, its widths and the ends of its starts, or of
            `search_front`, the front; most: no more than so many.
        """
        if isinstance(found, WidthSearch):
            rows = [np.array(found.widths)]
            rows += [] if found.starts is None else list(found.starts.snapped)
        else:
            rows = list(found.widths)
        chosen = list(dict.fromkeys(tuple(map(int, self._lattice.places(row))) for row in rows))
        for places in chosen[:most]:
            free = {_name(i): places[i] for i in self._lattice.free}
            study.enqueue_trial(free)
        return len(chosen[:most])

    def _evaluator(self, name: str, cost: Cost, budgets: Mapping[str, Any]) -> Evaluator:
        called = untraced(cost, len(self._lattice.axes), f"cost {name}")
        problem = Problem.of(nothing if called else cost, budgets)
        check_costs(problem, np.vstack([self._lattice.lower, self._lattice.upper]))
        return Evaluator(problem, called=called, broken=True)

    def _suggest(self, trial: Any, i: int) -> int:
        size = len(self._lattice.axes[i])
        return trial.suggest_int(_name(i), 0, size - 1) if size > 1 else 0


def _name(i: int) -> str:
    return f"width_{i}"

"""Choosing widths by what they cost: searches, Pareto fronts, penalties in training."""

from typing import TYPE_CHECKING

from jaxcost._support.lazy import lazy

if TYPE_CHECKING:
    from jaxcost.optimize.figure import boundaries as boundaries
    from jaxcost.optimize.figure import search_figure as search_figure
    from jaxcost.optimize.front.dominance import hypervolume as hypervolume
    from jaxcost.optimize.front.dominance import undominated as undominated
    from jaxcost.optimize.widths.optuna_study import OptunaObjective as OptunaObjective

__all__ = ["OptunaObjective", "boundaries", "hypervolume", "search_figure", "undominated"]

__getattr__ = lazy(
    __name__,
    {
        "OptunaObjective": "widths.optuna_study",
        "boundaries": "figure",
        "hypervolume": "front.dominance",
        "search_figure": "figure",
        "undominated": "front.dominance",
    },
)

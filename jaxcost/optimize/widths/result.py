"""What a search found, and from where."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from jaxcost._support.messages import shown
from jaxcost._support.screen import OnScreen
from jaxcost.optimize.widths.beliefs import Measured
from jaxcost.optimize.widths.binding import Binding
from jaxcost.optimize.widths.by_layer import LayerMeasured

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Starts:
    """Every start of the gradient search, best end first.

    Attributes:
        first, last: real widths after the first step and the last, shape `(starts, n)`.
        smooth: the smooth objective at `last`, shape `(starts,)`.
        snapped: the nearest allowed widths, shape `(starts, n)`.
        exact: the exact objective of those, shape `(starts,)`; meets_budgets: whether they do.
        path: widths after each step, shape `(steps, starts, n)`.
    """

    first: np.ndarray
    last: np.ndarray
    smooth: np.ndarray
    snapped: np.ndarray
    exact: np.ndarray
    meets_budgets: np.ndarray
    path: np.ndarray


@dataclasses.dataclass(frozen=True, repr=False)
class WidthSearch(OnScreen):
    """The best widths that were found, what they cost exactly, and how they were found.

    Attributes:
        widths: whole numbers, one a bound, fixed ones included.
        cost: the exact objective there.
        budgets: by name, the exact cost and its limit.
        smooth_cost: the smooth objective where the start that led here ended; None without one.
        gap: cost relative to that, cost / smooth_cost - 1; None without one.
        bindings: every working set beside every cache, nearest to exactly full first; empty if
            the search was not told of a device.
        method: 'gradient', 'brute force' or 'exact moves'; reason: why that one.
        evaluations: of the exact model; gradients: of the smooth one.
        starts: every start; None for brute force and exact moves.
        differentiated: whether JAX traced the objective; if not, `evaluations` is how often it
            was called.
        measured: the networks that were measured, in order, where `measure_shortlist` asked for
            it; where it measured layers, the one found, with what it is expected to cost by them.
        layers_measured: the layers that were measured, in order.
    """

    widths: tuple[int, ...]
    cost: float
    budgets: dict[str, tuple[float, float]]
    smooth_cost: float | None
    gap: float | None
    bindings: tuple[Binding, ...]
    method: str
    reason: str
    evaluations: int
    gradients: int
    starts: Starts | None
    differentiated: bool = True
    measured: tuple[Measured, ...] = ()
    layers_measured: tuple[LayerMeasured, ...] = ()

    @property
    def binding(self) -> Binding | None:
        """The working set and the memory level that are nearest to exactly full."""
        return self.bindings[0] if self.bindings else None

    def to_frame(self) -> "pd.DataFrame":
        """A row a network: that found, with its exact costs, and those measured, as they were.

        Columns: `basis` (`exact`, `measured`, or `expected` where layers were measured), `widths`,
        `cost` of the objective where it is known, each budget's, and `meets_budgets`.
        """
        import pandas as pd

        exact = {name: cost for name, (cost, _) in self.budgets.items()}
        meets = all(cost <= limit for cost, limit in self.budgets.values())
        found = {"basis": "exact", "widths": self.widths, "cost": self.cost} | exact
        rows = [
            {"basis": self._basis, "widths": tuple(widths)} | costs | {"meets_budgets": meets}
            for widths, costs, meets in self.measured
        ]
        return pd.DataFrame([found | {"meets_budgets": meets}, *rows])

    @property
    def _basis(self) -> str:
        """What the costs of `measured` are."""
        return "expected" if self.layers_measured else "measured"

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        import pandas as pd

        rows = [
            {self._basis: " ".join(map(str, widths))}
            | {name: shown(cost) for name, cost in costs.items()}
            | {"budgets": "met" if meets else "exceeded"}
            for widths, costs, meets in self.measured
        ]
        return self._lines(), pd.DataFrame(rows)

    def _lines(self) -> list[str]:
        """The network found, and how."""
        lines = [
            f"widths           {' '.join(map(str, self.widths))}",
            f"cost             {shown(self.cost)}",
        ]
        if self.gap is not None:
            lines.append(f"gap to smooth    {100 * self.gap:+.2f} %")
        for name, (cost, limit) in self.budgets.items():
            lines.append(f"budget {name:<9} {shown(cost)} of {shown(limit)}")
        if self.binding:
            lines.append(f"binding          {self.binding}")
        work = f"{self.evaluations:,} evaluations"
        work += f" and {self.gradients:,} gradients" if self.gradients else ""
        lines.append(f"found by         {self.method}, {work}: {self.reason}")
        if not self.differentiated:
            lines.append(f"quality          called {self.evaluations:,} times, not differentiated")
        return lines

    def __str__(self) -> str:
        lines = self._lines()
        for widths, costs, meets in self.measured:
            found = ", ".join(f"{name} {shown(cost)}" for name, cost in costs.items())
            mark = "" if meets else ", over budget"
            some = len(self.layers_measured)
            mark += f", by {some} layers measured" if some else ""
            lines.append(f"{self._basis}         {' '.join(map(str, widths))}: {found}{mark}")
        return "\n".join(lines)

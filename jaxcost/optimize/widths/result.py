"""What a search found, and from where."""

import dataclasses

import numpy as np

from jaxcost._support.messages import shown
from jaxcost.optimize.widths.beliefs import Measured
from jaxcost.optimize.widths.binding import Binding
from jaxcost.optimize.widths.by_layer import LayerMeasured


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


@dataclasses.dataclass(frozen=True)
class WidthSearch:
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

    def __str__(self) -> str:
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
        for widths, costs, meets in self.measured:
            found = ", ".join(f"{name} {shown(cost)}" for name, cost in costs.items())
            mark = "" if meets else ", over budget"
            some = len(self.layers_measured)
            mark += f", by {some} layers measured" if some else ""
            head = "expected" if some else "measured"
            lines.append(f"{head}         {' '.join(map(str, widths))}: {found}{mark}")
        return "\n".join(lines)

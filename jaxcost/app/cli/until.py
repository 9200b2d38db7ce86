"""`calibrate --until SHARE`: rounds of measuring, until a model's latency is known well enough."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcost.app.cli.sweeping import sweep_into

if TYPE_CHECKING:
    from rich.console import Console

    from jaxcost.app.report import Study
    from jaxcost.measure import LayerSpec, Measurements, Preset
    from jaxcost.trace.counts import Counts
    from jaxcost.trace.unsure_layers import Unsure

_MOST = 16  # layers of a round: enough of a kind for a fit to tell of it
_SECONDS_A_LAYER, _START_S = 2.0, 5.0  # of a round: the latter for each process that is begun

Fit = Callable[["Measurements", "Preset"], "Study"]


@dataclasses.dataclass
class Rounds:
    """Measuring a program's layers into a store, the worst first.

    Args:
        console: where what happens is said.
        path: of the store.
        plan: the preset with the program's own layers, and the time for all of it.
        name, program: what the latency is of.
        until: the half-width that is asked for, as a share of the latency.
        fit: from measurements to what is known by them.
    """

    console: "Console"
    path: Path
    plan: "Preset"
    name: str
    program: "Counts"
    until: float
    fit: Fit
    layers: list["LayerSpec"] = dataclasses.field(default_factory=list)
    used_s: float = 0.0

    def run(self, *, resume: bool) -> tuple["Study", str]:
        """The calibration at the end, and why it ended, in words.

        The preset's layers are measured first, in half of the time at most; then rounds of the
        program's own layers, and of their neighbours.
        """
        study, found = self._measured(self._first(), self.plan.plan.budget_s / 2, resume)
        self._say_at_first(found)
        number = 1
        while True:
            new = self._next(found)
            if ended := self._ended(found, new):
                return study, f"{ended}: {self._reached(found)}"
            number += 1
            self._line(f"round {number}: {self._reached(found)}; measuring {len(new)} layers more")
            seconds = self._start_s + _SECONDS_A_LAYER * len(new)
            study, found = self._measured(new, seconds, resume=True)

    @property
    def _start_s(self) -> float:
        return _START_S * self.plan.plan.processes

    @property
    def _fit_in(self) -> int:
        """How many layers can be measured in what is left of the time."""
        left = self.plan.plan.budget_s - self.used_s - self._start_s
        return max(0, int(left / _SECONDS_A_LAYER))

    def _first(self) -> list["LayerSpec"]:
        from jaxcost.measure.designs.presets import PROGRAM

        return [layer for layer in self.plan.layers if layer.sweep != PROGRAM]

    def _measured(
        self, new: Sequence["LayerSpec"], seconds: float, resume: bool
    ) -> tuple["Study", "Unsure"]:
        from jaxcost.trace.unsure import unsure_of

        plan = dataclasses.replace(self.plan.plan, budget_s=seconds)
        measured = sweep_into(self.console, self.path, new, plan, resume, also=self.layers)
        self.layers += new
        self.used_s += measured.elapsed_s
        measured = dataclasses.replace(measured, elapsed_s=self.used_s)
        study = self.fit(measured, dataclasses.replace(self.plan, layers=self.layers))
        return study, unsure_of(self.program, study.calibration)

    def _next(self, found: "Unsure") -> list["LayerSpec"]:
        from jaxcost.trace.rounds import next_round

        dtype = self.plan.layers[0].dtype
        return next_round(found, self.layers, dtype=dtype, most=min(_MOST, max(1, self._fit_in)))

    def _ended(self, found: "Unsure", new: Sequence["LayerSpec"]) -> str:
        from jaxcost._support.text import duration

        if found.half_width <= self.until:
            return "ended by --until"
        if not new:
            return "ended, as all its layers and their neighbours were tried"
        if not self._fit_in:
            return f"ended by the budget, {duration(self.used_s)} of measuring"
        return ""

    def _reached(self, found: "Unsure") -> str:
        from jaxcost.app.report.unsure import half_width

        reached, asked = half_width(found.half_width), half_width(self.until)
        within = "within" if found.half_width <= self.until else "not"
        return f"the latency of {self.name} is known to {reached}, {within} the {asked} asked for"

    def _say_at_first(self, found: "Unsure") -> None:
        """Where no measured layer can bring it about, that is known from the beginning."""
        from jaxcost.app.report.unsure import half_width

        best = found.share(found.all_measured)
        if best > self.until:
            self._line(
                f"by what is known so far, all layers of {self.name} measured would bring it to "
                f"{half_width(best)}: the rest is how layers and programs differ from predictions"
            )

    def _line(self, words: str) -> None:
        from jaxcost.app.cli import show

        show.line(self.console, words)

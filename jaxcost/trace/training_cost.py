"""What a training would take before it is begun: hours, kWh and CO2 of so many estimated steps."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from jaxcost._support.screen import OnScreen
from jaxcost._support.sizes import count, one
from jaxcost.trace import on_screen

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.trace.estimate import ProgramEstimate

JOULES_PER_KWH, SECONDS_PER_HOUR = 3.6e6, 3600.0
Interval = tuple[float, float, float]


@dataclasses.dataclass(frozen=True, repr=False)
class TrainingCost(OnScreen):
    """What trainings take, each an estimate and the ends of its 90 % interval; None is not known.

    Attributes:
        steps: of each training.
        trials: trainings in all, one after the other.
        hours, kwh: of all of them.
        co2_kg: kg of CO2 (equivalent) of all of them.
        grams_per_kwh: what the electricity emits, as it was given.
        energy_reason: why there is no energy.
    """

    steps: int
    trials: int
    hours: Interval | None
    kwh: Interval | None
    co2_kg: Interval | None
    grams_per_kwh: float | None
    energy_reason: str | None

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        return on_screen.training(self)

    def record(self) -> dict[str, Any]:
        """As JSON holds it: each with `_lo` and `_hi`."""
        found: dict[str, Any] = {"steps": self.steps, "trials": self.trials}
        for name in ("hours", "kwh", "co2_kg"):
            ends = getattr(self, name) or (None, None, None)
            found |= {f"{name}{end}": value for end, value in zip(("", "_lo", "_hi"), ends)}
        reason = {"energy_reason": self.energy_reason}
        return found | {"carbon_intensity_g_per_kwh": self.grams_per_kwh} | reason


def training_cost(
    found: "ProgramEstimate", *, steps: int, trials: int = 1, grams_per_kwh: float | None = None
) -> TrainingCost:
    """Hours, kWh and CO2 of trainings of so many steps, by the estimate of one step.

    Args:
        found: of one step; all its steps are off by the same, and so the interval is theirs.
        steps: of a training, epochs * examples / batch size, >= 1; keyword-only, as are the next.
        trials: trainings in all, >= 1.
        grams_per_kwh: grams of CO2 per kWh of the electricity, finite and >= 0; there is no
            default, since it differs tenfold by country.
    Raises: ValueError: a number out of range.
    """
    many = count("steps", steps) * count("trials", trials)
    if grams_per_kwh is not None:
        allowed = "grams of CO2 per kWh, 0 or more, such as your grid operator publishes"
        one("carbon intensity", grams_per_kwh, lambda g: 0 <= g < math.inf, allowed)
    hours = _of(found.latency_s, found.latency_s_lo, found.latency_s_hi, many / SECONDS_PER_HOUR)
    kwh = _of(found.energy_j, found.energy_j_lo, found.energy_j_hi, many / JOULES_PER_KWH)
    emitted = None if kwh is None or grams_per_kwh is None else _of(*kwh, grams_per_kwh / 1000)
    return TrainingCost(steps, trials, hours, kwh, emitted, grams_per_kwh, found.energy_reason)


def _of(value: Any, lower: Any, upper: Any, factor: float) -> Interval | None:
    return None if value is None else (value * factor, lower * factor, upper * factor)

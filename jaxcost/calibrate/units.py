"""The models speak of times; what they were fitted to may be energies."""

import dataclasses

from jaxcost.calibrate.fit import Estimate
from jaxcost.calibrate.fit.identify import Identifiability
from jaxcost.calibrate.fitted import Fitted

QUANTITIES = {
    "time_s": ("time", "s"),
    "energy_j": ("energy", "J"),
    "energy_per_epoch_j": ("energy", "J"),
}
_ENERGY_UNITS = {"s": "J", "FLOP/s": "FLOP/J", "B/s": "B/J", "s/FLOP": "J/FLOP"}


def unit_for(target: str, unit: str) -> str:
    """The unit of a parameter of a model fitted to `target`: for energy, FLOP/s is FLOP/J."""
    return _ENERGY_UNITS.get(unit, unit) if target == "energy_j" else unit


def in_units_of(target: str, fitted: Fitted) -> Fitted:
    """The same with parameters, and the warnings that name them, in the units of `target`."""
    if target != "energy_j":
        return fitted
    estimates = tuple(_estimate(target, e) for e in fitted.estimates)
    renamed = dict(zip(_lines(fitted, fitted.estimates), _lines(fitted, estimates)))
    warnings = tuple(renamed.get(line, line) for line in fitted.warnings)
    return dataclasses.replace(fitted, estimates=estimates, warnings=warnings)


def _estimate(target: str, estimate: Estimate) -> Estimate:
    doc = estimate.doc.replace("time of", f"{QUANTITIES[target][0]} of")
    return dataclasses.replace(estimate, unit=unit_for(target, estimate.unit), doc=doc)


def _lines(fitted: Fitted, estimates: tuple[Estimate, ...]) -> tuple[str, ...]:
    return Identifiability(estimates, fitted.covariance, fitted.singular_values).warnings

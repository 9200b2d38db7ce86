import dataclasses

import numpy as np
import pytest

from jaxcost.calibrate import load_calibration
from jaxcost.calibrate.fit.identify import Identifiability
from jaxcost.calibrate.units import in_units_of, unit_for
from jaxcost.models.base import parameters_of
from jaxcost.models.registry import MODELS


def test_energy_is_counted_in_joules():
    assert [unit_for("energy_j", u) for u in ("s", "FLOP/s", "B/s", "s/FLOP", "1")] == [
        "J",
        "FLOP/J",
        "B/J",
        "J/FLOP",
        "1",
    ]
    assert unit_for("time_s", "FLOP/s") == "FLOP/s"


@pytest.mark.parametrize("name", MODELS)
def test_no_unit_of_any_model_speaks_of_seconds_when_fitted_to_energy(name):
    units = {unit_for("energy_j", p.unit) for p in parameters_of(MODELS[name])}
    assert not any(unit.startswith("s") or unit.endswith("/s") for unit in units), units


def test_parameters_and_the_warnings_that_name_them_change_units():
    fitted = load_calibration("quadro-t2000").models["time_s"]
    scale = dataclasses.replace(fitted.estimates[0], determined=False, lower=0.0)
    line = Identifiability((scale,), np.eye(1), np.ones(1)).warnings[0]
    fitted = dataclasses.replace(fitted, estimates=(scale,), warnings=(line, "another"))
    changed = in_units_of("energy_j", fitted)
    assert changed.estimates[0].unit == "J/FLOP"
    assert changed.estimates[0].doc == "energy of one undiscounted FLOP"
    assert "J/FLOP" in changed.warnings[0]
    assert "s/FLOP" not in changed.warnings[0]
    assert changed.warnings[1] == "another"
    assert in_units_of("time_s", fitted) is fitted

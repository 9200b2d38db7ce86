"""Values that no hardware has are doubted when they are fitted; those of real devices are not."""

import dataclasses

import pytest

from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.fit import Estimate
from jaxcost.calibrate.plausible import implausible
from jaxcost.calibrate.presets import PRESETS, preset
from jaxcost.device import Device, device
from jaxcost.device.data_sheets import data_sheets, known_device

UNKNOWN = Device("unknown")


def estimate(value, unit, determined=True):
    return Estimate("x", value, value / 2, value * 2, unit, "meaning", determined)


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (259e6, "FLOP/s"),
        (1e17, "FLOP/s"),
        (1.0, "s"),
        (3e7, "B/s"),
        (1e16, "B/s"),
        (4e-9, "s/FLOP"),
    ],
)
def test_what_no_hardware_has_is_doubted_with_the_likely_cause(value, unit):
    (line,) = implausible([estimate(value, unit)], UNKNOWN)
    assert line.startswith(f"x (meaning) = {value:.3g} {unit} is beyond any hardware's")
    assert "are the times in seconds? --time-column NAME_ms" in line
    assert implausible([estimate(value, unit, determined=False)], UNKNOWN) == []


@pytest.mark.parametrize(
    ("value", "unit"),
    [(3e9, "FLOP/s"), (2e15, "FLOP/s"), (2e-4, "s"), (1e9, "B/s"), (3.35e12, "B/s"), (3e7, "1")],
)
def test_what_hardware_has_is_not(value, unit):
    assert implausible([estimate(value, unit)], UNKNOWN) == []


@pytest.mark.parametrize("name", ["h100-sxm", "v100", "quadro-t2000"])
def test_a_known_peak_shows_times_a_thousand_times_too_long_or_short(name):
    measured_on = known_device(name)
    for sheet in data_sheets()[name].values():
        rates = [sheet.peak_flops * share for share in (0.05, 0.5, 0.95)]
        assert not any(implausible([estimate(rate, "FLOP/s")], measured_on) for rate in rates)
    peak = float(measured_on.peak_flops)
    for rate in (0.5 * peak / 1000, 0.5 * peak * 1000):
        assert implausible([estimate(rate, "FLOP/s")], measured_on)


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_is_doubted(name):
    calibration = preset(name)
    for target, fitted in calibration.models.items():
        if target == "time_s":
            assert implausible(fitted.estimates, calibration.device) == []


def test_milliseconds_taken_for_seconds_are_doubted_by_a_fit(clean):
    t2000 = device("quadro-t2000")
    wrong = clean.assign(time_s=clean["time_s"] * 1000)
    found = fit_layers(wrong, t2000, model="roofline", starts=2)
    assert any("beyond any hardware's" in line for line in found.warnings)
    right = fit_layers(clean, t2000, model="roofline", starts=2)
    assert not any("beyond any hardware's" in line for line in right.warnings)
    energy = wrong.rename(columns={"time_s": "energy_j"})
    found = fit_layers(energy, t2000, target="energy_j", model="roofline", starts=2)
    assert not any("beyond any hardware's" in line for line in found.warnings)
    assert {e.unit for e in found.estimates} == {"FLOP/J", "B/J"}


def test_no_device_is_held_to_another_ones_peak():
    assert implausible([estimate(1e13, "FLOP/s")], dataclasses.replace(UNKNOWN, name="x")) == []

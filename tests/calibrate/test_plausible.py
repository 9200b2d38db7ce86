"""Values that no hardware has are doubted when they are fitted; those of real devices are not."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.fit import Estimate
from jaxcost.calibrate.plausible import implausible, too_slow
from jaxcost.calibrate.presets import PRESETS, preset
from jaxcost.device import Device, device
from jaxcost.device.data_sheets import data_sheets, known_device, variants
from jaxcost.models.baselines import Roofline
from jaxcost.workload import from_table

pytestmark = pytest.mark.usefixtures("model_alone")

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


def products(name: str, dtype: str, smallest: bool) -> pd.DataFrame:
    """15 products at half of the data sheet's rates, with 5 µs to begin; or all of them tiny."""
    (sheet,) = variants(name, {"bfloat16": "bf16", "float32": "fp32"}[dtype])
    sides = np.geomspace(8, 64 if smallest else 8192, 15).astype(int)
    table = pd.DataFrame({"m": sides, "n": sides[::-1], "k": sides, "dtype": dtype})
    m, n, k = (table[name].to_numpy(float) for name in "mnk")
    moved = (m * k + k * n + m * n) * (2 if dtype == "bfloat16" else 4)
    roof = np.maximum(2 * m * n * k / sheet.peak_flops, moved / sheet.bandwidth)
    return table.assign(device=name, time_s=5e-6 + 2 * roof)


@pytest.mark.parametrize("smallest", [False, True])
@pytest.mark.parametrize(
    ("name", "dtype"), [("NVIDIA H100 80GB HBM3", "bfloat16"), ("Tesla T4", "float32")]
)
def test_milliseconds_are_doubted_by_a_fit_to_small_layers_and_large(name, dtype, smallest):
    table = products(name, dtype, smallest)
    for scale, doubted in ((1, False), (1e3, True)):
        found = jc.fit(table.assign(time_s=table["time_s"] * scale), model="alpha-roofline")
        lines = [w for w in found.models["time_s"].warnings if "are the times in seconds?" in w]
        assert len(lines) == doubted


def test_layers_that_the_host_is_slow_to_start_are_not_doubted():
    table = products("NVIDIA H100 80GB HBM3", "bfloat16", smallest=True)
    layers, h100 = from_table(table), known_device("h100-sxm")
    assert too_slow(layers, np.full(15, 5e-4), h100, "bfloat16") == []
    (line,) = too_slow(layers, np.full(15, 5e-3), h100, "bfloat16")
    assert "takes 250 times as long as the data sheet of h100-sxm lets it take" in line
    assert too_slow(layers, np.full(15, 5e-3), UNKNOWN, "bfloat16") == []
    assert too_slow(layers, np.full(15, 5e-3), h100, "int8") == []
    assert too_slow(layers, np.full(15, 5e-3), Device("H100"), "bfloat16")


@pytest.mark.parametrize("name", ["neusight_conv2d_fp32", "vidur_memory_bound_fp16"])
def test_of_real_tables_only_those_in_milliseconds_are_doubted(name, shared):
    table = pd.read_csv(shared / "datasets" / "gpu" / f"{name}.csv")
    rng = np.random.default_rng(0)
    for called, rows in table.groupby("device"):
        measured_on = Device(str(called))
        for _ in range(5):
            some = rows.sample(15, random_state=rng)
            layers, times = from_table(some), some["time_s"].to_numpy()
            assert too_slow(layers, times, measured_on, some["dtype"].iloc[0]) == []
            assert too_slow(layers, 1e3 * times, measured_on, some["dtype"].iloc[0])


def test_a_table_that_its_model_does_not_explain_is_doubted():
    """A third of its rows in milliseconds and one of another device, under the name of seconds."""
    table = products("Tesla T4", "float32", smallest=False)
    planted = Roofline(rate=1e12, bandwidth=1e11).layer_costs(from_table(table), UNKNOWN)
    clean = table.assign(time_s=np.asarray(planted, float))
    mixed = clean.assign(time_s=clean["time_s"] * np.resize([1, 30, 1e3], len(clean)))
    said, none = (
        [line.partition(":")[0] for line in jc.fit(t, model="roofline").models["time_s"].warnings]
        for t in (mixed, clean)
    )
    (line,) = [line for line in said if line.startswith("half of the rows left out are off by")]
    assert line.endswith("% or more")
    assert not any("half of the rows" in line for line in none)

"""Hours, kWh and CO2 of trainings, by hand from the estimate of one step."""

import json
import math

import jax
import jax.numpy as jnp
import pytest

import jaxcost as jc

X = jax.ShapeDtypeStruct((512, 1024), jnp.bfloat16)
W = jax.ShapeDtypeStruct((1024, 1024), jnp.bfloat16)


@pytest.fixture(scope="module")
def step():
    return jc.estimate(jnp.dot, X, W, calibration="b200")


def test_it_is_the_step_as_often_as_it_is_taken(step):
    found = step.training(steps=90_000, trials=20, grams_per_kwh=250)
    many = 90_000 * 20
    of_step = (step.latency_s, step.latency_s_lo, step.latency_s_hi)
    assert found.hours == pytest.approx([many * t / 3600 for t in of_step])
    joules = (step.energy_j, step.energy_j_lo, step.energy_j_hi)
    assert found.kwh == pytest.approx([many * e / 3.6e6 for e in joules])
    assert found.co2_kg == pytest.approx([0.25 * kwh for kwh in found.kwh])
    assert (found.steps, found.trials, found.energy_reason) == (90_000, 20, None)


def test_what_is_not_known_is_none_with_its_reason(step):
    assert step.training(steps=1).co2_kg is None
    without = jc.estimate(jnp.dot, X, W, calibration="h100-sxm").training(
        steps=10, grams_per_kwh=250
    )
    assert without.kwh is without.co2_kg is None
    assert "has none" in without.energy_reason
    assert without.hours is not None
    assert without.trials == 1


def test_its_record_is_plain_json(step):
    record = step.training(steps=10, trials=2).record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["hours_lo"] < record["hours"] < record["hours_hi"]
    assert record["co2_kg"] is record["carbon_intensity_g_per_kwh"] is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"steps": 0}, "steps = 0"),
        ({"steps": 1.5}, "steps = 1.5"),
        ({"steps": 1, "trials": -1}, "trials = -1"),
        ({"steps": 1, "grams_per_kwh": -1}, "carbon intensity = -1"),
        ({"steps": 1, "grams_per_kwh": math.nan}, "carbon intensity = nan"),
    ],
)
def test_numbers_out_of_range_are_refused(step, given, words):
    with pytest.raises(ValueError, match=words):
        step.training(**given)

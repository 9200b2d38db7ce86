"""Gradients of convolutions beside convolutions: fitted apart, or of an interval that says so."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.device import Device
from jaxcost.workload.gradients import CONV2D_GRADIENTS

# What they predict is chosen to test other things, and lies outside at times.
pytestmark = pytest.mark.filterwarnings("ignore:(row|layer) .* outside the calibration")

RATE, LAUNCH, SLOWER = 1e11, 1e-5, 6.0
KIND = "conv2d_weight_gradient"


def table(op: str, rows: int, seed: int) -> pd.DataFrame:
    """Convolutions of a made-up device, whose gradients by the weights take six times as long."""
    rng = np.random.default_rng(seed)
    sides = {name: rng.choice([7, 14, 28, 56], rows) for name in ("in_h",)}
    sizes = sides | {"in_w": sides["in_h"], "k_h": rng.choice([1, 3], rows)}
    sizes |= {name: rng.choice([32, 64, 128, 256], rows) for name in ("c_in", "c_out")}
    found = pd.DataFrame(sizes | {"batch": rng.choice([1, 2, 4, 8], rows)})
    found = found.assign(k_w=found["k_h"], op=op, stride=1, groups=1, padding="same")
    found = found.assign(dtype="float32")
    flops = np.asarray(jc.workload.counts.flops(jc.from_table(found)), float)
    slower = SLOWER if op == KIND else 1.0
    return found.assign(time_s=LAUNCH + slower * flops / RATE * rng.lognormal(0, 0.03, rows))


@pytest.fixture(scope="module")
def both() -> jc.Calibration:
    rows = pd.concat([table("conv2d", 60, 0), table(KIND, 40, 1)], ignore_index=True)
    return jc.fit(rows, Device("made up", platform="cpu"))


@pytest.fixture(scope="module")
def forward_alone() -> jc.Calibration:
    return jc.fit(table("conv2d", 60, 0), Device("made up", platform="cpu"))


def test_gradients_are_fitted_by_themselves_and_kept_in_the_file(both, tmp_path):
    both.save(tmp_path / "calibration.json")
    loaded = jc.load_calibration(str(tmp_path / "calibration.json"))
    assert set(loaded.models["time_s"].apart) == {"weight-gradients"}
    for op, seed in (("conv2d", 2), (KIND, 3)):
        judged = loaded.predict(table(op, 100, seed))
        error = np.abs(judged["predicted_time_s"] / judged["time_s"] - 1)
        assert error.median() < 0.06, op


@pytest.mark.parametrize("op", CONV2D_GRADIENTS)
def test_gradients_that_were_never_measured_have_the_interval_of_what_is_unlike(forward_alone, op):
    judged = forward_alone.predict(table(op, 50, 4))
    widest = judged["predicted_time_s_hi"] / judged["predicted_time_s"]
    assert widest.min() >= 2.9
    like = forward_alone.predict(table("conv2d", 50, 4))
    assert (like["predicted_time_s_hi"] / like["predicted_time_s"]).median() < 1.5


def test_a_gradient_in_a_program_costs_what_the_table_says(both):
    import jax
    from jax import lax

    def loss(w, x):
        return lax.conv_general_dilated(
            x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ).sum()

    row = table(KIND, 1, 5).iloc[0]
    x = jax.ShapeDtypeStruct((int(row.batch), int(row.in_h), int(row.in_w), int(row.c_in)), "f4")
    w = jax.ShapeDtypeStruct((int(row.k_h), int(row.k_w), int(row.c_in), int(row.c_out)), "f4")
    found = jc.estimate(jax.value_and_grad(loss), w, x, calibration=both)
    rows = pd.DataFrame([row.to_dict()] * 2).assign(op=["conv2d", KIND])
    expected = both.predict(rows)["predicted_time_s"].to_numpy(float)
    each = [r["latency_s"] for r in found.layers() if r["flops"] > 0]
    assert sum(each) == pytest.approx(expected.sum(), rel=0.02)
    assert dataclasses.is_dataclass(found)


def test_too_few_gradients_do_not_spoil_what_is_forward(forward_alone):
    rows = pd.concat([table("conv2d", 60, 0), table(KIND, 6, 1)], ignore_index=True)
    found = jc.fit(rows, Device("made up", platform="cpu"))
    (line,) = [line for line in found.models["time_s"].warnings if "gradients" in line]
    assert line.startswith("6 gradients of convolutions are left out: it takes 10 of a kind")
    judged = table("conv2d", 50, 4)
    before, after = (c.predict(judged)["predicted_time_s"] for c in (forward_alone, found))
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_a_fit_that_starts_from_forward_layers_fits_gradients_by_themselves(forward_alone):
    few, enough = (
        pd.concat([table("conv2d", 20, 6), table(KIND, rows, 7)], ignore_index=True)
        for rows in (6, 20)
    )
    device = Device("twin", platform="cpu")
    found = jc.fit(enough, device, start_from=forward_alone)
    assert set(found.models["time_s"].apart) == {"weight-gradients"}
    judged = found.predict(table("conv2d", 50, 8))
    error = np.abs(judged["predicted_time_s"] / judged["time_s"] - 1)
    assert error.median() < 0.06
    lines = jc.fit(few, device, start_from=forward_alone).models["time_s"].warnings
    assert sum("6 gradients of convolutions are left out" in line for line in lines) == 1

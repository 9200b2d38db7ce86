"""Accelerators that others measured: what presets say, and how they predict shapes not seen."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.calibrate.bundled import fitted_files
from jaxcost.calibrate.presets import PRESETS
from jaxcost.workload import from_table
from jaxcost.workload.layer_table import read_layer_table

MEASURED = {
    "a100-sxm": "NVIDIA A100-SXM4-80GB",
    "b200": "NVIDIA B200",
    "h100-sxm": "NVIDIA H100 80GB HBM3",
    "h200-sxm": "NVIDIA H200",
}
GROUPS, HELD_OUT = 10, 2  # those of experiments/accuracy/bundle.py


def test_each_file_is_a_preset():
    assert set(fitted_files()) == set(MEASURED)
    assert set(MEASURED) <= set(PRESETS)


@pytest.mark.parametrize("name", MEASURED)
def test_it_says_whose_it_is_and_what_it_lacks(name):
    calibration = jc.load_calibration(name)
    known = calibration.provenance
    assert "Apache-2.0" in known["source"]
    assert "attention" in known["lacks"]
    assert "host" not in known
    fitted = calibration.models["time_s"]
    assert fitted.dtype == "bfloat16"
    assert {"rows", "sweeps", "held_out"} <= set(fitted.errors)


@pytest.mark.parametrize(
    ("name", "target", "most"),
    [
        *((name, "time_s", 0.08) for name in MEASURED),
        ("h200-sxm", "energy_j", 0.08),
        ("b200", "energy_j", 0.08),
    ],
)
def test_shapes_of_weights_that_it_never_saw_are_predicted(name, target, most, shared):
    folder = shared / "datasets" / "gpu"
    table = read_layer_table(folder / f"aic_gemm_bf16_{target.split('_')[0]}.csv", target=target)
    rows = table[table["device"] == MEASURED[name]]
    shape = rows.groupby(["c_in", "c_out"]).ngroup().to_numpy()
    group = np.random.default_rng(0).permutation(shape.max() + 1)[shape] % GROUPS
    unseen = rows[group < HELD_OUT]
    calibration = jc.load_calibration(name)
    fitted = calibration.models[target]
    middle, lower, upper = fitted.interval(from_table(unseen), calibration.device)
    observed = unseen[target].to_numpy()
    error = np.abs(middle / observed - 1)
    assert error.mean() == pytest.approx(fitted.errors["held_out"].mean_absolute, rel=0.01)
    assert error.mean() <= most
    assert 0.86 <= np.mean((lower <= observed) & (observed <= upper)) <= 0.94
    if target == "energy_j":  # the control: the time as measured, and one power for all
        seconds = unseen["time_s"].to_numpy(float)
        power = np.median(observed / seconds)
        assert error.mean() < np.mean(np.abs(power * seconds / observed - 1))


def test_a_model_is_priced_by_them_and_what_is_no_product_is_named():
    def layer(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME")

    def product(x, weights):
        return x @ weights

    sizes = [jax.ShapeDtypeStruct((4096, 4096), jnp.bfloat16)] * 2
    known = jc.estimate(product, *sizes, calibration="h100-sxm")
    flops = 2 * 4096**3
    assert 400e12 < flops / known.latency_s < 989.5e12  # the data sheet's peak
    assert known.latency_s_hi / known.latency_s_lo < 1.6
    image = jax.ShapeDtypeStruct((8, 64, 56, 56), jnp.bfloat16)
    kernel = jax.ShapeDtypeStruct((64, 64, 3, 3), jnp.bfloat16)
    unlike = jc.estimate(layer, image, kernel, calibration="h100-sxm")
    assert unlike.latency_s_hi / unlike.latency_s_lo > 5
    assert any("outside the calibration" in line for line in unlike.warnings)


_VIDUR = {"input_layernorm": "normalisation", "add": "addition", "emb": "gather"}


@pytest.mark.parametrize(("name", "card"), [("a100-sxm", "A100"), ("h100-sxm", "H100")])
def test_operations_that_memory_binds_are_priced_as_they_were_measured(name, card, shared):
    """Most of these rows no fit has seen; products keep the calibration's own precision."""
    table = pd.read_csv(shared / "datasets" / "gpu" / "vidur_memory_bound_fp16.csv")
    table = table[(table["device"] == card) & table["op"].isin(_VIDUR)].reset_index(drop=True)
    op, c = table["op"].map(_VIDUR), table["n_embd"]
    sizes = {"batch": table["n_tokens"], "c_in": c.mask(op == "gather", 32_000), "c_out": c}
    ones = dict.fromkeys(("in_h", "in_w", "k_h", "k_w", "stride", "groups"), 1)
    layers = pd.DataFrame(sizes | ones).assign(op=op, padding="same", dtype="bfloat16")
    judged = jc.load_calibration(name).predict(layers)
    error = np.abs(judged["predicted_time_s"] / table["time_s"] - 1)
    held = table["time_s"].between(judged["predicted_time_s_lo"], judged["predicted_time_s_hi"])
    assert error.groupby(op).mean().max() < 0.10
    assert held.mean() > 0.85
    assert "Vidur" in jc.load_calibration(name).provenance["source"]

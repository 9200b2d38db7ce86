"""MFU by hand: model FLOPs / time / peak, and what the denominator is."""

import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import pytest

import jaxcost as jc
from jaxcost.trace.sharding import Spread

X = jax.ShapeDtypeStruct((512, 1024), jnp.bfloat16)
W = jax.ShapeDtypeStruct((1024, 1024), jnp.bfloat16)
PRODUCT = 2 * 512 * 1024 * 1024
H100 = 989.5e12


def step(w, x, checkpoint=lambda f: f):
    def loss(w):
        def block(x, w):
            return jnp.tanh(jnp.sin(x @ w) @ w)

        block = checkpoint(block)
        return block(block(x, w), w).sum().astype(jnp.float32)

    value, gradient = jax.value_and_grad(loss)(w)
    return value, w - gradient


def test_mfu_is_model_flops_over_time_and_peak():
    found = jc.utilization(step, W, X, device="h100-sxm")(1e-3)
    flops = 11 * PRODUCT  # 4 forward, and backward twice as many but one for the input
    assert found["mfu"] == pytest.approx(flops / 1e-3 / H100)
    assert (found["flops_per_s"], found["peak_flops_per_s"]) == (pytest.approx(flops / 1e-3), H100)
    assert found["peak"] == "dense peak of the data sheet, h100-sxm, bf16"
    assert found["time_s"] == 1e-3
    assert "hfu" not in found


@pytest.mark.parametrize("against", [{"device": "h100-sxm"}, {"calibration": "h100-sxm"}])
def test_a_time_that_was_not_awaited_is_doubted_once(against):
    use = jc.utilization(jnp.dot, X, W, **against)
    assert use(1e-3)["mfu"] < 1
    with pytest.warns(
        UserWarning, match=r"MFU = .* not awaited; time jax.block_until_ready"
    ) as told:
        assert use(1e-8)["mfu"] > 1
    assert told[0].filename == __file__
    assert use(2e-8)["mfu"] > 1  # in a loop once is enough


def test_what_is_computed_again_is_of_hfu_and_not_of_mfu():
    def remat(w, x):
        return step(w, x, jax.checkpoint)

    plain, again = (jc.utilization(f, W, X, device="h100-sxm")(1e-3) for f in (step, remat))
    assert again["mfu"] == pytest.approx(plain["mfu"])
    assert again["hfu"] == pytest.approx(plain["mfu"] * 15 / 11)


def test_the_denominator_is_measured_where_no_device_is_named():
    loaded = jc.load_calibration("h100-sxm")
    rate = float(loaded.models["time_s"].model.rate)
    found = jc.utilization(jnp.dot, X, W, calibration="h100-sxm")(1e-3)
    assert found["mfu"] == pytest.approx(PRODUCT / 1e-3 / rate)
    assert found["peak"] == "measured ceiling, h100-sxm, bfloat16"
    both = jc.utilization(jnp.dot, X, W, calibration=loaded, device="h100-sxm")(1e-3)
    assert both["peak_flops_per_s"] == H100
    assert both["predicted_s"] == found["predicted_s"]


def test_what_was_predicted_stands_beside_what_was_measured():
    predicted = jc.estimate(jnp.dot, X, W, calibration="b200")
    found = jc.utilization(jnp.dot, X, W, calibration="b200")(2 * predicted.latency_s)
    assert found["predicted_s"] == predicted.latency_s
    assert found["predicted_over_measured"] == pytest.approx(0.5)
    assert (found["energy_j"], found["energy"]) == (predicted.energy_j, "predicted")


def test_energy_without_a_prediction_is_that_of_the_design_power():
    found = jc.utilization(jnp.dot, X, W, device="h100-sxm")(1e-3)
    assert found["energy_j"] == pytest.approx(0.7)
    assert found["energy"] == "at the design power of 700 W, data sheet"
    assert "predicted_s" not in found


def test_bandwidth_is_of_what_fusion_leaves():
    use = jc.utilization(jnp.dot, X, W, device="h100-sxm")
    moved = 2 * (512 * 1024 + 1024 * 1024 + 512 * 1024)
    assert use.bytes_moved == moved
    found = use(1e-3)
    assert found["bandwidth_use"] == pytest.approx(moved / 1e-3 / 3350e9)
    assert found["bandwidth"] == "data sheet, h100-sxm, memory"
    assert found["bandwidth_bytes_per_s"] == 3350e9
    fused = jc.utilization(lambda x, w: jnp.tanh(x @ w), X, W, device="h100-sxm")
    assert moved < fused.bytes_moved < moved + 2 * 2 * 512 * 1024


def test_the_dict_is_plain():
    use = jc.utilization(step, W, X, device="a100-sxm-80gb", calibration="a100-sxm")
    found = use(1e-3)
    assert {type(value) for value in found.values()} == {float, str}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert use(2e-3)["mfu"] == pytest.approx(found["mfu"] / 2)


def test_a_model_can_be_counted_with_its_gradient():
    def model(x):
        return x @ jnp.ones((1024, 1024), jnp.bfloat16)

    use = jc.utilization(model, X, device="h100-sxm", backward=True)
    assert use.model_flops == 2 * PRODUCT


def test_several_precisions_are_warned_of():
    def mixed(x, w):
        return x @ w, x.astype(jnp.float32)[:128] @ w.astype(jnp.float32)

    use = jc.utilization(mixed, X, W, device="h100-sxm")
    (line,) = [line for line in use.warnings if "another precision" in line]
    assert line == (
        "20% of the FLOPs are in another precision than bfloat16, and all are held against the "
        "peak in bf16"
    )
    assert not jc.utilization(jnp.dot, X, W, device="h100-sxm").warnings


@pytest.mark.parametrize("time_s", [0, -1, math.nan, math.inf, "1 s", None])
def test_a_time_that_is_none_is_refused(time_s):
    use = jc.utilization(jnp.dot, X, W, device="h100-sxm")
    with pytest.raises(ValueError, match="time_s = .* is not allowed; give seconds of a step"):
        use(time_s)


def test_something_to_hold_it_against_is_needed():
    with pytest.raises(ValueError, match="give calibration= or device="):
        jc.utilization(jnp.dot, X, W)


def test_nothing_to_compute_uses_nothing():
    use = jc.utilization(lambda x: x, X, device="h100-sxm", precision="bf16")
    assert use(1.0)["mfu"] == use(1.0)["bandwidth_use"] == 0


def test_of_several_devices_the_peak_is_that_of_all_that_are_counted_together():
    use = jc.utilization(jnp.dot, X, W, device="h100-sxm")
    many = dataclasses.replace(use, counts=dataclasses.replace(use.counts, together=8))
    one, eight = use(1e-3), many(1e-3)
    for name in ("mfu", "bandwidth_use"):
        assert eight[name] == pytest.approx(one[name] / 8)
    assert eight["peak_flops_per_s"] == 8 * H100
    assert eight["energy_j"] == pytest.approx(8 * 0.7)
    assert (Spread(8, 8).together, Spread(8, 2).together, Spread(8).together) == (1, 4, 8)

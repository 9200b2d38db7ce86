"""What a device can do at most: of data sheets by the type that is multiplied, and as measured."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

import jaxcost as jc
from jaxcost.trace.ceilings import main_dtype, of_calibration, of_data_sheet


@pytest.mark.parametrize(
    ("device", "dtype", "precision", "peak"),
    [
        ("h100-sxm", "bfloat16", "bf16", 989.5e12),
        ("h100-sxm", "float16", "fp16-tensor", 989.5e12),
        ("h100-sxm", "float32", "tf32", 494.5e12),
        ("h100-sxm", "float8_e4m3fn", "fp8", 1979e12),
        ("b200", "float32", "fp32", 80e12),
        ("p100-pcie", "float16", "fp16", 18.7e12),
        ("tpu-v5e", "float32", "bf16", 197e12),
    ],
)
def test_the_peak_is_that_in_which_a_type_is_multiplied(device, dtype, precision, peak):
    found = of_data_sheet(device, dtype)
    assert (found.precision, found.peak_flops) == (precision, peak)
    assert found.basis == f"dense peak of the data sheet, {device}, {precision}"
    assert list(found.bandwidths) == ["memory"]


def test_whole_float32_is_not_multiplied_in_tf32():
    with jax.default_matmul_precision("highest"):
        assert of_data_sheet("h100-sxm", "float32").precision == "fp32"


def test_a_precision_can_be_said():
    assert of_data_sheet("NVIDIA H100-SXM", "bfloat16", "fp8").peak_flops == 1979e12


@pytest.mark.parametrize(
    ("device", "dtype", "precision", "words"),
    [
        ("t4", "bfloat16", None, "t4 has no published peak of products in bfloat16; say which"),
        ("h100-sxm", "int8", None, r"\(precision=\): fp32, tf32, fp16-tensor, bf16, fp8"),
        ("h100-sxm", "bfloat16", "bf61", "did you mean 'bf16'"),
        ("h101-sxm", "bfloat16", None, "has no data sheet here; did you mean"),
    ],
)
def test_what_has_no_peak_is_refused_with_the_way_out(device, dtype, precision, words):
    with pytest.raises(ValueError, match=words):
        of_data_sheet(device, dtype, precision)


def test_a_calibration_has_what_it_measured():
    loaded = jc.load_calibration("h100-sxm")
    found, model = of_calibration(loaded), loaded.models["time_s"].model
    assert found.peak_flops == float(model.rate)
    assert found.basis == "measured ceiling, h100-sxm, bfloat16"
    assert list(found.bandwidths) == ["inputs and outputs", "weights", "what is no product"]
    assert found.bandwidths["inputs and outputs"] == float(model.bandwidth)
    assert found.bandwidths["weights"] == pytest.approx(float(model.bandwidth * model.weight_ratio))
    assert found.design_power is None


@pytest.mark.parametrize(
    ("preset", "words"),
    [("quadro-t2000", "alpha-flops, .* knows no peak rate"), ("butter-e-gpu", "has no times")],
)
def test_a_calibration_without_a_rate_is_refused(preset, words):
    with pytest.raises(ValueError, match=words):
        of_calibration(jc.load_calibration(preset))


def test_a_precision_that_was_not_recorded_is_said():
    loaded = jc.load_calibration("amd-epyc")
    fitted = dataclasses.replace(loaded.models["time_s"], dtype=None)
    found = of_calibration(dataclasses.replace(loaded, models={"time_s": fitted}))
    assert found.basis.endswith("a precision not recorded")


def test_the_main_type_has_most_flops_of_products():
    half = jnp.ones((8, 64), jnp.bfloat16)

    def mixed(x, half):
        return x @ x.T, half @ half.T, (half @ half.T) @ half, jnp.sin(x)

    x = jnp.ones((8, 8))
    products = [2 * 8**3, 3 * 2 * 64 * 8**2]
    dtype, share = main_dtype(jc.count(mixed, x, half))
    assert dtype == "bfloat16"
    assert share == pytest.approx(products[1] / sum(products))
    assert main_dtype(jc.count(jnp.sin, x)) == ("", 0.0)

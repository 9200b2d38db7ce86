"""Attention in one kernel: its FLOPs and bytes, its model, and measurements of two GPUs."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.calibrate.fit import fit_model
from jaxcost.device import Device
from jaxcost.models.attention import Attention
from jaxcost.models.base import parameters_of
from jaxcost.workload import counts, dense, from_table

ANY = Device("of this test", platform="gpu")
PLANTED = Attention(
    rate=4e14, bandwidth=3e12, floor=6e-6, sharpness=1.5, half_tokens=300.0, half_heads=5.0
)


def attention(batch, tokens, heads, size, dtype="bfloat16") -> pd.DataFrame:
    sizes = np.atleast_1d(*np.broadcast_arrays(batch, tokens, heads, size))
    named = dict(zip(("batch", "in_w", "groups"), sizes, strict=False))
    c = sizes[2] * sizes[3]
    ones = {"in_h": 1, "k_h": 1, "k_w": 1, "stride": 1, "padding": "valid"}
    return pd.DataFrame(named | {"c_in": c, "c_out": c}).assign(op="attention", dtype=dtype, **ones)


def drawn(many=150) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    batch, heads = (2 ** draw.integers(0, 6, many) for _ in range(2))
    return attention(batch, 2 ** draw.integers(2, 14, many), heads, draw.choice([64, 128], many))


def test_flops_and_bytes_are_those_that_xla_counts():
    def plain(q, k, v):
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * 0.25
        raised = jnp.exp(scores - scores.max(-1, keepdims=True))
        return jnp.einsum("bhqk,bkhd->bqhd", raised / raised.sum(-1, keepdims=True), v)

    arrays = [jax.ShapeDtypeStruct((3, 40, 6, 16), jnp.float32)] * 3
    cost = jax.jit(plain).lower(*arrays).cost_analysis()
    layers = from_table(attention(3, 40, 6, 16, "float32"))
    assert counts.flops(layers)[0] == cost["flops"] + cost["transcendentals"]
    assert counts.bytes_moved(layers)[0] == 4 * 3 * 40 * 6 * 16 * 4  # q, k, v and the result
    assert counts.parameters(layers)[0] == 0


def test_long_sequences_are_bound_by_arithmetic_and_short_ones_by_the_floor():
    short, long = np.asarray(
        PLANTED.layer_costs(from_table(attention([1, 32], [2, 60_000], 32, 128)), ANY)
    )
    flops = counts.flops(from_table(attention(32, 60_000, 32, 128)))[0]
    assert short == pytest.approx(6e-6, rel=0.01)
    assert long == pytest.approx(float(flops) / 4e14, rel=0.02)
    assert np.isnan(PLANTED.layer_costs(dense(c_in=8.0, c_out=8.0), ANY)).all()


@pytest.mark.usefixtures("x64")
def test_a_fit_recovers_what_was_planted_and_its_gradient_is_finite():
    layers = from_table(drawn())
    observed = np.asarray(PLANTED.layer_costs(layers, ANY))
    result = fit_model(Attention, layers, ANY, observed, folds=0, priors=False)
    for p in parameters_of(Attention):
        found = float(getattr(result.model, p.name))
        assert found == pytest.approx(float(getattr(PLANTED, p.name)), rel=5e-3), p.name
    slopes = jax.tree.leaves(jax.grad(lambda model: model(layers, ANY))(PLANTED))
    assert all(np.isfinite(slope) and slope != 0 for slope in slopes)


@pytest.mark.parametrize("device", ["NVIDIA H200", "NVIDIA B200"])
def test_attention_of_gpus_is_predicted_from_400_measurements(device, shared):
    path = shared / "datasets" / "gpu" / "aic_encoder_attention_energy.csv"
    table = pd.read_csv(path)
    table = table[table["device"] == device].sample(1400, random_state=0).reset_index(drop=True)
    sizes = (table[name] for name in ("batch_size", "isl", "num_heads", "head_dim"))
    layers = attention(*sizes).assign(time_s=table["time_s"])
    calibration = jc.fit(layers[:400], ANY)
    judged = calibration.predict(layers[400:].reset_index(drop=True))
    error = np.abs(judged["predicted_time_s"] / judged["time_s"] - 1)
    held = judged["time_s"].between(judged["predicted_time_s_lo"], judged["predicted_time_s_hi"])
    assert error.mean() < 0.10
    assert 0.85 < held.mean() < 0.97

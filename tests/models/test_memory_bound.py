"""The model of what is no product: its formula, its gradients, and what a fit finds of it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate.fit import fit_model
from jaxcost.device import Device
from jaxcost.models.base import parameters_of
from jaxcost.models.memory_bound import MemoryBound
from jaxcost.workload import dense, from_table, rows
from jaxcost.workload.memory_bound import ATTENTION, MEMORY_BOUND

ANY = Device("of this test")
PLANTED = MemoryBound(
    bandwidth=2e11,
    floor=3e-6,
    sharpness=1.8,
    addition=1.1,
    reduction=0.8,
    normalisation=0.6,
    softmax=0.5,
    pooling=0.7,
    gather=0.3,
    row=100.0,
    rereading=0.2,
    cache=3e8,
    beyond=1.5,
)
EARLIER = dataclasses.replace(PLANTED, row=0.0, rereading=1e30, cache=1e30, beyond=0.0)


def operations(ops=MEMORY_BOUND, many=20) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    rows = []
    for op in ops:
        for batch, c in zip(
            *(2.0 ** draw.uniform(1, most, many) for most in (17, 11)), strict=True
        ):
            window = {"k_h": 2, "k_w": 2} if op == "pooling" else {"k_h": 1, "k_w": 1}
            sizes = {"in_h": 8, "in_w": 8} if op == "pooling" else {"in_h": 1, "in_w": 1}
            c_out = 1 if op == "reduction" else int(c)
            sizes |= {"batch": int(batch), "c_in": int(c), "c_out": c_out, **window}
            stride = 1 + (op == "pooling" and len(rows) % 2)
            rows.append({"op": op, "stride": stride, "padding": "same", "groups": 1, **sizes})
    return pd.DataFrame(rows).assign(dtype="float32")


def test_a_large_operation_moves_its_bytes_and_a_small_one_takes_the_floor():
    sizes = {"in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1, "stride": 1, "padding": "same", "groups": 1}
    rows = [
        {"op": op, "batch": batch, "c_in": 1000, "c_out": 1000, **sizes, "dtype": "float32"}
        for op in ("elementwise", "softmax")
        for batch in (2, 200_000)
    ]
    small, large, small_softmax, softmax = np.asarray(
        EARLIER.layer_costs(from_table(pd.DataFrame(rows)), ANY)
    )
    assert small == pytest.approx(3e-6, rel=0.01)
    assert small_softmax == pytest.approx(6e-6, rel=0.01)
    assert large == pytest.approx((2 * 2e8 + 1e3) * 4 / 2e11, rel=0.001)
    assert softmax == pytest.approx(2 * large, rel=0.001)


def cost(op: str, model: MemoryBound = PLANTED, **sizes: float) -> float:
    plain = dict.fromkeys(("batch", "in_h", "in_w", "k_h", "k_w", "stride", "groups"), 1)
    row = plain | {"op": op, "padding": "valid", "dtype": "float32"} | sizes
    return float(model.layer_costs(from_table(pd.DataFrame([row])), ANY)[0])


def test_data_beyond_the_cache_come_from_memory_whatever_is_done_with_them():
    """Far within it their time is that of the bandwidth; far beyond the memory's comes besides."""
    in_cache = dataclasses.replace(PLANTED, cache=1e30)
    for op in ("elementwise", "softmax"):
        for c, besides in ((1000, 0.0), (4_000_000, 1.5)):
            sizes = {"batch": 1000, "c_in": c, "c_out": c}
            moved = 4 * (2000 * c + c)
            slower = cost(op, **sizes) - cost(op, in_cache, **sizes)
            assert slower == pytest.approx(besides * moved / 2e11, rel=0.01, abs=1e-7)


def test_a_pooling_reads_again_what_its_windows_share_and_nothing_else():
    """Counted pixel by pixel: how often each window reads what another has read."""
    side, c = 60, 4096
    for k, stride in ((2, 2), (3, 3), (2, 1), (3, 2), (3, 1)):
        starts = range(0, side - k + 1, stride)
        read = np.zeros((side, side))
        for y in starts:
            for x in starts:
                read[y : y + k, x : x + k] += 1
        again = 4 * c * (read - 1).sum()  # what no window reads is charged to the others
        pooled = {"in_h": side, "in_w": side, "c_in": c, "c_out": c, "k_h": k, "k_w": k}
        never = dataclasses.replace(PLANTED, rereading=1e30)
        found = cost("pooling", stride=stride, **pooled) - cost(
            "pooling", never, stride=stride, **pooled
        )
        assert found == pytest.approx(again / 0.2 / 2e11, rel=0.02, abs=1e-9), (k, stride)


def test_a_sum_over_channels_pays_for_each_row_and_one_over_positions_for_few():
    rowless = dataclasses.replace(PLANTED, row=0.0)

    def besides(op: str, **sizes: float) -> float:
        return cost(op, **sizes) - cost(op, rowless, **sizes)

    wide = {"batch": 8, "in_h": 128, "in_w": 128, "c_in": 512}
    channels = besides("reduction", c_out=1, **wide)
    assert channels == pytest.approx(8 * 128**2 * 100 / 0.8 / 2e11, rel=0.02)
    assert besides("reduction", c_out=512, **wide) < channels / 1e4
    assert besides("elementwise", c_out=512, **wide) == 0


def test_a_product_and_attention_have_no_price():
    attention = rows(c_in=0, c_out=0, other_flops=1e6, other_bytes=1e6, operation=ATTENTION)
    for layers in (dense(c_in=8.0, c_out=8.0), attention):
        assert np.isnan(PLANTED.layer_costs(layers, ANY)).all()


@pytest.mark.parametrize("model", [PLANTED, EARLIER])
def test_the_mean_bandwidth_is_that_of_one_operation_of_each_kind(model):
    """Of very many bytes; what a pooling reads again is no matter of its bytes."""
    each = from_table(operations(many=1))
    same = dataclasses.replace(each, other_bytes=jnp.full(len(each), 1e15), other_flops=each.batch)
    rates = 1e15 / np.asarray(model.layer_costs(same, ANY), float)
    assert float(model.mean_bandwidth) == pytest.approx(np.exp(np.log(rates).mean()), rel=1e-4)


@pytest.mark.usefixtures("x64")
def test_gradients_are_those_of_the_formula():
    layers = from_table(operations(many=3))
    leaves, structure = jax.tree.flatten(PLANTED)

    def costs(vector, moved):
        model = jax.tree.unflatten(structure, list(vector))
        return model.layer_costs(dataclasses.replace(layers, other_bytes=moved), ANY)

    vector, moved = jnp.asarray([float(leaf) for leaf in leaves]), layers.other_bytes
    by_moved = (costs(vector, moved * 1.00001) - costs(vector, moved * 0.99999)) / (2e-5 * moved)
    found = jnp.diagonal(jax.jacrev(costs, argnums=1)(vector, moved))
    np.testing.assert_allclose(found, by_moved, rtol=1e-4)
    by_parameter = jax.jacrev(costs)(vector, moved)
    for i, step in enumerate(1e-4 * jnp.diag(vector)):
        slope = (costs(vector + step, moved) - costs(vector - step, moved)) / (2 * step[i])
        rounding = 1e-7 * float(jnp.abs(slope).max())
        np.testing.assert_allclose(by_parameter[:, i], slope, rtol=1e-4, atol=rounding)
        assert (slope != 0).any()


@pytest.mark.usefixtures("x64")
def test_a_fit_recovers_what_was_planted():
    layers = from_table(operations())
    observed = np.asarray(PLANTED.layer_costs(layers, ANY))
    result = fit_model(MemoryBound, layers, ANY, observed, folds=0, priors=False)
    for p in parameters_of(MemoryBound):
        found = float(getattr(result.model, p.name))
        assert found == pytest.approx(float(getattr(PLANTED, p.name)), rel=2e-3), p.name
    assert not result.warnings


def test_a_kind_that_was_not_measured_is_said_to_be_open():
    layers = from_table(operations(["elementwise", "normalisation"]))
    observed = np.asarray(PLANTED.layer_costs(layers, ANY))
    result = fit_model(MemoryBound, layers, ANY, observed, folds=0)
    left_open = {e.name for e in result.estimates if not e.determined}
    assert left_open == {"addition", "reduction", "softmax", "pooling", "gather", "rereading"}
    for name in left_open:
        assert float(getattr(result.model, name)) == pytest.approx(1, rel=0.01)

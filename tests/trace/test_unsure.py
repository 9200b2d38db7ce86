"""What to measure next, held against estimates made after it was measured, and by hand."""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.fitted import Fitted
from jaxcost.trace import unsure_layers as words
from jaxcost.workload.left_once_fused import FUSION

pytestmark = pytest.mark.usefixtures("model_alone")

WIDTHS = (96, 160, 256, 20_000, 320, 30_000, 64)
X = jax.ShapeDtypeStruct((8, WIDTHS[0]), jnp.float32)
WEIGHTS = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in itertools.pairwise(WIDTHS)]
FIXED = {"in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1, "stride": 1, "padding": "same", "groups": 1}


def network(x, weights):
    for number, w in enumerate(weights):
        with jax.named_scope(f"layer{number}"):
            x = jnp.tanh(x @ w)
    return x


def true_time(c_in, c_out):
    """No model here is made for it: slower by the root of its size, and wavy."""
    c_in, c_out = np.array(c_in), np.array(c_out)
    wave = 1 + 0.3 * np.sin(3 * np.log(c_out)) * np.sin(2 * np.log(c_in))
    return 2e-11 * 8 * c_in * c_out * (1 + (c_in * c_out / 1e6) ** 0.5) * wave


def rows(c_in, c_out, sweep="a"):
    table = {"op": "dense", "batch": 8, "c_in": c_in, "c_out": c_out, **FIXED, "sweep": sweep}
    return pd.DataFrame(table | {"dtype": "float32", "time_s": true_time(c_in, c_out)})


def fitted_to(frame):
    device = jc.detect_device()
    found = fit_layers(frame, device, model="roofline", correction=True, starts=4)
    return jc.Calibration(device, {"time_s": found})


def measured():
    rng = np.random.default_rng(0)
    return rows(*rng.integers(50, 1000, (2, 40)), sweep=np.array(["a", "b"])[np.arange(40) % 2])


@pytest.fixture(scope="module")
def calibration():
    return fitted_to(measured())


@pytest.fixture(scope="module")
def found(calibration):
    return jc.where_unsure(network, X, WEIGHTS, calibration=calibration)


def test_the_interval_is_the_estimates(found, calibration):
    estimated = jc.estimate(network, X, WEIGHTS, calibration=calibration)
    ends = (estimated.latency_s_lo, estimated.latency_s_hi)
    assert (found.interval.lower, found.interval.upper) == pytest.approx(ends, rel=1e-12)
    assert found.latency_s == pytest.approx(estimated.latency_s, rel=1e-12)
    assert sum(row.share for row in found.layers) == pytest.approx(1.0)


def test_layers_beyond_what_was_measured_come_first_and_say_so(found):
    products = [row for row in found.layers if row.layer]
    assert len(products) == len(WEIGHTS)
    assert {row.known for row in products[:4]} == {words.BEYOND}
    assert {row.layer.c_in for row in products[:4]} | {row.layer.c_out for row in products[:4]} >= {
        20_000,
        30_000,
    }
    assert "output channels (measured:" in "".join(row.beyond for row in products[:4])
    widths = [row.measured.half_width for row in products]
    assert widths == sorted(widths)
    assert not any("lies outside" in line for line in found.warnings)


@pytest.mark.parametrize("place", [0, 2, 5])
def test_what_it_would_become_is_what_is_estimated_with_that_reach(
    found, calibration, monkeypatch, place
):
    """The same through `estimate`, with the reach of that one layer changed by force."""
    row = found.layers[place]
    trust, half = Fitted.trust, calibration.models["time_s"].intervals.half_width

    def known(self, layers, device):
        novelty, reach = trust(self, layers, device)
        own = (np.asarray(layers.c_in) == row.layer.c_in) & (
            np.asarray(layers.c_out) == row.layer.c_out
        )
        return novelty, np.where(own, half, reach)

    monkeypatch.setattr(Fitted, "trust", known)
    estimated = jc.estimate(network, X, WEIGHTS, calibration=calibration)
    ends = (estimated.latency_s_lo, estimated.latency_s_hi)
    assert (row.measured.lower, row.measured.upper) == pytest.approx(ends, rel=1e-9)


def test_by_hand(calibration):
    """One dense layer: its own interval, and what programs differ by, at right angles."""
    x, w = jnp.ones((8, 500)), jnp.ones((500, 5000))
    found = jc.where_unsure(jnp.dot, x, w, calibration=calibration)
    (row,) = found.layers
    spread, half = 1.6449 * FUSION.spread, calibration.models["time_s"].intervals.half_width
    above = math.hypot(math.expm1(half), math.expm1(spread))
    below = math.hypot(math.expm1(-half), math.expm1(-spread))
    time = found.latency_s
    assert row.measured.upper == pytest.approx(time * (1 + above), rel=1e-9)
    assert row.measured.lower == pytest.approx(time * (1 - below), rel=1e-9)
    assert found.all_measured == row.measured
    exact = (math.expm1(spread) - math.expm1(-spread)) / 2
    assert row.own_s == pytest.approx(time * (found.half_width - exact), rel=1e-9)


def test_measuring_the_first_narrows_more_than_measuring_the_last(found, calibration):
    products = [row.layer for row in found.layers if row.layer]
    halves = {}
    for name, some in {"first": products[:3], "last": products[-3:]}.items():
        new = rows([s.c_in for s in some], [s.c_out for s in some], sweep="program")
        again = fitted_to(pd.concat([measured(), new], ignore_index=True))
        halves[name] = jc.where_unsure(network, X, WEIGHTS, calibration=again).half_width
    assert halves["first"] < 0.3 * found.half_width  # 115 % became 18 %, which is what was said
    assert halves["first"] < 0.3 * halves["last"]
    assert halves["first"] == pytest.approx(found.share(found.all_measured), rel=0.2)


def test_equal_layers_are_one_that_occurs_as_often(calibration):
    def looped(x, w):
        x = jax.lax.scan(lambda c, _: (c @ w, None), x, None, length=5)[0]
        return x @ w

    shapes = jax.ShapeDtypeStruct((8, 512), "float32"), jax.ShapeDtypeStruct((512, 512), "float32")
    found = jc.where_unsure(looped, *shapes, calibration=calibration)
    (row,) = [row for row in found.layers if row.layer]
    assert row.occurrences == 6
    assert row.latency_s * 6 == pytest.approx(row.share * found.latency_s)
    assert found.to_measure() == [row.layer]


def test_what_cannot_be_measured_is_there_and_said(calibration):
    padded = lambda w, x: jax.lax.conv(x, w, (1, 1), [(3, 0), (0, 3)])  # noqa: E731
    shapes = [jax.ShapeDtypeStruct(s, "float32") for s in ((8, 4, 3, 3), (1, 4, 16, 16))]
    found = jc.where_unsure(padded, *shapes, calibration=calibration)
    assert found.to_measure() == []
    assert found.table().empty
    assert any("no row of a table is like" in line for line in found.warnings)
    assert found.layers[0].known == words.UNLIKE
    assert found.layers[0].measured == found.interval


def test_gradients_that_were_never_measured_are_unlike(calibration):
    from jax import lax

    def conv(x, k):
        return lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    shapes = [jax.ShapeDtypeStruct(s, "float32") for s in ((2, 16, 16, 8), (3, 3, 8, 8))]
    found = jc.where_unsure(conv, *shapes, calibration=calibration, backward=True)
    kinds = {row.op: row.known for row in found.layers if row.layer}
    assert kinds["conv2d_weight_gradient"] == words.UNLIKE
    assert any("a fit takes 10 of a kind" in line for line in found.warnings)


def test_a_calibration_that_does_not_say_what_was_measured_says_that(calibration):
    alone = dataclasses.replace(calibration.models["time_s"], correction=None, layers=None)
    bare = dataclasses.replace(calibration, models={"time_s": alone})
    found = jc.where_unsure(network, X, WEIGHTS, calibration=bare)
    assert {row.known for row in found.layers if row.layer} == {words.UNKNOWN}
    assert all(row.measured == found.interval for row in found.layers)
    assert any("does not record which layers were measured" in line for line in found.warnings)


@pytest.mark.parametrize(
    ("fn", "args", "name", "line"),
    [
        (jnp.tanh, (X,), "butter-e-gpu", "no times of single layers"),
        (lambda x: x, (X,), "amd-epyc", "costs nothing that is known"),
    ],
)
def test_what_has_no_interval_is_refused(fn, args, name, line):
    with pytest.raises(ValueError, match=line):
        jc.where_unsure(fn, *args, calibration=name)

"""Verdicts on a program whose counts are known by hand, and on costs with their intervals."""

import json

import jax
import jax.numpy as jnp
import pytest

import jaxcost as jc
from jaxcost.trace.budget import Judged

X = jax.ShapeDtypeStruct((8, 64), jnp.float32)
W, V = jax.ShapeDtypeStruct((64, 32), jnp.float32), jax.ShapeDtypeStruct((32, 10), jnp.float32)
MACS = 8 * 64 * 32 + 8 * 32 * 10


def network(x, w, v):
    with jax.named_scope("first"):
        y = jnp.tanh(x @ w)
    with jax.named_scope("second"):
        return y @ v


def looped(x):
    return jax.lax.while_loop(lambda c: c[0, 0] < 1, lambda c: c @ c.T @ x, x)


def judged(budget, fn=network, args=(X, W, V), **kwargs):
    found = jc.check(fn, *args, budget=budget, **kwargs)
    return found, {one.name: one for one in found.judged}


@pytest.mark.parametrize(
    ("limit", "verdict"), [(2 * MACS, "within"), (2 * MACS - 1, "over"), (3 * MACS, "within")]
)
def test_a_limit_is_kept_up_to_itself(limit, verdict):
    found, limits = judged({"flops": limit})
    assert limits["flops"].verdict == verdict
    assert limits["flops"].found == 2 * MACS
    assert found.passed == (verdict == "within")
    assert len(found.failed) == (verdict == "over")


def test_every_count_can_be_limited():
    counts = jc.count(network, X, W, V)
    names = ("flops", "macs", "bytes_moved", "peak_bytes")
    found, limits = judged(dict.fromkeys(names, 1) | {"parameters": 1})
    for name in names:
        assert (limits[name].found, limits[name].verdict) == (getattr(counts, name), "over"), name
    assert limits["parameters"].verdict == "within"  # two arguments are arrays, not parameters
    assert [one.name for one in found.failed] == list(names)


def test_what_is_over_names_the_layers_that_hold_most():
    _, limits = judged({"macs": "1 kMAC"})
    first = 8 * 64 * 32 / MACS
    assert limits["macs"].layers == {"first": first, "second": pytest.approx(1 - first)}
    line = str(limits["macs"])
    assert line.startswith("macs: 18.9 kMAC, over 1.00 kMAC by 1794 %; most in first 86.5 %")
    assert line.endswith("second 13.5 %")


def test_memory_is_of_the_layers_that_hold_it_at_the_peak():
    counts = jc.count(network, X, W, V)
    _, limits = judged({"peak_bytes": 1})
    assert sum(counts.peak_layers.values()) == counts.peak_bytes
    assert counts.peak_layers["(inputs)"] == 4 * (8 * 64 + 64 * 32 + 32 * 10)
    assert limits["peak_bytes"].layers["(inputs)"] == pytest.approx(
        counts.peak_layers["(inputs)"] / counts.peak_bytes
    )


def test_what_is_not_known_never_passes_in_silence():
    found, limits = judged({"flops": 1e12, "parameters": 5, "peak_bytes": 1e9}, looped, (X,))
    assert limits["flops"].verdict == "unknown"
    assert "how often a while loop runs is not known: say it (--trips, trips=)" in str(found)
    assert "at least, not known to be within" in str(limits["flops"])
    assert limits["parameters"].verdict == limits["peak_bytes"].verdict == "within"
    assert not found.passed
    assert [one.name for one in found.failed] == ["flops"]
    assert judged({"flops": 1e12}, looped, (X,), trips=3)[0].passed
    allowed, limits = judged({"flops": 1e12}, looped, (X,), allow_unknown=True)
    assert allowed.passed
    assert "at least, within" in str(limits["flops"])


def test_what_is_not_known_is_over_where_the_rest_is():
    found, limits = judged({"flops": 1}, looped, (X,), allow_unknown=True)
    assert limits["flops"].verdict == "over"
    assert not found.passed


def test_an_opaque_operation_is_named():
    def called(x):
        return jax.pure_callback(lambda v: v, x, x)

    _, limits = judged({"peak_bytes": 1e9}, called, (X,))
    assert limits["peak_bytes"].verdict == "unknown"
    assert "what pure_callback does is not known" in limits["peak_bytes"].missing


def test_a_latency_is_judged_by_its_estimate_and_its_interval_told():
    given = {"calibration": "amd-epyc"}
    whole = jc.estimate(network, X, W, V, **given)
    upper = whole.latency_s_hi
    for limit, verdict, uncertain in (
        (1.01 * upper, "within", False),
        (0.99 * upper, "within", True),
        (0.99 * whole.latency_s, "over", True),
        (0.99 * whole.latency_s_lo, "over", False),
    ):
        _, limits = judged({"latency_s": limit}, **given)
        one = limits["latency_s"]
        assert (one.verdict, one.uncertain) == (verdict, uncertain)
        assert ("the limit lies within the 90 % interval" in str(one)) == uncertain
        assert one.interval == (whole.latency_s_lo, whole.latency_s_hi)
        assert one.found == whole.latency_s
    assert sum(one.layers.values()) == pytest.approx(1, abs=0.02)


def test_what_the_calibration_has_no_price_for_does_not_pass_in_silence():
    _, limits = judged({"latency_s": 1.0}, calibration="quadro-t2000")
    assert limits["latency_s"].verdict == "unknown"
    assert "1 operations have no price in the calibration" in limits["latency_s"].missing
    assert judged({"latency_s": 1.0}, calibration="quadro-t2000", allow_unknown=True)[0].passed


def test_an_energy_is_judged_where_the_calibration_has_one():
    _, limits = judged({"energy_j": 1e9, "latency_s": 1e3}, calibration="b200")
    assert limits["energy_j"].verdict == limits["latency_s"].verdict == "within"
    assert limits["energy_j"].found == jc.estimate(network, X, W, V, calibration="b200").energy_j


@pytest.mark.parametrize("name", ["latency_s", "energy_j"])
def test_a_cost_needs_a_calibration_that_has_it(name):
    with pytest.raises(ValueError, match=f"{name} = 1 needs a calibration; give one"):
        judged({name: 1})
    if name == "energy_j":
        with pytest.raises(
            ValueError, match="energy_j = 1 cannot be judged: .* has none; give one"
        ):
            judged({name: 1}, calibration="amd-epyc")


def test_a_gradient_is_counted_as_asked():
    once, step = (
        judged({"flops": 1}, **more)[1]["flops"].found for more in ({}, {"backward": True})
    )
    assert step == 3 * once  # by the inputs, all of them


def test_its_record_is_plain_json():
    found, _ = judged({"flops": 1, "latency_s": 1.0}, calibration="amd-epyc")
    record = json.loads(json.dumps(found.record(), allow_nan=False))
    assert record["passed"] is False
    assert [one["verdict"] for one in record["limits"]] == ["over", "within"]
    assert record["limits"][0]["layers"]["first"] == pytest.approx(0.865, abs=1e-3)
    assert record["limits"][1]["interval"][0] < record["limits"][1]["found"]
    assert record["warnings"] == list(found.warnings)


def test_a_line_says_what_is_within():
    one = Judged("flops", 2e9, 1e9, None, "within", "", {"conv": 1.0})
    assert str(one) == "flops: 1.00 GFLOP, within 2.00 GFLOP"


def test_no_more_than_three_layers_are_named():
    def deep(x, *weights):
        for index, w in enumerate(weights):
            with jax.named_scope(f"layer{index}"):
                x = x @ w
        return x

    square = jax.ShapeDtypeStruct((64, 64), jnp.float32)
    _, limits = judged({"flops": 1}, deep, (X, *[square] * 5))
    assert limits["flops"].layers == {f"layer{index}": 0.2 for index in range(3)}

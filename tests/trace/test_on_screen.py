"""Counts and estimates of large programs fit on a screen, the largest layers first."""

import jax
import jax.numpy as jnp

import jaxcost as jc

X = jax.ShapeDtypeStruct((8, 64), jnp.float32)


def deep(x):
    for index in range(40):
        with jax.named_scope(f"layer{index}"):
            x = jnp.tanh(x @ jnp.ones((64, 64)))
    with jax.named_scope("large"):
        return x @ jnp.ones((64, 512))


def looped(x):
    return jax.lax.while_loop(lambda c: c[0, 0] < 1, jnp.sin, x)


def test_counts_begin_with_the_whole_and_the_largest_layer():
    found = jc.count(deep, X)
    lines = repr(found).splitlines()
    assert lines[0] == "Counts: 3.15 MFLOP, 0 parameters, 338 KiB moved, 148 KiB at the peak"
    assert lines[2].split()[:4] == ["large", "dense", "8×512", "524"]
    assert len(lines) < 20
    assert max(map(len, lines)) < 110
    assert lines[-1] == f"and {len(found.layers()) - 12} more: to_frame() has all"


def test_a_lower_bound_says_so():
    assert "lower bounds: what while does is not known" in repr(jc.count(looped, X))
    assert "lower bounds" not in repr(jc.count(deep, X))


def test_an_estimate_begins_with_its_intervals_and_the_costliest_layer():
    found = jc.estimate(deep, X, calibration="b200")
    lines = repr(found).splitlines()
    assert lines[0].startswith("Estimate: latency ")
    assert "90 % interval" in lines[0]
    assert lines[1].startswith("energy ")
    assert f"{len(found.warnings)} warnings: see warnings" in lines
    assert len(lines) < 22
    assert len(found.to_frame()) == len(found.layers())
    assert "latency_s_hi" in found.to_frame()


def test_what_has_no_price_is_unknown_and_not_0():
    assert "unknown" in repr(
        jc.estimate(lambda x: jnp.tanh(x @ x.T), X, calibration="quadro-t2000")
    )


def test_what_computes_nothing_shows_itself():
    assert repr(jc.count(lambda x: x, X)).startswith("Counts: 0 FLOP, 0 parameters")
    assert repr(jc.estimate(lambda x: x, X, calibration="amd-epyc")).startswith("Estimate: ")


def test_a_utilization_says_what_it_is_held_against():
    found = jc.utilization(deep, X, device="h100-sxm", calibration="h100-sxm")
    lines = repr(found).splitlines()
    assert lines[0].startswith("Utilization: 3.15 MFLOP a step, of ")
    assert found.ceilings.basis in lines[0]
    assert lines[1].startswith("predicted ")
    assert len(lines) == 4


def test_a_budget_begins_with_its_verdict():
    found = jc.check(deep, X, budget={"flops": "1 MFLOP", "parameters": 1})
    assert repr(found) == f"Not within the budget: 1 of 2 limits not kept\n{found}"
    assert repr(jc.check(deep, X, budget={"flops": 1e9})).startswith("Within the budget\nflops: ")


def test_a_roofline_begins_with_its_ceiling_and_the_slowest_layer():
    found = jc.roofline(deep, X, device="h100-sxm")
    lines = repr(found).splitlines()
    assert lines[0].startswith(f"Roofline: {len(found.points)} layers under ")
    assert lines[0].endswith(found.ceilings.basis)
    assert lines[1].split()[:3] == ["layer", "op", "FLOP/B"]
    assert lines[2].split()[0] == found.points[0].name == "large"
    assert lines[-1] == f"and {len(found.points) - 12} more: to_frame() has all"


def test_a_comparison_has_a_row_a_calibration():
    names = ["h100-sxm", "h200-sxm"]
    found = jc.compare(deep, X, calibrations=names)
    lines = repr(found).splitlines()
    assert lines[0].startswith("Comparison: 3.15 MFLOP")
    assert [line.split()[0] for line in lines[2:]] == names
    assert max(map(len, lines)) < 110
    assert lines[2].count("–") == 2  # h100-sxm has no energy
    assert list(found.to_frame()["latency_s"]) == [e.latency_s for e in found.estimates.values()]


def test_a_training_is_a_line_a_quantity():
    found = jc.estimate(deep, X, calibration="h200-sxm").training(steps=1000, grams_per_kwh=100.0)
    lines = repr(found).splitlines()
    assert lines[0] == "1 training of 1,000 steps"
    assert [line.split(", ")[0].split(" ", 1)[1] for line in lines[1:]] == ["h", "kWh", "kg CO2"]
    without = jc.estimate(deep, X, calibration="h100-sxm").training(steps=1000)
    assert repr(without).endswith("no energy: the calibration of h100-sxm has none")

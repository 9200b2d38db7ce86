"""Networks measured at the end of a search: which, and what comes of it."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost as jc
from jaxcost.optimize.widths.beliefs import Beliefs

BOX = [(8, 256), (8, 256)]


def quality(widths):
    return -jnp.sum(jnp.log(widths))


def predicted(widths):
    return 1e-6 * (widths[0] * widths[1] + 100 * widths[1])


def device(factor):
    """What a device takes whose times are `factor` of the widths off; and what was asked of it."""
    asked = []

    def measure(widths):
        asked.append(tuple(widths))
        return float(predicted(widths)) * factor(*widths)

    return measure, asked


def search(timed, number=5, **settings):
    budgets = {"time_s": (predicted, 0.01)}
    settings = {"multiples": 8, "budgets": budgets, "starts": 8, "steps": 60} | settings
    if timed is not None:
        settings |= {"measure_shortlist": number, "measure": {"time_s": timed}}
    return jc.search_widths(quality, BOX, **settings)


@pytest.mark.parametrize("method", ["gradient", "brute"])
def test_a_device_that_is_slower_throughout_is_learnt_from_few_networks(method):
    measure, asked = device(lambda a, b: 1.1)
    found = search(measure, method=method, multiples=2)
    axis = np.arange(8, 257, 2)
    within = [(a, b) for a in axis for b in axis if 1.1 * predicted(np.array([a, b])) <= 0.01]
    most = max(a * b for a, b in within)
    assert 0.95 * most <= np.prod(found.widths) <= most
    assert [m.widths for m in found.measured] == asked
    assert len(asked) <= 5
    assert [m.meets for m in found.measured if m.widths == found.widths] == [True]
    assert found.budgets["time_s"][0] == pytest.approx(float(predicted(np.array(found.widths))))


def test_a_device_that_is_faster_gets_a_larger_network():
    measure, _ = device(lambda a, b: 0.85)
    assert search(measure).cost < search(None).cost


def test_of_networks_that_are_all_over_budget_the_nearest_is_taken_and_said():
    measure, _ = device(lambda a, b: 2.0)
    found = search(measure, number=2)
    assert not any(m.meets for m in found.measured)
    assert "over budget" in str(found)
    nearest = min(found.measured, key=lambda m: m.costs["time_s"])
    assert found.widths == nearest.widths


def test_a_measured_objective_is_what_counts():
    def jumps(widths):
        return float(predicted(widths)) * (1.3 if widths[0] == 64 else 1.0)

    settings = {"bounds": [{32, 64, 96}, (64, 128)], "multiples": 32}
    budgets = {"error": (lambda w: jnp.sum(8 / w), 0.25)}
    alone = jc.search_widths(predicted, budgets=budgets, **settings)
    assert alone.widths[0] == 64
    found = jc.search_widths(
        predicted, budgets=budgets, measure_shortlist=6, measure={"objective": jumps}, **settings
    )
    costs = {m.widths: m.costs["objective"] for m in found.measured}
    assert alone.widths in costs
    assert costs[found.widths] == min(costs.values())
    assert found.widths[0] != 64


def test_what_one_network_showed_is_believed_of_those_with_the_same_pair_more_than_of_near_ones():
    widths = np.array([[64, 64, 64], [64, 64, 128], [72, 72, 128]])
    seen = widths, np.arange(3.0), np.zeros((3, 1))
    beliefs = Beliefs(seen, {"time_s": 1.0}, {"time_s": lambda w: 1.2}, 0.07)
    beliefs.learn(0)
    _, over, spread = beliefs._believed()
    off = over[:, 0] / np.log(1.2)
    assert off[0] == pytest.approx(1, abs=1e-5)
    assert off[0] > off[1] > off[2] > 0
    assert spread[0] < spread[1] < spread[2] < 0.07


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"measure_shortlist": 5}, "measure_shortlist and measure go together"),
        ({"measure": {"time_s": len}}, "measure_shortlist and measure go together"),
        ({"measure_shortlist": -1}, "whole number of at least 0"),
        ({"measure_shortlist": 1, "measure": {"time": len}}, "did you mean 'time_s'"),
        ({"measure_shortlist": 1, "measure": {"time_s": 3}}, "a function of widths"),
        ({"doubt": 0}, "doubt = 0 is not allowed"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        search(None, **settings)


@pytest.mark.parametrize("cost", [0.0, float("nan"), "fast", None])
def test_a_measurement_that_is_no_cost_is_refused_by_name(cost):
    with pytest.raises(ValueError, match=r"measured time_s at \["):
        search(lambda widths: cost)


def test_an_objective_that_may_be_negative_cannot_be_measured():
    with pytest.raises(ValueError, match="an objective that is above 0"):
        search(None, measure_shortlist=1, measure={"objective": lambda w: 1.0})

"""Objectives that JAX cannot trace: called as seldom as can be, and said so."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.optimize.widths import search_widths

BOUNDS = [(8, 64), (8, 128)]


def area(widths):
    return widths[0] * widths[1]


def trained(calls):
    def error(widths):
        calls.append(tuple(widths.tolist()) if isinstance(widths, np.ndarray) else None)
        return float(np.sum(1 / np.sqrt(np.asarray(widths))))

    return error


def by_int(widths):
    return 1 / int(widths[0]) + 1 / int(widths[1])


def by_branch(widths):
    return 1.0 if widths[0] > 32 else 2.0


@pytest.mark.parametrize("multiples", [1, 8])
def test_each_network_is_called_once_and_only_within_the_budget(multiples):
    calls = []
    found = search_widths(
        trained(calls), BOUNDS, multiples=multiples, budgets={"area": (area, 1024.0)}
    )
    made = [c for c in calls if c is not None]  # but the one by which it is found out
    assert len(calls) - len(made) == 1
    assert len(made) == len(set(made)) == found.evaluations
    assert all(a * b <= 1024 for a, b in made)
    axes = (range(low, high + 1, multiples) for low, high in BOUNDS)
    best = min(
        sum(1 / np.sqrt(w)) for w in map(np.array, itertools.product(*axes)) if w.prod() <= 1024
    )
    assert found.cost == pytest.approx(best, rel=1e-6)
    assert not found.differentiated
    assert f"called {len(made)} times, not differentiated" in str(found)


@pytest.mark.parametrize("most", [1, 5, 40])
def test_no_more_calls_than_allowed(most):
    calls = []
    search_widths(trained(calls), BOUNDS, evaluations=most, budgets={"area": (area, 1024.0)})
    assert 1 <= len(calls) - 1 <= most


@pytest.mark.parametrize("objective", [by_int, by_branch, lambda w: w.item(0)])
def test_however_it_leaves_jax(objective):
    found = search_widths(objective, BOUNDS, multiples=8)
    assert not found.differentiated
    assert found.cost == objective(np.array(found.widths))


def test_an_infeasible_budget_is_refused_before_any_call():
    calls = []
    with pytest.raises(ValueError, match=r"meet area <= 1; the nearest, 8 8, has area = 64"):
        search_widths(trained(calls), BOUNDS, budgets={"area": (area, 1.0)})
    assert calls == [None]


@pytest.mark.parametrize("found", [None, float("nan"), [1.0, 2.0], "0.5x"])
def test_what_is_no_number_is_named_with_its_widths(found):
    with pytest.raises(ValueError, match=r"the objective at widths \[\d+\] = .*give one number"):
        search_widths(lambda w: (int(w[0]), found)[1], [(1, 4)])


def test_its_own_error_is_left_as_it_is():
    def broken(widths):
        raise ValueError(f"no data for {int(widths[0])}")

    with pytest.raises(ValueError, match="no data for 1$"):
        search_widths(broken, [(1, 4)])


def test_gradients_of_it_and_budgets_of_its_kind_are_refused():
    with pytest.raises(ValueError, match="JAX cannot trace the objective; leave method out"):
        search_widths(by_int, BOUNDS, method="gradient")
    with pytest.raises(ValueError, match="budget x cannot be traced by JAX .*jax.numpy"):
        search_widths(area, BOUNDS, budgets={"x": (by_int, 1.0)})


@pytest.mark.parametrize("limit", [1024, np.float32(1024), jnp.array(1024.0)])
def test_a_cost_that_is_nan_between_the_bounds_is_named(limit):
    def sometimes(widths):
        return jnp.where(widths[0] == 32, jnp.nan, area(widths))

    with pytest.raises(ValueError, match=r"budget area is NaN at widths \[32"):
        search_widths(
            lambda w: jnp.sum(1 / w), BOUNDS, multiples=8, budgets={"area": (sometimes, limit)}
        )


def test_trying_all_takes_no_more_evaluations_than_allowed():
    with pytest.raises(ValueError, match="evaluations = 5 is not allowed; give 64 or more"):
        search_widths(area, [(1, 64)], method="brute", evaluations=5)

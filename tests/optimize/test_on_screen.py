"""What searches found, on one screen and as tables."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost as jc

BOUNDS = [{64}, {128, 256, 384}, {128, 256, 384}, {10}]


def error(widths):
    return 0.05 + 2.0 * jnp.prod(widths[1:-1]) ** -0.35


def area(widths):
    return jnp.sum(widths[1:] * widths[:-1])


@pytest.fixture(scope="module")
def found():
    seen = lambda widths: 1.5 * float(area(jnp.asarray(widths, float)))  # noqa: E731
    return jc.search_widths(
        error, BOUNDS, budgets={"area": (area, 1e5)}, measure_shortlist=9, measure={"area": seen}
    )


@pytest.fixture(scope="module")
def front():
    costs = {"error": error, "area": area}
    return jc.search_front(costs, [(64, 64), (64, 512), (64, 512)], multiples=32, evaluations=100)


def test_a_search_shows_what_it_found_and_then_what_was_measured(found):
    lines = repr(found).splitlines()
    assert lines[0].split() == ["widths", *map(str, found.widths)]
    head = [line.split() for line in lines].index(["measured", "area", "budgets"])
    assert len(lines) - head - 1 == len(found.measured) > 1
    assert lines[head + 1].endswith(("met", "exceeded"))
    assert str(found).startswith("\n".join(lines[:head]))
    assert found._repr_html_().count("<tr") == 1 + len(found.measured)


def test_the_frame_of_a_search_has_the_exact_costs_and_those_measured(found):
    frame = found.to_frame()
    assert list(frame["basis"]) == ["exact"] + ["measured"] * len(found.measured)
    assert frame["widths"][0] == found.widths
    assert frame["cost"][0] == pytest.approx(float(error(jnp.array(found.widths, float))))
    for widths, cost in zip(frame["widths"][1:], frame["area"][1:]):
        assert cost == pytest.approx(1.5 * float(area(jnp.array(widths, float))))
    assert list(frame["meets_budgets"]) == list(frame["area"] <= 1e5)


def test_a_front_shows_its_first_networks_and_counts_the_others(front):
    lines = repr(front).splitlines()
    assert lines[0].startswith(f"Front of {len(front.widths)} networks by error and area; ")
    assert lines[1].split() == ["widths", "error", "area"]
    assert lines[2].split()[:3] == list(map(str, front.widths[0]))
    assert len(front.widths) > 12
    assert lines[-1] == f"and {len(front.widths) - 12} more: to_frame() has all"
    assert "<table" in front._repr_html_()


def test_the_frame_of_a_front_has_every_network(front):
    frame = front.to_frame()
    assert list(frame.columns) == ["widths", "error", "area"]
    np.testing.assert_array_equal(np.vstack(frame["widths"]), front.widths)
    np.testing.assert_array_equal(frame[["error", "area"]], front.costs)

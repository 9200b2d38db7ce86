import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost as jc
from jaxcost.optimize.front.dominance import hypervolume, undominated
from jaxcost.optimize.widths import search_front


def area(widths):
    return widths[0] * widths[1]


def error(widths, temperature):
    return 30 / jc.tiled(widths[0], 8, temperature) + 10 / widths[1]


def tiled_area(widths, temperature):
    done = jc.tiled(widths, 24, temperature)
    return 1e4 + jnp.sum(done[:-1] * done[1:])


def smooth_error(widths):
    return jnp.sum(jnp.array([30.0, 10.0, 20.0]) / widths)


BOX = [(8, 256)] * 2
COSTS = {"area": area, "error": error}


def share_of(found, bounds, costs):
    """The hypervolume relative to that of every network."""
    axes = np.meshgrid(*[np.arange(low, high + 1, 8.0) for low, high in bounds], indexing="ij")
    every = costs(*[axis.ravel() for axis in axes])
    best = every[undominated(every)]
    reference = best.max(axis=0) * 1.01
    return found.hypervolume(reference) / hypervolume(best, reference)


def test_the_front_is_near_that_of_every_network():
    found = search_front(COSTS, BOX, multiples=8, evaluations=200)
    share = share_of(found, BOX, lambda a, b: np.column_stack([a * b, 30 / a + 10 / b]))
    assert 0.98 < share <= 1 + 1e-6
    assert 150 < found.evaluations + 3 * found.gradients <= 200
    assert found.gradients > 0
    assert (np.diff(found.costs[:, 0]) > 0).all()
    assert (np.diff(found.costs[:, 1]) < 0).all()
    assert np.allclose(found.costs[:, 0], found.widths.prod(axis=1))
    again = search_front(COSTS, BOX, multiples=8, evaluations=200)
    assert np.array_equal(again.widths, found.widths)


@pytest.mark.parametrize("tiles", [None, [24]])
def test_whole_tiles_are_told_or_learned(tiles):
    bounds = [(8, 240)] * 3
    costs = {"area": tiled_area, "error": smooth_error}
    found = search_front(costs, bounds, multiples=8, tiles=tiles, evaluations=150)
    assert found.tiles == (24,)

    def exact(a, b, c):
        i, j, k = (24 * np.ceil(w / 24) for w in (a, b, c))
        return np.column_stack([1e4 + i * j + j * k, 30 / a + 10 / b + 20 / c])

    assert share_of(found, bounds, exact) > 0.98


def test_tiles_can_be_left_alone():
    costs = {"area": tiled_area, "error": smooth_error}
    bounds = [(8, 240)] * 3
    found = search_front(costs, bounds, multiples=8, tiles=(), evaluations=60)
    assert found.tiles == ()


def test_all_networks_are_tried_where_they_are_few():
    found = search_front(COSTS, [(8, 64)] * 2, multiples=8, evaluations=100)
    assert (found.evaluations, found.gradients) == (64, 0)
    share = share_of(found, [(8, 64)] * 2, lambda a, b: np.column_stack([a * b, 30 / a + 10 / b]))
    assert share == pytest.approx(1, abs=1e-5)


def test_networks_without_a_cost_are_left_out():
    def nan_in_the_middle(widths):
        return jnp.where(jnp.abs(widths[0] - 120) < 30, jnp.nan, area(widths))

    found = search_front({"area": nan_in_the_middle, "error": error}, BOX, multiples=8)
    assert np.isfinite(found.costs).all()
    assert (np.abs(found.widths[:, 0] - 120) >= 30).all()


@pytest.mark.parametrize(
    ("costs", "settings", "words"),
    [
        ({"area": area}, {}, "two costs by name"),
        (COSTS, {"evaluations": 10}, "evaluations = 10"),
        (COSTS, {"tiles": [0]}, "tiles = 0"),
        (COSTS, {"tiles": 32}, "tiles = 32"),
        (COSTS | {"area": lambda w: w[0] - 300}, {}, "the first cost is not above 0 at widths"),
        (COSTS | {"error": lambda w: -w[0]}, {}, "the second cost is not above 0 at widths"),
        (COSTS | {"error": lambda w: w}, {}, "returns shape (2,)"),
        (COSTS | {"error": lambda w: w[0] * jnp.nan}, {}, "budget error is NaN"),
    ],
)
def test_bad_fronts_are_refused(costs, settings, words):
    with pytest.raises(ValueError) as refusal:
        search_front(costs, BOX, multiples=8, **settings)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)

import numpy as np
import pytest

import jaxcost as jc
from jaxcost.search import search_front
from jaxcost.search.dominance import hypervolume, undominated


def area(widths):
    return widths[0] * widths[1]


def error(widths, temperature):
    return 30 / jc.tiled(widths[0], 8, temperature) + 10 / widths[1]


def test_the_front_is_near_that_of_every_network():
    found = search_front({"area": area, "error": error}, [(8, 256)] * 2, multiples=8)
    axis = np.arange(8, 257, 8.0)
    first, second = np.meshgrid(axis, axis)
    every = np.column_stack([(first * second).ravel(), (30 / first + 10 / second).ravel()])
    best = every[undominated(every)]
    reference = best.max(axis=0) * 1.01
    share = found.hypervolume(reference) / hypervolume(best, reference)
    assert 0.97 < share <= 1 + 1e-6
    assert found.evaluations + 3 * found.gradients <= 1000
    assert (np.diff(found.costs[:, 0]) > 0).all()
    assert (np.diff(found.costs[:, 1]) < 0).all()
    assert np.allclose(found.costs[:, 0], found.widths.prod(axis=1))


def test_a_hypervolume_is_the_area_of_its_rectangles():
    e = np.e
    costs = [[1, e**2], [e, e], [e**2, 1], [e**2, e**2], [e**5, 1]]
    # In logarithms, up to (3, 3): rectangles 3 x 1, 2 x 2, 1 x 3 from their corners.
    assert hypervolume(costs, [e**3, e**3]) == pytest.approx(6)
    assert hypervolume(costs, [0.5, 0.5]) == 0


def test_dominated_rows_are_left_out():
    costs = np.array([[2, 2], [1, 3], [2, 1], [3, 1], [np.inf, 0]])
    assert undominated(costs).tolist() == [1, 2]


def test_bad_fronts_are_refused():
    with pytest.raises(ValueError, match="two costs by name"):
        search_front({"area": area}, [(8, 64)] * 2)
    with pytest.raises(ValueError, match="evaluations = 10"):
        search_front({"area": area, "error": error}, [(8, 64)] * 2, evaluations=10)

import numpy as np
import pytest

from jaxcost.optimize.front.dominance import chosen, gained, hypervolume, undominated


def test_a_hypervolume_is_the_area_of_its_rectangles():
    e = np.e
    costs = [[1, e**2], [e, e], [e**2, 1], [e**2, e**2], [e**5, 1]]
    # In logarithms, up to (3, 3): rectangles 3 x 1, 2 x 2, 1 x 3 from their corners.
    assert hypervolume(costs, [e**3, e**3]) == pytest.approx(6)
    assert hypervolume(costs, [0.5, 0.5]) == 0


def test_dominated_rows_are_left_out():
    costs = np.array([[2, 2], [1, 3], [2, 1], [3, 1], [np.inf, 0]])
    assert undominated(costs).tolist() == [1, 2]


def test_what_is_gained_is_the_difference_of_two_hypervolumes():
    random = np.random.default_rng(0)
    across, end = np.sort(random.random(20)), np.array([1.0, 1.1])
    front, more = np.column_stack([across, 1 - across]), random.random((50, 2)) * 1.4
    before = hypervolume(np.exp(front), np.exp(end))
    after = [hypervolume(np.exp(np.vstack([front, row])), np.exp(end)) for row in more]
    assert gained(front, more, end) == pytest.approx(np.array(after) - before)
    assert 5 < (gained(front, more, end) > 1e-3).sum() < 45


def test_the_second_choice_is_the_best_beside_the_first():
    front = np.array([[0.0, 10.0], [10.0, 0.0]])
    costs = np.array([[4.0, 4.0], [4.1, 4.1], [1.0, 8.0]])
    assert chosen(front, costs, 2) == [0, 2]
    assert sorted(chosen(front, costs, 9)) == [0, 1, 2]

"""Each row is left out once, and by whom."""

import hypothesis
import hypothesis.strategies as st
import numpy as np

from jaxcost.calibrate.fit.folds import Folds, row_folds, sweep_folds


@hypothesis.given(rows=st.integers(2, 200), folds=st.integers(2, 12), seed=st.integers(0, 99))
def test_folds_are_a_partition_of_the_rows(rows, folds, seed):
    masks = row_folds(rows, folds=folds, seed=seed)
    assert masks.shape == (folds, rows)
    assert (masks.sum(axis=0) == 1).all()
    assert np.ptp(masks.sum(axis=1)) <= 1


def test_folds_are_random_and_repeatable():
    masks = row_folds(100, seed=3)
    assert masks.shape == (5, 100)
    np.testing.assert_array_equal(masks, row_folds(100, seed=3))
    assert (masks != row_folds(100, seed=4)).any()
    in_order = np.arange(100) // 20 == np.arange(5)[:, None]
    assert np.abs((masks & in_order).sum(axis=1) - 4).max() < 10


def test_sweeps_are_left_out_whole():
    masks = sweep_folds(["b", "a", "b", "c", "a"])
    expected = [[0, 1, 0, 0, 1], [1, 0, 1, 0, 0], [0, 0, 0, 1, 0]]
    np.testing.assert_array_equal(masks, np.array(expected, bool))


def test_of_many_sweeps_twenty_groups_are_left_out_each_sweep_whole():
    labels = [f"sweep {n % 47}" for n in range(300)]
    masks = sweep_folds(labels)
    assert masks.shape == (20, 300)
    assert (masks.sum(axis=0) == 1).all()
    for name in set(labels):
        rows = np.array([label == name for label in labels])
        assert masks[:, rows].all(axis=1).sum() == 1


def test_labels_of_any_kind_will_do():
    np.testing.assert_array_equal(sweep_folds(np.array([2, 10, 2])), sweep_folds(["2", "10", "2"]))


def test_one_sweep_cannot_be_left_out():
    assert sweep_folds(["a", "a", "a"]).shape == (0, 3)


def test_a_row_is_predicted_by_the_fold_that_left_it_out():
    masks = np.array([[True, False, False], [False, True, True]])
    log_predicted = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    np.testing.assert_array_equal(Folds(masks, log_predicted).predicted(), [1, 5, 6])

"""Coverage in simulation, and the quantile against counting."""

import numpy as np
import pytest

from jaxcost.calibrate.intervals import COVERAGE, Intervals, calibrate_intervals


def flat(error):
    return np.asarray(error), np.zeros(len(error))


def group(error, novelty):
    return np.asarray(error), np.asarray(novelty), np.ones(len(error))


@pytest.mark.parametrize("rows", [9, 10, 19, 20, 59, 99, 100, 439])
def test_the_half_width_is_the_finite_sample_quantile(rows):
    """The least of the errors that leaves at most a tenth of rows + 1 beyond it, by counting."""
    error = np.random.default_rng(rows).standard_normal(rows)
    half_width = calibrate_intervals(flat(error)).half_width
    needed = -(-9 * (rows + 1) // 10)
    enough = [size for size in np.abs(error) if (np.abs(error) <= size).sum() >= needed]
    assert half_width == min(enough)


@pytest.mark.parametrize("rows", [1, 5, 8])
def test_of_too_few_rows_it_is_the_largest_error(rows):
    error = np.linspace(-0.3, -0.1, rows)
    assert calibrate_intervals(flat(error)).half_width == 0.3


@pytest.mark.parametrize("rows", [19, 39, 159])
def test_nine_in_ten_of_what_was_not_seen_are_covered(rows):
    """Of skewed, heavy-tailed errors, that no normal interval would fit."""
    draw = np.random.default_rng(0)
    covered = []
    for _ in range(1500):
        error = draw.standard_t(2, rows + 20) ** 2 * 0.02 - 0.01
        intervals = calibrate_intervals(flat(error[:rows]))
        covered.append(intervals.covers(*flat(error[rows:])))
    assert COVERAGE - 0.01 < np.mean(covered) < COVERAGE + 1 / (rows + 1) + 0.01


def test_novel_layers_are_covered_too_once_their_sweeps_say_how_far():
    """Errors grow with novelty, of which rows left out singly have little and whole sweeps much."""
    draw = np.random.default_rng(1)

    def errors(novelty):
        return 0.03 * np.sqrt(1 + 25 * novelty) * draw.standard_normal(len(novelty)), novelty

    rows, sweeps = errors(draw.uniform(0, 0.05, 2000)), errors(draw.uniform(0.2, 1, 2000))
    narrow, wide = calibrate_intervals(rows), calibrate_intervals(rows, [group(*sweeps)])
    assert narrow.widening == 0
    assert narrow.covers(*errors(np.full(5000, 0.9))) < 0.4
    assert 3 < wide.widening < 8
    for novelty in (0.0, 0.03, 0.5, 1.0):
        assert 0.86 < wide.covers(*errors(np.full(5000, novelty))) < 0.97, novelty


def test_the_widening_is_the_least_that_covers_the_sweeps():
    rows = flat(np.linspace(-0.1, 0.1, 100))
    alike = group(np.linspace(-0.08, 0.08, 50), np.ones(50))
    assert calibrate_intervals(rows, [alike]).widening == 0
    apart = group(np.linspace(-0.5, 0.5, 50), np.ones(50))
    found = calibrate_intervals(rows, [alike, apart])
    assert found.covers(*apart) >= 0.9
    less = Intervals(found.half_width, found.widening / 1.1)
    assert less.covers(*apart) < 0.9


def test_what_is_as_novel_as_usual_is_not_widened_nor_asked_to_be():
    """Rows of a sweep like those left out singly are wrong by more, but no less known."""
    draw = np.random.default_rng(2)
    rows = 0.1 * draw.standard_normal(400), draw.uniform(0, 0.2, 400)
    alike = group(np.ones(50), np.full(50, 0.1))
    found = calibrate_intervals(rows, [alike])
    assert found.widening == 0
    assert found.usual == np.sort(rows[1])[299]
    apart = group(np.full(50, 0.5), np.full(50, 0.6))
    found = calibrate_intervals(rows, [apart])
    reach = found.reach(np.array([0.0, 0.1, found.usual, 0.6]))
    assert reach[0] == reach[1] == reach[2] == found.half_width
    assert 0.5 <= reach[3] < 0.6


def test_what_cannot_be_covered_has_the_widest_interval():
    rows = flat(np.linspace(-0.1, 0.1, 100))
    found = calibrate_intervals(rows, [group(np.full(50, 1e3), np.ones(50))])
    assert found.widening >= 16
    assert np.isfinite(found.around(np.zeros(1), np.ones(1))).all()


def test_errors_of_zero_leave_an_interval_above_zero():
    assert 0 < calibrate_intervals(flat(np.zeros(20))).half_width < 1e-6


def test_the_ends_are_factors_around_the_prediction():
    lower, upper = Intervals(np.log(1.2), 2.0).around(np.log([1.0, 5.0]), np.array([0.0, 2.0]))
    np.testing.assert_allclose(upper, [1.2, 5 * 1.2**3])
    np.testing.assert_allclose(lower, [1 / 1.2, 5 / 1.2**3])


def test_a_row_at_the_very_end_is_covered():
    intervals = Intervals(0.25, 0.0)
    assert intervals.covers(np.array([0.25, -0.25, 0.2500001, -0.3]), np.zeros(4)) == 0.5


def test_a_kind_that_nothing_was_judged_by_is_known_to_a_factor_of_three_at_best():
    narrow, wide = Intervals(0.1), Intervals(2.0)
    unlike = np.array([False, True])
    assert narrow.reach(np.zeros(2), unlike) == pytest.approx([0.1, 1.6449 * 0.7])
    assert wide.reach(np.zeros(2), unlike) == pytest.approx([2.0, 2.0])


def test_what_no_widening_covers_is_not_widened_without_end():
    """All rows as novel as can be, as in a preset of few layers: a size beyond them was given an
    interval of four million times either way."""
    draw = np.random.default_rng(0)
    novelty = 1 - 1e-3 * draw.random(40)
    alone = 0.3 * draw.standard_normal(40)
    apart = (
        np.r_[0.3 * draw.standard_normal(30), np.full(10, 1.4)],
        np.r_[novelty[:30], np.ones(10)],
    )
    found = calibrate_intervals((alone, novelty), [(*apart, np.ones(40))])
    beyond = found.reach(np.array([2.0, 3.0]))
    assert beyond[0] > 2 * found.half_width
    assert beyond[0] <= 1.4
    assert np.exp(beyond[1]) < 10

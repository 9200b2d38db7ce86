"""Rows of readings: wraps are corrected once, anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcost.measure.energy.readings import NoEnergyError, Sample, idle_power, longest_still, rise


def samples(*readings):
    """Readings of one counter, a second apart."""
    return [Sample(float(time), (float(joules),)) for time, joules in enumerate(readings)]


@given(
    start=st.floats(0, 999),
    steps=st.lists(st.floats(1, 4), min_size=3, max_size=30),
)
def test_the_rise_is_what_was_spent_wherever_the_counter_wraps(start, steps):
    totals = [start]
    for step in steps:
        totals.append(totals[-1] + step)
    wrapped = samples(*(total % 1000 for total in totals))
    assert rise(wrapped, [1000.0]) == pytest.approx(sum(steps))


def test_each_counter_wraps_for_itself():
    pairs = [(97, 1), (99, 3), (1, 5), (3, 7), (5, 1), (7, 3)]
    row = [Sample(float(i), (float(a), float(b))) for i, (a, b) in enumerate(pairs)]
    assert rise(row, [100.0, 8.0]) == pytest.approx(10 + 10)


@pytest.mark.parametrize(
    ("readings", "top", "reason"),
    [
        ((10, 12, 14, 0, 2), None, "was reset"),  # no range: it cannot have wrapped
        ((10, 12, 14, 0, 2), 1000.0, "was reset"),  # 986 J in the time of 2
        ((10, 12, 14, 0, 2), 13.0, "was reset"),  # above its own range
        ((9, 1, 3, 9, 1), 10.0, "fell 2 times"),
        ((9, 1), 10.0, "was reset"),  # one step alone tells no pace
    ],
)
def test_what_is_no_single_wrap_is_refused(readings, top, reason):
    with pytest.raises(NoEnergyError, match=reason):
        rise(samples(*readings), [top])


def test_idle_power_is_taken_from_tick_to_tick():
    idle = idle_power(samples(0, 0, 30, 30, 60, 60, 90, 90, 90), [None])
    assert (idle.power_w, idle.tick_s) == (15, 2)


def test_a_counter_that_hardly_ticks_tells_no_power():
    with pytest.raises(NoEnergyError, match="ticked 2 times in 5 s at rest"):
        idle_power(samples(0, 1, 1, 1, 2, 2), [None])


def test_the_longest_standstill_counts_from_the_first_sample_to_the_last():
    assert longest_still(samples(1, 1, 1, 2, 3)) == 3
    assert longest_still(samples(1, 2, 3, 3, 3)) == 2
    assert longest_still(samples(1, 1, 1, 1)) == 3

import numpy as np
import pytest

from jaxcost.optimize.penalty import keep_measured

LOGITS = [np.linspace(0.01, 1, 100), np.linspace(0.02, 2, 100)]


def predicted(widths):
    return 1e-3 + 1e-6 * widths[0] * widths[1]


def slower(widths):
    return 1.3 * predicted(widths) + 4e-4


def faster(widths):
    return 0.6 * predicted(widths)


@pytest.mark.parametrize("measure", [slower, faster, predicted])
def test_a_wrong_prediction_still_meets_the_budget(measure):
    found = keep_measured(predicted, measure, LOGITS, 5e-3, tolerance=0.04)
    widths = tuple(len(channels) for channels in found.kept)
    assert found.met
    assert 0.96 * 5e-3 <= found.cost <= 5e-3
    assert found.cost == measure(widths)
    assert found.tried[-1] == (widths, found.cost)
    for channels, width in zip(found.kept, widths):
        assert np.array_equal(channels, np.arange(100 - width, 100))  # the strongest


def test_no_more_is_measured_than_allowed_and_the_best_is_taken():
    calls = []

    def measure(widths):
        calls.append(widths)
        return slower(widths)

    found = keep_measured(predicted, measure, LOGITS, 5e-3, attempts=1)
    assert len(calls) == 1
    assert not found.met
    assert found.cost == slower(calls[0]) > 5e-3


def test_a_budget_that_no_network_meets_is_told():
    found = keep_measured(predicted, lambda widths: 1.0, LOGITS, 5e-3)
    assert not found.met
    assert found.cost == 1.0


@pytest.mark.parametrize("cost", [0.0, -1.0, float("nan"), float("inf")])
def test_a_bad_measurement_is_refused(cost):
    with pytest.raises(ValueError, match="above 0"):
        keep_measured(predicted, lambda widths: cost, LOGITS, 5e-3)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="tolerance = 1"):
        keep_measured(predicted, slower, LOGITS, 5e-3, tolerance=1)
    with pytest.raises(ValueError, match="attempts = 0"):
        keep_measured(predicted, slower, LOGITS, 5e-3, attempts=0)
    with pytest.raises(ValueError, match="the least widths"):
        keep_measured(predicted, slower, LOGITS, 1e-6)

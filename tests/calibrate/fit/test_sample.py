"""Of very many layers some are searched from every start, and all say where the search ends."""

import numpy as np
import pytest

from jaxcost.calibrate.fit import fit_model
from jaxcost.calibrate.fit import sample as sample_module
from jaxcost.calibrate.fit.sample import some_of

SWEEPS = [f"sweep {i // 20}" for i in range(60)]


def test_of_few_all_and_of_many_some_that_the_seed_alone_draws(monkeypatch):
    monkeypatch.setattr(sample_module, "MOST_LAYERS", 30)
    np.testing.assert_array_equal(some_of(30), np.arange(30))
    some = some_of(31)
    assert len(some) == 30
    assert (np.diff(some) > 0).all()
    np.testing.assert_array_equal(some, some_of(31))
    assert (some_of(31, seed=1) != some).any()


@pytest.fixture(scope="module")
def observed(floored, layers, t2000):
    noise = np.exp(0.05 * np.random.default_rng(3).standard_normal(len(layers)))
    truth = floored(floor=1e-4, rate=2e11, share=0.3, believed=2.0)
    return np.asarray(truth.layer_costs(layers, t2000), float) * noise


def test_from_some_layers_all_of_them_reach_the_same_optima(
    monkeypatch, floored, layers, t2000, observed
):
    given = floored, layers, t2000, observed
    whole = fit_model(*given, sweeps=SWEEPS, starts=4)
    monkeypatch.setattr(sample_module, "MOST_LAYERS", 20)
    some = fit_model(*given, sweeps=SWEEPS, starts=4)
    assert some.losses.min() == pytest.approx(whole.losses.min(), rel=1e-4)
    assert sum(e.determined for e in whole.estimates) >= 2
    for one, other in zip(some.estimates, whole.estimates, strict=True):
        if other.determined:
            assert one.value == pytest.approx(other.value, rel=1e-2)
    for kind, folds in whole.folds.items():
        np.testing.assert_array_equal(some.folds[kind].masks, folds.masks)
        np.testing.assert_allclose(some.folds[kind].predicted(), folds.predicted(), atol=1e-2)


def test_folds_of_some_rows_are_those_of_all(power, layers, t2000, observed):
    result = fit_model(power, layers, t2000, observed, sweeps=SWEEPS, starts=2)
    chosen = np.arange(60) % 3 > 0
    few = result.of_rows(chosen)
    for kind, folds in result.folds.items():
        np.testing.assert_array_equal(few.folds[kind].predicted(), folds.predicted()[chosen])
    assert few.largest is None

"""Rows of one layer are found, combined by hand-worked means, and left out together."""

import numpy as np
import pytest

from jaxcost.calibrate.fit import fit_model
from jaxcost.calibrate.fit.accuracy import Accuracy
from jaxcost.calibrate.fit.folds import layer_folds
from jaxcost.calibrate.fit.repeats import Repeats
from jaxcost.calibrate.intervals import calibrate_intervals
from jaxcost.device import device
from jaxcost.workload import conv2d, dense
from jaxcost.workload.runs import TrainingRun, training_run

T2000 = device("quadro-t2000")
ROBUST = 0.1


def of(*layer):
    return Repeats(np.array(layer))


def test_layers_are_numbered_as_they_first_appear():
    rows = dense(c_in=[512, 64, 512, 8, 64], c_out=32)
    found = Repeats.of(rows)
    np.testing.assert_array_equal(found.layer, [0, 1, 0, 2, 1])
    np.testing.assert_array_equal(found.first, [0, 1, 3])
    np.testing.assert_array_equal(found.times, [2, 2, 1])
    np.testing.assert_allclose(found.weights, [1 / 2, 1 / 2, 1 / 2, 1, 1 / 2])


@pytest.mark.parametrize("other", ["batch", "c_out", "item_bytes", "groups", "stride", "bias"])
def test_a_layer_that_differs_in_one_size_is_another(other):
    sizes = {"in_h": 8, "in_w": 8, "c_in": 64, "c_out": 64, "k_h": 3, "k_w": 3}
    changed = np.array([4.0, 2.0]) if other != "bias" else np.array([1.0, 0.0])
    changed = {other: changed * (16 if other == "c_out" else 1)}
    assert Repeats.of(conv2d(**sizes | changed)).layers == 2
    assert Repeats.of(conv2d(**{k: [v, v] for k, v in sizes.items()})).layers == 1


def test_the_same_layer_on_another_device_is_another():
    import dataclasses

    rows = dense(c_in=[64, 64, 64], c_out=64)
    two = dataclasses.replace(T2000, peak_flops=np.array([1e12, 1e12, 2e12]))
    np.testing.assert_array_equal(Repeats.of(rows, two).layer, [0, 0, 1])
    assert Repeats.of(rows, T2000).layers == 1


def test_runs_of_one_network_are_one():
    def run(observations):
        return training_run([10, 20, 30, 2], n_observations=observations, batch_size=8)

    stack = TrainingRun.stack([run(100), run(200), run(100)])
    np.testing.assert_array_equal(Repeats.of(stack).layer, [0, 1, 0])


def test_a_layer_costs_the_mean_of_its_rows_and_its_scatter_is_theirs():
    log = np.log([1.0, 1.02, 5.0])
    mean, scatter = of(0, 0, 1).combined(log, None, ROBUST)
    np.testing.assert_allclose(mean, [np.log(1.02) / 2, np.log(5)])
    np.testing.assert_allclose(scatter, [np.log(1.02) / 2, 0], atol=1e-9)


def test_rows_that_scattered_more_weigh_less():
    log, spread = np.array([0.0, 0.06]), np.array([0.0, 0.3])
    mean, _ = of(0, 0).combined(log, spread, ROBUST)
    np.testing.assert_allclose(mean, [0.06 * 0.1 / 1.1])
    once, own = of(0, 1).combined(log, spread, ROBUST)
    np.testing.assert_allclose(once, log)
    np.testing.assert_allclose(own, spread)


def test_one_faulty_row_among_five_moves_little():
    log = np.array([0.0, 0.01, -0.01, 0.005, np.log(20)])
    mean, scatter = of(0, 0, 0, 0, 0).combined(log, None, ROBUST)
    assert abs(mean[0]) < 0.003
    assert scatter[0] < 0.01


def test_rows_that_are_wholly_alike_scatter_by_nothing():
    mean, scatter = of(0, 0, 1, 1).combined(np.log([2.0, 2.0, 3.0, 3.0]), None, ROBUST)
    np.testing.assert_allclose(mean, np.log([2, 3]))
    np.testing.assert_allclose(scatter, 0, atol=1e-12)


def test_folds_keep_a_layer_together():
    repeats = Repeats(np.random.default_rng(0).integers(0, 40, 300))
    masks = layer_folds(repeats, folds=5, seed=1)
    assert (masks.sum(axis=0) == 1).all()
    for layer in range(repeats.layers):
        assert len(np.unique(masks[:, repeats.layer == layer], axis=1).T) == 1


def test_errors_count_each_layer_once():
    error = np.array([0.05, 0.05, 0.05, 0.5])
    found = Accuracy.of(np.log1p(error), np.zeros(4), of(0, 0, 0, 1))
    assert (found.rows, found.layers, found.distinct) == (4, 2, 2)
    assert found.mean_absolute == pytest.approx(0.275)
    assert found.within_10_percent == pytest.approx(0.5)
    assert str(found).endswith("50% of 2 layers (4 rows) within 10 %")


def test_intervals_count_each_layer_once():
    """Of 19 layers, the eighteenth error: 95 rows measured of them must not narrow it."""
    error = np.linspace(0.01, 0.19, 19)
    repeats = Repeats(np.repeat(np.arange(19), 5))
    of_rows = np.repeat(error, 5), np.zeros(95)
    found = calibrate_intervals(of_rows, weights=repeats.weights)
    assert found.half_width == pytest.approx(0.18)
    assert calibrate_intervals((error, np.zeros(19))).half_width == found.half_width


def test_a_new_layer_is_covered_however_often_each_was_measured():
    """Errors have a part that a layer's rows share: pooled rows would promise too much."""
    draw = np.random.default_rng(3)
    covered = []
    for _ in range(800):
        times = draw.integers(1, 12, 25)
        shared = 0.1 * draw.standard_normal(25)
        repeats = Repeats(np.repeat(np.arange(25), times))
        error = shared[repeats.layer] + 0.02 * draw.standard_normal(len(repeats.layer))
        intervals = calibrate_intervals((error, 0 * error), weights=repeats.weights)
        new = 0.1 * draw.standard_normal(50) + 0.02 * draw.standard_normal(50)
        covered.append(intervals.covers(new, 0 * new))
    assert 0.89 < np.mean(covered) < 0.90 + 1 / 26 + 0.01


def test_a_layer_of_two_sweeps_is_left_out_with_each(power, layers):
    """What sweep b says of a shared layer must not tell the fold without sweep a."""
    observed = np.asarray(power(scale=1e-3, exponent=0.7).layer_costs(layers, T2000), float)
    twice = dense(
        **{n: np.append(getattr(layers, n), getattr(layers, n)[:5]) for n in ("c_in", "c_out")},
        batch=np.append(layers.batch, layers.batch[:5]),
    )
    times = np.append(observed, observed[:5])
    sweeps = ["a"] * 30 + ["b"] * 35
    plain = fit_model(power, twice, T2000, times, sweeps=sweeps, starts=2)
    spoilt = np.where(np.arange(65) >= 60, 50 * times, times)
    other = fit_model(power, twice, T2000, spoilt, sweeps=sweeps, starts=2)
    before, after = (r.folds["sweeps"].log_predicted[0] for r in (plain, other))
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(plain.folds["sweeps"].masks.sum(axis=0), 1)


def test_sweeps_that_are_repetitions_are_not_left_out(power, layers):
    observed = np.asarray(power(scale=1e-3, exponent=0.7).layer_costs(layers, T2000), float)
    twice = dense(
        **{n: np.tile(getattr(layers, n), 2) for n in ("c_in", "c_out", "batch")},
    )
    found = fit_model(
        power, twice, T2000, np.tile(observed, 2), sweeps=["monday"] * 60 + ["friday"] * 60
    )
    assert list(found.errors) == ["in_sample", "rows"]
    assert "no sweep can be left out" in found.warnings[0]


def test_repeats_make_nothing_more_certain(power, layers):
    draw = np.random.default_rng(7)
    clean = np.asarray(power(scale=1e-3, exponent=0.7).layer_costs(layers, T2000), float)
    observed = clean * np.exp(0.04 * draw.standard_normal(60))
    once = fit_model(power, layers, T2000, observed, starts=2)
    many = dense(**{n: np.tile(getattr(layers, n), 5) for n in ("c_in", "c_out", "batch")})
    five = fit_model(power, many, T2000, np.tile(observed, 5), starts=2)
    for a, b in zip(once.estimates, five.estimates, strict=True):
        assert (a.value, a.lower, a.upper) == pytest.approx((b.value, b.lower, b.upper), rel=1e-4)
    assert once.errors["rows"].mean_absolute == pytest.approx(five.errors["rows"].mean_absolute)
    assert five.errors["rows"].layers == 60

"""The correction against exact Gaussian-process regression, and what it must not know."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.calibrate.correction import (
    Correction,
    _spread_out,
    cross_validate_correction,
    fit_correction,
)
from jaxcost.calibrate.features import features
from jaxcost.calibrate.fit import sample as sample_module
from jaxcost.calibrate.fit.folds import Folds, row_folds, sweep_folds
from jaxcost.calibrate.likelihood import _unlikely
from jaxcost.calibrate.likelihood import matern as covariance_of
from jaxcost.workload import Workload, conv2d, counts, dense, rows


@pytest.fixture(scope="module")
def layers():
    """Two sweeps: channels of a 3 x 3 convolution, and rows of a matrix product."""
    return Workload.concatenate(
        [
            conv2d(in_h=32, in_w=32, c_in=np.geomspace(8, 256, 30), c_out=64, k_h=3, k_w=3),
            dense(c_in=512, c_out=512, batch=np.geomspace(1, 64, 30)),
        ]
    )


@pytest.fixture(scope="module")
def x(layers):
    return np.asarray(features(layers), np.float64)


@pytest.fixture(scope="module")
def residual(x):
    """Smooth within each sweep, with little noise."""
    smooth = 0.3 * np.sin(x[:, 0] + x[:, 1])
    return smooth + 0.003 * np.random.default_rng(0).standard_normal(len(x))


@pytest.fixture(scope="module")
def correction(x, residual):
    return fit_correction(x, residual)


def matern(distance):
    return (1 + np.sqrt(3) * distance) * np.exp(-np.sqrt(3) * distance)


def exact(x, residual, at, amplitude, noise, lengths):
    """Gaussian-process regression on all rows, Rasmussen and Williams, algorithm 2.1, fading
    beyond the sizes of the rows."""
    between, across = (
        amplitude**2 * matern(np.linalg.norm((a[:, None] - x) / lengths, axis=-1)) for a in (x, at)
    )
    noisy = between + noise**2 * np.eye(len(x))
    mean = across @ np.linalg.solve(noisy, residual)
    variance = amplitude**2 - np.sum(across * np.linalg.solve(noisy, across.T).T, axis=1)
    beyond = np.abs(at - np.clip(at, x.min(axis=0), x.max(axis=0)))
    fade = np.exp(-(beyond**4).sum(axis=1) / 2)
    return fade * mean, 1 - fade**2 * (1 - variance / amplitude**2) + beyond.sum(axis=1)


def between_and_beyond():
    """New layers between the measured ones, near them, and far away."""
    return Workload.concatenate(
        [
            conv2d(in_h=32, in_w=32, c_in=[10.5, 77, 200], c_out=64, k_h=3, k_w=3),
            conv2d(in_h=24, in_w=24, c_in=100, c_out=128, k_h=3, k_w=3),
            dense(c_in=512, c_out=700, batch=[3, 40]),
            dense(c_in=60000, c_out=1, batch=10**6),
        ]
    )


@pytest.mark.usefixtures("x64")
def test_it_is_gaussian_process_regression(x, residual):
    fitted, new = fit_correction(x, residual), between_and_beyond()
    at = np.asarray(features(new))
    amplitude, noise = float(fitted.amplitude), float(fitted.noise)
    mean, novelty = exact(x, residual, at, amplitude, noise, np.asarray(fitted.lengths))
    np.testing.assert_allclose(fitted.log_ratio(new), mean, atol=0.1 * noise)
    np.testing.assert_allclose(fitted.novelty(new), novelty, atol=0.02)


def test_it_interpolates_what_was_measured(correction, layers, residual):
    error = np.asarray(correction.log_ratio(layers)) - residual
    assert np.sqrt((error**2).mean()) < 0.01
    assert float(correction.noise) < 0.05


def test_between_measured_layers_it_follows_the_curve(correction):
    new = between_and_beyond()[:3]
    x = np.asarray(features(new))
    expected = 0.3 * np.sin(x[:, 0] + x[:, 1])
    np.testing.assert_allclose(correction.log_ratio(new), expected, atol=0.03)


def spans(layers):
    """The features, ln(multiply-adds) and ln(weights), each by the counts of another module."""
    logs = np.log(
        np.stack([counts.macs(layers), counts.weight_bytes(layers) / layers.item_bytes], axis=1)
    )
    return np.concatenate([np.asarray(features(layers)), logs], axis=1)


@pytest.mark.parametrize(
    "far",
    [
        conv2d(in_h=32, in_w=32, c_in=1e7, c_out=64, k_h=3, k_w=3),
        conv2d(in_h=32, in_w=32, c_in=64, c_out=64e5, k_h=3, k_w=3),
        conv2d(in_h=32e4, in_w=32e4, c_in=64, c_out=64, k_h=3, k_w=3),
        conv2d(in_h=32, in_w=32, c_in=64, c_out=64, k_h=91, k_w=91),
        conv2d(in_h=32, in_w=32, c_in=2**20, c_out=2**20, k_h=3, k_w=3, groups=2**20),
    ],
)
def test_far_from_all_layers_it_fades(correction, far):
    assert correction.log_ratio(far)[0] == pytest.approx(0, abs=2e-3)
    *sizes, flops, weights = np.maximum(spans(far)[0] - correction.most, 0)
    assert correction.novelty(far)[0] == pytest.approx(
        1 + max(sum(sizes), flops, weights), rel=1e-3
    )


def test_another_kind_of_operation_is_another_layer(correction):
    """A 1 x 1 convolution of the same sizes as a dense layer that was measured."""
    product = dense(c_in=512, c_out=512, batch=64)
    alike = conv2d(in_h=1, in_w=1, c_in=512, c_out=512, k_h=1, k_w=1, batch=64)
    assert abs(correction.log_ratio(alike)[0]) < 0.8 * abs(correction.log_ratio(product)[0])
    assert correction.novelty(alike)[0] > correction.novelty(product)[0] + 0.3


def test_a_size_that_does_not_matter_informs_further():
    """What varies with one size alone is known at values of another that were not measured."""
    some = np.random.default_rng(0).uniform(0, 4, (120, 7))
    fitted = fit_correction(some, 0.3 * np.sin(2 * some[:, 0]))
    lengths = np.asarray(fitted.lengths)
    assert lengths[0] < 1 < lengths[1:].min()
    at = np.random.default_rng(1).uniform(0, 4, (200, 7))
    from_constant = fit_correction(some, 0.3 * np.sin(2 * some[:, 0]), lengths=np.full(7, 0.5))
    error, of_constant = (
        np.abs(matern_mean(f, at) - 0.3 * np.sin(2 * at[:, 0])).mean()
        for f in (fitted, from_constant)
    )
    assert error < 0.25 * of_constant


def matern_mean(fitted, at):
    """The correction at features within the sizes measured, by its own formula."""
    apart = (at[:, None] - np.asarray(fitted.centres)) / np.asarray(fitted.lengths)
    kernel = float(fitted.amplitude) ** 2 * matern(np.linalg.norm(apart, axis=-1))
    return kernel @ np.asarray(fitted.weights)


def test_the_slope_of_the_likelihood_is_its_difference_quotient():
    rng = np.random.default_rng(0)
    squares, residual = rng.uniform(0, 2, (3, 20, 1)), rng.standard_normal(20)
    squares = (squares - squares.transpose(0, 2, 1)) ** 2
    z = rng.standard_normal(5) / 3
    steps = 1e-5 * np.eye(5)
    difference = [
        (_unlikely(z + s, squares, residual)[0] - _unlikely(z - s, squares, residual)[0]) / 2e-5
        for s in steps
    ]
    np.testing.assert_allclose(_unlikely(z, squares, residual)[1], difference, rtol=1e-6)


def test_novelty_is_a_share_and_more_only_beyond_the_sizes_measured(correction, layers):
    assert (correction.novelty(layers) < 0.05).all()
    at = between_and_beyond()
    x, every = spans(at), np.asarray(correction.novelty(at))
    least, most = np.asarray(correction.least), np.asarray(correction.most)
    within = ((x >= least) & (x <= most)).all(axis=1)
    assert within.any()
    assert not within.all()
    assert ((every >= 0) & (every <= 1))[within].all()
    assert (every > 0.99)[~within].any()


def test_a_row_that_is_no_product_is_not_corrected(correction):
    softmax = rows(c_in=0, c_out=0, other_flops=1e6)
    assert correction.log_ratio(softmax)[0] == pytest.approx(0, abs=1e-6)
    assert correction.novelty(softmax)[0] == pytest.approx(1)  # though 0 channels are below all
    gradient = jax.grad(lambda w: correction.log_ratio(w)[0])(softmax)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_many_layers_are_predicted_as_few_are(correction):
    """Beyond 4096 rows the work is done in pieces; so are gradients."""
    c_in = jnp.linspace(4.0, 600.0, 9000)
    many = conv2d(in_h=32, in_w=32, c_in=c_in, c_out=64, k_h=3, k_w=3)
    few = many[jnp.arange(0, 9000, 3)]
    for of in (Correction.log_ratio, Correction.novelty):
        pieces, whole = of(correction, many), of(correction, few)
        assert pieces.shape == (9000,)
        np.testing.assert_allclose(pieces[::3], whole, atol=2e-4)

    def total(workload):
        return jnp.sum(correction.log_ratio(workload))

    np.testing.assert_allclose(
        jax.grad(total)(many).c_in[::3], jax.grad(total)(few).c_in, rtol=1e-3, atol=2e-5
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", ["batch", "out_h", "out_w", "c_in", "c_out", "k_h", "groups"])
def test_gradients_are_those_of_finite_differences(x, residual, name):
    fitted = fit_correction(x, residual)
    layer = conv2d(in_h=30, in_w=28, c_in=70, c_out=90, k_h=3, k_w=3, batch=1.5, groups=2)
    value = getattr(layer, name)

    def at(number):
        changed = vars(layer) | {name: number}
        return fitted.log_ratio(Workload(**changed))[0]

    def slope(step):
        return (at(value + step) - at(value - step)) / (2 * step)

    step = 1e-3 * value
    expected = (4 * slope(step / 2) - slope(step)) / 3
    assert expected[0] != 0
    for found in (jax.grad(at)(value), jax.jacfwd(at)(value)):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_both_precisions_agree(precision, x, residual, correction):
    fitted = fit_correction(x, residual)
    assert fitted.weights.dtype == precision
    new = between_and_beyond()
    np.testing.assert_allclose(fitted.log_ratio(new), correction.log_ratio(new), atol=1e-3)
    np.testing.assert_allclose(fitted.novelty(new), correction.novelty(new), atol=1e-2)


def left_out(x, log_observed, kind):
    """Folds of a model that predicts 1 s everywhere."""
    masks = row_folds(60) if kind == "rows" else sweep_folds(["conv"] * 30 + ["dense"] * 30)
    return Folds(masks, np.zeros((len(masks), len(x))))


@pytest.mark.parametrize("kind", ["rows", "sweeps"])
def test_cross_validation_does_not_see_what_it_predicts(x, residual, kind):
    folds = left_out(x, residual, kind)
    predicted, novelty = cross_validate_correction(x, residual, folds)
    for out in folds.masks:
        changed = np.where(out, residual + 5, residual)
        again, novelty_again = cross_validate_correction(x, changed, folds)
        np.testing.assert_array_equal(again[out], predicted[out])
        np.testing.assert_array_equal(novelty_again[out], novelty[out])
        assert (again[~out] != predicted[~out]).any()


def test_cross_validation_fits_each_fold_anew(x, residual, layers):
    folds = left_out(x, residual, "rows")
    predicted, novelty = cross_validate_correction(x, residual, folds)
    out = folds.masks[2]
    fitted = fit_correction(x[~out], residual[~out])
    np.testing.assert_allclose(predicted[out], fitted.log_ratio(layers)[out], atol=1e-3)
    np.testing.assert_allclose(novelty[out], fitted.novelty(layers)[out], atol=1e-2)
    assert np.abs(predicted - residual).mean() < 0.02


def test_a_sweep_that_is_left_out_is_novel(x, residual):
    _, novelty = cross_validate_correction(x, residual, left_out(x, residual, "sweeps"))
    _, singly = cross_validate_correction(x, residual, left_out(x, residual, "rows"))
    assert novelty.min() > 0.9
    assert singly.max() < 0.5  # at the end of its sweep
    assert np.median(singly) < 0.05


def test_a_faulty_timing_does_not_pull_its_neighbours(x, residual, layers, correction):
    faulty = residual.copy()
    faulty[15] = 9.0
    moved = np.asarray(fit_correction(x, faulty).log_ratio(layers) - correction.log_ratio(layers))
    assert np.abs(moved[30:]).max() < 0.1
    assert abs(moved[15]) < 1.5


@pytest.mark.parametrize("copies", [1, 2, 40])
def test_one_layer_measured_once_or_often_is_enough(x, layers, copies):
    fitted = fit_correction(np.repeat(x[:1], copies, axis=0), np.full(copies, 0.2))
    assert 0.05 < fitted.log_ratio(layers[:1])[0] < 0.25
    assert fitted.centres.shape == (1, x.shape[1])


def test_many_measured_layers_are_carried_by_few():
    many = np.random.default_rng(0).uniform(0, 6, (1500, 7))
    fitted = fit_correction(many, 0.1 * np.sin(many.sum(axis=1)))
    assert len(fitted.centres) <= 256


def test_of_very_many_layers_some_tell_where_centres_lie_and_what_is_doubted(monkeypatch):
    x = np.random.default_rng(0).uniform(0, 3, (1500, 13))
    x[:, 3:] = 0
    residual = 0.1 * np.sin(x.sum(axis=1))
    residual[::100] += 3
    whole = fit_correction(x, residual)
    monkeypatch.setattr(sample_module, "MOST_LAYERS", 500)
    some = fit_correction(x, residual)
    assert (some.centres.shape != whole.centres.shape) or (some.centres != whole.centres).any()
    for fitted in (some, whole):
        predicted = matern_mean(fitted, x)
        np.testing.assert_allclose(predicted, 0.1 * np.sin(x.sum(axis=1)), atol=0.05)


def test_many_layers_are_corrected_as_a_few_are(layers):
    """Of more rows than the kernel matrix is computed for at once, each is what it is alone."""
    x = np.asarray(features(layers), np.float64)
    fitted = fit_correction(x, np.sin(x[:, 2]) / 5)
    many = dense(c_in=np.geomspace(8, 4096, 2500), c_out=300, batch=8)
    parts = [many[start : start + 500] for start in range(0, 2500, 500)]
    for of in (fitted.log_ratio, fitted.novelty):
        np.testing.assert_allclose(of(many), np.concatenate([of(p) for p in parts]), atol=1e-5)
    slope = jax.grad(lambda layers: fitted.log_ratio(layers).sum())
    whole, pieces = slope(many).c_in, [slope(part).c_in for part in parts]
    assert np.abs(whole).max() > 0
    np.testing.assert_allclose(whole, np.concatenate(pieces), rtol=1e-3, atol=1e-7)


def test_centres_are_those_of_a_cholesky_factor_of_the_whole_covariance():
    x = np.random.default_rng(5).normal(size=(40, 3))
    lengths = np.full(3, 0.7)
    kernel = covariance_of(x, x, 1.3, lengths)
    chosen = _spread_out(x, lambda a, b: covariance_of(a, b, 1.3, lengths), 1e-3)
    assert len(set(chosen)) == len(chosen)
    part = kernel[np.ix_(chosen, chosen)]
    left = kernel - kernel[:, chosen] @ np.linalg.solve(part, kernel[chosen])
    assert np.diag(left).max() < 1e-3
    for number in range(1, len(chosen)):  # each is the row that those before explain least
        known = chosen[:number]
        part = kernel[np.ix_(known, known)]
        left = np.diag(kernel - kernel[:, known] @ np.linalg.solve(part, kernel[known]))
        assert left[chosen[number]] == pytest.approx(left.max(), rel=1e-6)


def test_what_neighbours_agree_on_is_followed_however_far_from_the_model():
    """Where a model is wrong by half in a tenth of the sizes, its correction says so."""
    layers = dense(c_in=512, c_out=512, batch=np.geomspace(1, 4096, 120))
    x = np.asarray(features(layers), np.float64)
    residual = 0.02 * np.random.default_rng(0).standard_normal(120)
    residual[60:72] += np.log(2)
    found = np.asarray(fit_correction(x, residual).log_ratio(layers))
    assert found[62:70].min() > 0.5
    assert np.abs(found[[*range(55), *range(77, 120)]]).max() < 0.1


def test_a_kind_that_was_not_measured_is_unlike(layers, correction):
    assert not correction.unlike(layers).any()
    products = dense(c_in=512, c_out=512, batch=np.geomspace(1, 64, 30))
    x = np.asarray(features(products), np.float64)
    of_products = fit_correction(x, 0.1 * np.sin(x[:, 0]))
    others = [
        dense(c_in=64, c_out=64, batch=9000),
        conv2d(in_h=8, in_w=8, c_in=512, c_out=512, k_h=1, k_w=1),
        conv2d(in_h=8, in_w=8, c_in=512, c_out=512, k_h=3, k_w=3),
        rows(c_in=0, c_out=0, other_flops=1e6, other_bytes=1e6, is_dense=1),
    ]
    assert of_products.unlike(Workload.concatenate(others)).tolist() == [False, True, True, True]

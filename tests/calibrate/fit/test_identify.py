"""Covariance and intervals against linear regression, and in simulation."""

import numpy as np
import pytest

from jaxcost._support.precision import double_precision
from jaxcost.calibrate.fit.identify import identify
from jaxcost.calibrate.fit.problem import Problem, solve
from jaxcost.calibrate.fit.space import Space
from jaxcost.workload import counts, dense

QUADRATIC = 10.0  # so large that no row counts less than another


def known_of(model, layers, device, observed, *, robust=QUADRATIC, priors=False, spread=None):
    with double_precision():
        given = Space.of(model), layers, device, np.asarray(observed, float)
        problem = Problem.of(*given, robust=robust, priors=priors, spread=spread)
        found, *_ = solve(problem, np.ones((1, len(observed))), [2], seed=0)
        return found[0], identify(problem, found[0])


def straight_line(layers, sigma, seed):
    x = np.log(np.asarray(counts.flops(layers), float) / 1e6)
    noise = sigma * np.random.default_rng(seed).standard_normal(len(layers))
    return x, np.log(2e-3) + 0.8 * x + noise


def test_of_a_straight_line_it_is_linear_regression(power, layers, t2000):
    x, y = straight_line(layers, 0.1, 0)
    z, known = known_of(power, layers, t2000, np.exp(y))
    (slope, intercept), covariance = np.polyfit(x, y, 1, cov=True)
    np.testing.assert_allclose(z, [intercept, slope], rtol=1e-5)
    np.testing.assert_allclose(known.covariance, covariance[::-1, ::-1], rtol=2e-3)
    scale, exponent = known.estimates
    reach = 1.6449 * np.sqrt(np.diag(known.covariance))
    assert exponent.upper - exponent.lower == pytest.approx(2 * reach[1], rel=1e-3)
    assert np.log(scale.upper / scale.value) == pytest.approx(reach[0], rel=1e-3)
    assert np.log(scale.value / scale.lower) == pytest.approx(reach[0], rel=1e-3)


def test_rows_that_scatter_weigh_as_in_weighted_linear_regression(power, layers, t2000):
    x, y = straight_line(layers, 0.1, 0)
    spread = QUADRATIC * np.linspace(0, 3, len(x))
    z, known = known_of(power, layers, t2000, np.exp(y), spread=spread)
    weights = np.sqrt(1 / (1 + (spread / QUADRATIC) ** 2))
    (slope, intercept), covariance = np.polyfit(x, y, 1, w=weights, cov=True)
    np.testing.assert_allclose(z, [intercept, slope], rtol=1e-5)
    np.testing.assert_allclose(known.covariance, covariance[::-1, ::-1], rtol=2e-3)


def test_singular_values_are_those_of_the_design_over_the_noise(power, layers, t2000):
    x, y = straight_line(layers, 0.1, 0)
    _, known = known_of(power, layers, t2000, np.exp(y))
    design = np.column_stack([np.ones(len(x)), x])
    _, rest, *_ = np.linalg.lstsq(design, y, rcond=None)
    sigma = np.sqrt(rest[0] / (len(x) - 2))
    expected = np.linalg.svd(design / sigma, compute_uv=False)
    np.testing.assert_allclose(known.singular_values, expected, rtol=2e-3)


def test_it_agrees_with_scipy_on_a_curved_model(floored, layers, t2000):
    from scipy.optimize import least_squares

    sizes = np.random.default_rng(9).integers(1, 40, len(layers)).astype(float)
    varied = dense(c_in=layers.c_in, c_out=layers.c_out, batch=sizes, bias=sizes % 2)
    truth = floored(floor=2e-4, rate=2e11, share=0.4, believed=1.5)
    with double_precision():
        clean = np.asarray(truth.layer_costs(varied, t2000), float)
    observed = clean * np.exp(0.05 * np.random.default_rng(1).standard_normal(len(clean)))
    z, known = known_of(floored, varied, t2000, observed)
    space = Space.of(floored)
    with double_precision():
        problem = Problem.of(space, varied, t2000, observed, robust=QUADRATIC, priors=False)

        def residual(x):
            return problem.log_predicted(x[None])[0] - problem.log_observed

        theirs = least_squares(residual, z, jac=lambda x: problem.jacobian(x)[1])
    variance = 2 * theirs.cost / (len(clean) - 4)
    expected = variance * np.linalg.inv(theirs.jac.T @ theirs.jac)
    np.testing.assert_allclose(z, theirs.x, atol=1e-3)
    np.testing.assert_allclose(known.covariance, expected, rtol=0.02, atol=1e-6)
    assert all(e.determined for e in known.estimates)


def test_intervals_cover_nine_times_in_ten(power, layers, t2000):
    covered = []
    for seed in range(200):
        _, y = straight_line(layers, 0.05, seed)
        _, known = known_of(power, layers, t2000, np.exp(y), robust=0.1)
        covered.append([e.lower <= t <= e.upper for e, t in zip(known.estimates, (2e-3, 0.8))])
    share = np.mean(covered, axis=0)
    assert ((share > 0.83) & (share < 0.96)).all(), share


def test_what_has_no_effect_keeps_what_was_believed(floored, layers, t2000):
    alone = dense(c_in=layers.c_in, c_out=layers.c_out)  # no batch, no bias
    observed = floored(floor=2e-5, rate=2e9, share=0.5, believed=2.0).layer_costs(alone, t2000)
    noisy = np.asarray(observed) * np.exp(
        0.03 * np.random.default_rng(2).standard_normal(len(alone))
    )
    _, known = known_of(floored, alone, t2000, noisy, priors=True)
    share, believed = known.estimates[2:]
    assert [e.determined for e in known.estimates] == [True, True, False, False]
    assert believed.value == pytest.approx(2)
    assert np.log(believed.upper / believed.lower) == pytest.approx(2 * 1.6449 * 0.5, rel=1e-3)
    assert (share.lower, share.upper) == pytest.approx((0, 1), abs=1e-3)
    assert known.singular_values[-2:] == pytest.approx(0, abs=1e-9)
    first, second = known.warnings
    assert first.startswith("share (what a larger batch saves) is not determined by these data")
    assert second.startswith("believed (of biases) is not determined by these data")
    assert second.endswith("measure layers it depends on")


def test_a_belief_that_the_data_only_repeat_is_no_finding(floored, layers, t2000):
    """One row with a bias, three times as noisy as the belief is wide, adds next to nothing."""
    bias = np.zeros(len(layers))
    bias[0] = 1
    some = dense(c_in=layers.c_in, c_out=layers.c_out, batch=layers.batch, bias=bias)
    observed = floored(floor=2e-5, rate=2e9, share=0.5, believed=2.0).layer_costs(some, t2000)
    for sigma, determined in ((1.5, False), (0.05, True)):
        noise = sigma * np.random.default_rng(4).standard_normal(len(some))
        noisy = np.asarray(observed) * np.exp(noise)
        _, known = known_of(floored, some, t2000, noisy, priors=True)
        assert known.estimates[3].determined is determined


def test_a_wide_belief_is_not_determined_by_being_narrowed_to_a_factor_of_three():
    from jaxcost.calibrate.fit.identify import _estimate
    from jaxcost.models.base import Parameter

    wide = Parameter("ratio", 0, np.inf, "1", "", start=1.0, spread=3.0)
    narrow = Parameter("ratio", 0, np.inf, "1", "", start=1.0, spread=0.1)
    for declared, spread, determined in (
        (wide, 1.1, False),
        (wide, 0.6, True),
        (narrow, 0.09, False),
        (narrow, 0.05, True),
    ):
        assert _estimate(declared, 1.0, 0.5, 2.0, spread).determined is determined


def test_beside_a_kink_an_interval_reaches_as_far_as_the_loss_is_flat(kinked, t2000):
    """No layer is small: a floor of anything below the smallest layer predicts as well."""
    layers = dense(c_in=2.0 ** np.arange(9, 15).repeat(4), c_out=1024, batch=64)
    noise = np.exp(0.02 * np.random.default_rng(0).standard_normal(len(layers)))
    observed = np.asarray(kinked(rate=1e12, floor=1e-9).layer_costs(layers, t2000)) * noise
    _, known = known_of(kinked, layers, t2000, observed, robust=0.1)
    rate, floor = known.estimates
    assert rate.determined
    assert rate.lower <= 1e12 <= rate.upper
    assert not floor.determined
    assert floor.lower <= 1e-9


def test_outliers_hardly_widen_what_the_others_say(power, layers, t2000):
    _, y = straight_line(layers, 0.05, 0)
    _, clean = known_of(power, layers, t2000, np.exp(y), robust=0.1)
    y[[3, 17, 40, 55]] += [8, -9, 5, -7]
    _, spoilt = known_of(power, layers, t2000, np.exp(y), robust=0.1)
    ratio = np.sqrt(np.diag(spoilt.covariance) / np.diag(clean.covariance))
    assert (ratio < 1.4).all(), ratio
    for before, after in zip(clean.estimates, spoilt.estimates, strict=True):
        assert before.lower < after.value < before.upper

"""The loss against its formula in NumPy, and what each start may know."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost._support.precision import double_precision
from jaxcost.calibrate.fit.problem import Problem, solve
from jaxcost.calibrate.fit.space import Space
from jaxcost.workload import Workload, counts

TRUTH = {"floor": 3e-5, "rate": 2e11, "share": 0.3, "believed": 2.0}
ROBUST = 0.2


@pytest.fixture
def observed(floored, layers, t2000):
    noise = np.exp(0.05 * np.random.default_rng(0).standard_normal(len(layers)))
    return np.asarray(floored(**TRUTH).layer_costs(layers, t2000), float) * noise


@pytest.fixture
def problem(floored, layers, t2000, observed):
    with double_precision():
        given = Space.of(floored), layers, t2000, observed
        yield Problem.of(*given, robust=ROBUST, priors=True)


def predicted(problem, layers):
    """In NumPy, at the truth."""
    batch, flops = np.asarray(layers.batch), np.asarray(counts.flops(layers), float)
    return TRUTH["floor"] + flops * (1 - TRUTH["share"] * (1 - 1 / batch)) / TRUTH["rate"]


def test_the_loss_is_that_of_the_formula(problem, layers, observed):
    weights = np.linspace(0, 2, len(layers))
    z = problem.space.vector(TRUTH) + np.array([0, 0, 0, 0.7])
    ratio = np.log(predicted(problem, layers) / observed)
    expected = np.sum(weights * np.log(1 + (ratio / ROBUST) ** 2)) / 2 + (0.7 / 0.5) ** 2 / 2
    assert problem.loss(z[None], weights[None]) == pytest.approx([expected], rel=1e-6)


def test_a_row_that_scatters_by_the_robust_scale_counts_half(problem, layers, t2000, observed):
    spread = np.full(len(layers), np.nan)
    spread[:2] = ROBUST, 0.0
    with double_precision():
        given = problem.space, layers, t2000, observed
        weighed = Problem.of(*given, robust=ROBUST, priors=True, spread=spread)
        z, halved = problem.space.vector(TRUTH)[None], np.ones((1, len(layers)))
        halved[0, 0] = 0.5
        assert weighed.loss(z, 1.0) == pytest.approx(problem.loss(z, halved), rel=1e-12)


def test_the_problem_is_in_float64_and_leaves_the_session_as_it_was(problem, observed):
    assert problem.log_observed.dtype == "float64"
    for part in (problem.workloads, problem.blocks[0].workloads, problem.blocks[0].device):
        assert {leaf.dtype.name for leaf in jax.tree.leaves(part)} == {"float64"}
    assert problem.log_predicted(problem.believed[None]).dtype == "float64"
    np.testing.assert_allclose(problem.log_observed, np.log(observed), rtol=1e-15)


def test_without_priors_nothing_is_believed(problem, floored, layers, t2000, observed):
    free = Problem.of(problem.space, layers, t2000, observed, robust=ROBUST, priors=False)
    z = problem.space.vector(TRUTH)[None]
    far = z + np.array([0, 0, 0, 9])
    assert free.loss(far, 1.0) == free.loss(z, 1.0)
    assert problem.loss(far, 1.0) == pytest.approx(free.loss(z, 1.0) + (9 / 0.5) ** 2 / 2)


def test_trust_is_the_weight_that_least_squares_would_need(problem):
    """The loss's slope in r is trust * r / robust**2: iteratively reweighted least squares."""
    residual = jnp.linspace(-2, 2, 41)
    slope = jax.vmap(jax.grad(lambda r: jnp.log1p((r / ROBUST) ** 2) / 2))(residual)
    np.testing.assert_allclose(slope, problem.trust(residual) * residual / ROBUST**2, atol=1e-12)
    assert problem.trust(jnp.asarray(ROBUST)) == pytest.approx(0.5)


def test_the_linearised_loss_is_the_loss_with_its_gradient(problem, layers):
    z = problem.space.vector(TRUTH) + 0.3
    weights = np.linspace(0, 2, len(layers))[None]
    value, slope, curvature = problem.linearised(z[None], weights)
    assert value == pytest.approx(problem.loss(z[None], weights), rel=1e-12)
    around = z + 1e-5 * np.concatenate([np.eye(len(z)), -np.eye(len(z))])
    up, down = np.split(problem.loss(around, weights), 2)
    np.testing.assert_allclose(slope[0], (up - down) / 2e-5, rtol=1e-5)
    assert (np.linalg.eigvalsh(curvature) >= 0).all()


def test_where_it_fits_exactly_the_curvature_is_the_hessian(floored, layers, t2000):
    """Gauss-Newton leaves out what the residuals bend, and here there are none."""
    with double_precision():
        given = Space.of(floored), layers, t2000, np.ones(len(layers))
        problem = Problem.of(*given, robust=ROBUST, priors=True)
        z, weights = problem.space.vector(TRUTH), np.ones((1, len(layers)))
        exact = dataclasses.replace(problem, log_observed=problem.log_predicted(z[None])[0])
        around = z + 1e-5 * np.concatenate([np.eye(len(z)), -np.eye(len(z))])
        slopes = [exact.linearised(x[None], weights)[1][0] for x in around]
        curvature = exact.linearised(z[None], weights)[2][0]
    up, down = np.split(np.array(slopes), 2)
    np.testing.assert_allclose(curvature, (up - down) / 2e-5, rtol=1e-5, atol=1e-4)


def test_rows_of_several_layers_are_networks(problem, floored, layers, t2000):
    pairs = jax.tree.map(lambda leaf: leaf.reshape(30, 2), layers)
    z = problem.space.vector(TRUTH)[None]
    single = np.exp(problem.log_predicted(z))
    networks = Problem.of(problem.space, pairs, t2000, np.ones(30), robust=1.0, priors=False)
    np.testing.assert_allclose(
        np.exp(networks.log_predicted(z)[0]), single.reshape(30, 2).sum(1), rtol=1e-12
    )


def test_starts_know_the_rows_that_are_seen_and_no_other(problem, layers):
    seen = np.arange(len(layers)) % 3 > 0
    points = problem.starts(4, 0, seen)
    other = dataclasses.replace(problem, log_observed=problem.log_observed - 20 * ~seen)
    np.testing.assert_array_equal(points, other.starts(4, 0, seen))
    assert (problem.starts(4, 0) != other.starts(4, 0)).any()
    everyone = np.ones(len(layers), bool)
    np.testing.assert_array_equal(problem.starts(4, 0), problem.starts(4, 0, everyone))


def test_all_fits_are_solved_from_all_their_starts(problem, layers):
    weights = np.ones((3, len(layers)))
    weights[1, ::2] = 0
    weights[2, 1::2] = 0
    found, losses, _ = solve(problem, weights, [5, 2, 1], seed=0)
    assert found.shape == (3, 4)
    assert [len(of_fit) for of_fit in losses] == [5, 2, 1]
    for z, row, of_fit in zip(found, weights, losses, strict=True):
        assert problem.loss(z[None], row[None]) == pytest.approx(of_fit.min())
    assert losses[0].min() > losses[1].min() + losses[2].min()


def test_a_row_of_weight_zero_has_no_say(problem, layers):
    weights = np.ones((1, len(layers)))
    weights[0, :7] = 0
    shifted = problem.log_observed + 3 * (np.arange(len(layers)) < 7)
    other = dataclasses.replace(problem, log_observed=shifted)
    (found, *_), (same, *_) = (solve(p, weights, [2], seed=0) for p in (problem, other))
    np.testing.assert_array_equal(found, same)
    moved, *_ = solve(other, np.ones((1, len(layers))), [2], seed=0)
    assert np.abs(moved - found).max() > 1e-3


def test_what_is_not_finite_loses_against_what_is(problem, layers):
    space = problem.space
    z = space.vector(TRUTH)

    @dataclasses.dataclass(frozen=True, eq=False)
    class Half(Problem):
        """Not finite wherever the floor is above a microsecond."""

        def linearised(self, points, weights):
            loss, *rest = super().linearised(points, weights)
            return np.where(points[:, 0] > np.log(1e-6), np.nan, loss), *rest

        def starts(self, number, seed, seen=None):
            return np.array([z, z - [10, 0, 0, 0]])[:number]

    fields = {f.name: getattr(problem, f.name) for f in dataclasses.fields(problem)}
    found, losses, _ = solve(Half(**fields), np.ones((1, len(layers))), [2], seed=0)
    assert found[0, 0] < np.log(1e-6)
    assert losses[0][0] == np.inf
    assert np.isfinite(losses[0][1])


def test_a_workload_keeps_its_whole_sizes(problem, layers):
    assert isinstance(problem.workloads, Workload)
    assert problem.workloads.c_in.shape == (len(layers), 1)
    np.testing.assert_array_equal(problem.workloads.c_in[:, 0], layers.c_in)

"""The minimiser against functions with known minima, and against SciPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost.calibrate.fit.optimize import levenberg_marquardt, minimize

pytestmark = pytest.mark.usefixtures("x64")


def squares(residuals, *args):
    """Half the sum of squares of `residuals`, linearised."""

    def linearised(z):
        r, jacobian = residuals(z, *args), jax.jacfwd(residuals)(z, *args)
        return r @ r / 2, jacobian.T @ r, jacobian.T @ jacobian

    return linearised


def rosenbrock(x):
    return jnp.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])


def scaled(x, centre, scales):
    return jnp.sqrt(scales) * (x - centre)


@pytest.mark.parametrize("start", [[-1.2, 1.0], [3.0, -4.0, 2.0, 0.5], [0.0] * 7])
def test_the_valley_of_rosenbrock_is_followed_to_its_end(start):
    from scipy.optimize import least_squares

    found, value = jax.jit(lambda x: minimize(squares(rosenbrock), x))(jnp.array(start))
    theirs = least_squares(rosenbrock, start, jac=jax.jacfwd(rosenbrock))
    np.testing.assert_allclose(found, theirs.x, atol=1e-4)
    np.testing.assert_allclose(found, np.ones(len(start)), atol=1e-4)
    assert value < 1e-9


def test_scales_four_decades_apart_are_no_obstacle():
    centre, scales = jnp.array([1.0, -2.0, 5.0]), jnp.array([1e-2, 1.0, 1e2])
    found, value = minimize(squares(scaled, centre, scales), jnp.zeros(3), tolerance=1e-14)
    np.testing.assert_allclose(found, centre, rtol=1e-4)
    assert value == pytest.approx(0, abs=1e-9)


def test_many_starts_run_side_by_side():
    """Two wells: each start falls into its own."""
    starts = jnp.array([[-2.0], [-0.5], [0.5], [2.0]])
    search = jax.vmap(lambda x: minimize(squares(lambda z: z**2 - 1), x))
    found, values = jax.jit(search)(starts)
    np.testing.assert_allclose(found[:, 0], [-1, -1, 1, 1], atol=1e-4)
    np.testing.assert_allclose(values, 0, atol=1e-8)


def test_it_stays_at_a_minimum():
    found, value = minimize(squares(rosenbrock), jnp.ones(3))
    np.testing.assert_array_equal(found, 1)
    assert value == 0


def test_what_has_no_effect_stays_where_it_was():
    found, _ = minimize(squares(lambda z: z[:1] - 3), jnp.array([0.0, 7.0]))
    np.testing.assert_allclose(found, [3, 7], atol=1e-4)


def test_it_stops_when_steps_are_used_up():
    start = jnp.array([-1.2, 1.0])
    few, many = (minimize(squares(rosenbrock), start, max_steps=n)[1] for n in (4, 400))
    assert 1e-3 < few < squares(rosenbrock)(start)[0]
    assert many < 1e-9


def test_it_stops_earlier_at_a_larger_tolerance():
    start = jnp.array([-1.2, 1.0])
    loose, tight = (minimize(squares(rosenbrock), start, tolerance=t)[1] for t in (1.0, 1e-12))
    assert tight < 1e-12 < loose


def test_a_start_where_nothing_is_finite_ends():
    _, value = minimize(squares(jnp.log), jnp.array([-1.0]))
    assert not jnp.isfinite(value)


def test_a_step_into_what_is_not_finite_is_taken_back():
    """Gauss-Newton's first step from 3 leads to 3 (1 - ln 3) < 0, where there is no logarithm."""
    found, value = minimize(squares(jnp.log), jnp.array([3.0]))
    assert found[0] == pytest.approx(1, abs=1e-4)
    assert value < 1e-8


def test_it_is_a_transformation_as_optax_has_them():
    """Driven by hand in optax's own loop, the loss of the lowest point never rises."""
    solver, linearised, x = levenberg_marquardt(), squares(rosenbrock), jnp.array([-1.2, 1.0])
    state, values = solver.init(x), []
    for _ in range(60):
        value, gradient, curvature = linearised(x)
        change, state = solver.update(gradient, state, x, value=value, curvature=curvature)
        x = optax.apply_updates(x, change)
        values.append(float(state.lowest.value))
    assert (np.diff(values) <= 0).all()
    np.testing.assert_allclose(state.lowest.z, 1, atol=1e-6)

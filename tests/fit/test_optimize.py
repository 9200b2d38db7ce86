"""The minimiser against functions with known minima, and against SciPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.fit.optimize import minimize

pytestmark = pytest.mark.usefixtures("x64")


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def quadratic(x, centre, scales):
    return jnp.sum(scales * (x - centre) ** 2) / 2 + 3


@pytest.mark.parametrize("start", [[-1.2, 1.0], [3.0, -4.0, 2.0, 0.5], [0.0] * 7])
def test_the_valley_of_rosenbrock_is_followed_to_its_end(start):
    from scipy.optimize import minimize as scipy_minimize

    found, value = jax.jit(lambda x: minimize(rosenbrock, x))(jnp.array(start))
    theirs = scipy_minimize(lambda x: float(rosenbrock(x)), start, jac=jax.grad(rosenbrock))
    np.testing.assert_allclose(found, theirs.x, atol=1e-4)
    np.testing.assert_allclose(found, np.ones(len(start)), atol=1e-4)
    assert value < 1e-9
    assert value == pytest.approx(float(rosenbrock(found)), rel=1e-6)


def test_scales_four_decades_apart_are_no_obstacle():
    centre, scales = jnp.array([1.0, -2.0, 5.0]), jnp.array([1e-2, 1.0, 1e2])
    found, value = minimize(quadratic, jnp.zeros(3), centre, scales, tolerance=1e-14)
    np.testing.assert_allclose(found, centre, rtol=1e-4)
    assert value == pytest.approx(3, abs=1e-9)


def test_many_starts_run_side_by_side():
    """Two wells: each start falls into its own."""

    def wells(x):
        return jnp.sum((x**2 - 1) ** 2)

    starts = jnp.array([[-2.0], [-0.5], [0.5], [2.0]])
    found, values = jax.jit(jax.vmap(lambda x: minimize(wells, x)))(starts)
    np.testing.assert_allclose(found[:, 0], [-1, -1, 1, 1], atol=1e-4)
    np.testing.assert_allclose(values, 0, atol=1e-8)


def test_it_stays_at_a_minimum():
    found, value = minimize(rosenbrock, jnp.ones(3))
    np.testing.assert_array_equal(found, 1)
    assert value == 0


def test_it_stops_when_steps_are_used_up():
    few, many = (minimize(rosenbrock, jnp.array([-1.2, 1.0]), max_steps=n)[1] for n in (3, 400))
    assert 1e-3 < few < rosenbrock(jnp.array([-1.2, 1.0]))
    assert many < 1e-9


def test_it_stops_earlier_at_a_larger_tolerance():
    loose, tight = (
        minimize(rosenbrock, jnp.array([-1.2, 1.0]), tolerance=t)[1] for t in (1e-1, 1e-12)
    )
    assert tight < 1e-12 < loose


def test_a_start_where_nothing_is_finite_ends():
    _, value = minimize(lambda x: jnp.sum(jnp.log(x)), jnp.array([-1.0]))
    assert not jnp.isfinite(value)

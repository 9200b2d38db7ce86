"""The minimiser against functions with known minima, and against SciPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.calibrate.fit.optimize import minimize

pytestmark = pytest.mark.usefixtures("x64")


def squares(residuals, *args):
    """Half the sums of squares of `residuals` at several points, linearised."""

    def at(z):
        r, jacobian = residuals(z, *args), jax.jacfwd(residuals)(z, *args)
        return r @ r / 2, jacobian.T @ r, jacobian.T @ jacobian

    program = jax.jit(jax.vmap(at))
    return lambda _, z: tuple(map(np.asarray, program(z)))


def one(linearised, start, **settings):
    """The minimum from one start, and its value."""
    found, values = minimize(linearised, np.array([start], float), **settings)
    return found[0], values[0]


def rosenbrock(x):
    return jnp.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])


def scaled(x, centre, scales):
    return jnp.sqrt(scales) * (x - centre)


@pytest.mark.parametrize("start", [[-1.2, 1.0], [3.0, -4.0, 2.0, 0.5], [0.0] * 7])
def test_the_valley_of_rosenbrock_is_followed_to_its_end(start):
    from scipy.optimize import least_squares

    found, value = one(squares(rosenbrock), start)
    theirs = least_squares(rosenbrock, start, jac=jax.jacfwd(rosenbrock))
    np.testing.assert_allclose(found, theirs.x, atol=1e-4)
    np.testing.assert_allclose(found, np.ones(len(start)), atol=1e-4)
    assert value < 1e-9


def test_scales_four_decades_apart_are_no_obstacle():
    centre, scales = jnp.array([1.0, -2.0, 5.0]), jnp.array([1e-2, 1.0, 1e2])
    found, value = one(squares(scaled, centre, scales), [0, 0, 0], tolerance=1e-14)
    np.testing.assert_allclose(found, centre, rtol=1e-4)
    assert value == pytest.approx(0, abs=1e-9)


def test_many_starts_run_side_by_side():
    """Two wells: each start falls into its own."""
    starts = np.array([[-2.0], [-0.5], [0.5], [2.0]])
    found, values = minimize(squares(lambda z: z**2 - 1), starts)
    np.testing.assert_allclose(found[:, 0], [-1, -1, 1, 1], atol=1e-4)
    np.testing.assert_allclose(values, 0, atol=1e-8)


def test_what_has_arrived_is_asked_no_more_and_holds_nobody_up():
    asked, linearised = [], squares(rosenbrock)

    def counted(some, z):
        asked.append(list(some))
        return linearised(some, z)

    starts = np.array([[1.0, 1.0], [-1.2, 1.0], [3.0, 2.0]])
    found, _ = minimize(counted, starts)
    assert asked[0] == [0, 1, 2]
    assert 0 not in asked[3]
    assert 3 < len(asked) < 400
    for start, together in zip(starts, found, strict=True):
        np.testing.assert_array_equal(one(linearised, start)[0], together)


def test_it_stays_at_a_minimum():
    found, value = one(squares(rosenbrock), [1, 1, 1])
    np.testing.assert_array_equal(found, 1)
    assert value == 0


def test_what_has_no_effect_stays_where_it_was():
    found, _ = one(squares(lambda z: z[:1] - 3), [0, 7])
    np.testing.assert_allclose(found, [3, 7], atol=1e-4)


def test_it_stops_when_steps_are_used_up():
    start = [-1.2, 1.0]
    few, many = (one(squares(rosenbrock), start, max_steps=n)[1] for n in (4, 400))
    assert 1e-3 < few < squares(rosenbrock)(0, np.array([start]))[0]
    assert many < 1e-9


def test_it_stops_earlier_at_a_larger_tolerance():
    start = [-1.2, 1.0]
    loose, tight = (one(squares(rosenbrock), start, tolerance=t)[1] for t in (1.0, 1e-12))
    assert tight < 1e-12 < loose


def test_a_start_where_nothing_is_finite_ends():
    _, value = one(squares(jnp.log), [-1])
    assert not np.isfinite(value)


def test_a_step_into_what_is_not_finite_is_taken_back():
    """Gauss-Newton's first step from 3 leads to 3 (1 - ln 3) < 0, where there is no logarithm."""
    found, value = one(squares(jnp.log), [3])
    assert found[0] == pytest.approx(1, abs=1e-4)
    assert value < 1e-8


def test_the_loss_of_the_lowest_point_never_rises():
    values = [one(squares(rosenbrock), [-1.2, 1.0], max_steps=n)[1] for n in range(1, 40)]
    assert (np.diff(values) <= 0).all()
    assert values[-1] < 1e-9

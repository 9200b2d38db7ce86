import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost.optimize.penalty import gate_optimizer


def moved(slopes, steps=1):
    solver = gate_optimizer(0.1)
    params = [jnp.zeros_like(s) for s in slopes]
    state = solver.init(params)
    for _ in range(steps):
        change, state = solver.update(slopes, state, params)
        params = optax.apply_updates(params, change)
    return params


def test_gates_move_in_proportion_to_their_gradients_whatever_their_scale():
    slopes = [jnp.array([3.0, 0.0]), jnp.array([-4.0, 0.0])]
    for scale in (1e-6, 1.0, 1e6):
        first, second = moved([scale * s for s in slopes])
        # The root of the mean square of 3, 0, 4, 0 is 2.5.
        assert np.allclose(first, [-0.12, 0], rtol=1e-4)
        assert np.allclose(second, [0.16, 0], rtol=1e-4)


def test_steps_of_a_constant_gradient_add_up():
    assert float(moved([jnp.array([2.0])], steps=10)[0][0]) == pytest.approx(-1.0, rel=1e-3)


def test_no_gradient_moves_nothing():
    assert np.array_equal(moved([jnp.zeros(3)])[0], np.zeros(3))

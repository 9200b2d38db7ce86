"""A model at the rows of a table, block by block, against the model itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost._support.precision import as_double, double_precision
from jaxcost._support.sizes import Scalar
from jaxcost.calibrate.fit import blocks
from jaxcost.calibrate.fit.problem import Problem, solve
from jaxcost.calibrate.fit.space import Space
from jaxcost.device import device
from jaxcost.models.base import LayerwiseCost, parameter
from jaxcost.workload import dense

T2000 = device("quadro-t2000")


class Floor(LayerwiseCost):
    """Time of the larger of two: of a floor, and of inputs."""

    unit = "s"
    floor: Scalar = parameter(0, jnp.inf, unit="s", doc="of the smallest")
    pace: Scalar = parameter(0, jnp.inf, unit="s/FLOP", doc="of an input")

    def layer_cost(self, layer, device):
        return jnp.maximum(self.floor, self.pace * layer.c_in * layer.c_out)


class Spoilt(LayerwiseCost):
    """A branch that is not taken has a slope of infinity, which is 0 times that on the way back."""

    unit = "s"
    floor: Scalar = parameter(0, jnp.inf, unit="s", doc="of the smallest")

    def layer_cost(self, layer, device):
        nothing = self.floor * (layer.c_in - layer.c_in)
        return jnp.where(layer.c_in > 0, self.floor * layer.c_in, jnp.sqrt(nothing))


class Looping(LayerwiseCost):
    """A loop whose length is known only when it runs, which JAX cannot differentiate backward."""

    unit = "s"
    floor: Scalar = parameter(0, jnp.inf, unit="s", doc="of a step")

    def layer_cost(self, layer, device):
        def more(carry):
            return carry[0] + 1, carry[1] + self.floor

        begin = jnp.zeros_like(layer.c_in), jnp.zeros_like(layer.c_in)
        return jax.lax.while_loop(lambda carry: carry[0] < layer.c_in, more, begin)[1]


def _problem(model, rows):
    c_in, c_out = np.random.default_rng(3).integers(2, 30, (2, rows)).astype(float)
    layers = dense(c_in=c_in, c_out=c_out, batch=32)
    seconds = 1e-6 + 1e-9 * c_in * c_out
    return Problem.of(Space.of(model), layers, T2000, seconds, robust=0.1, priors=True)


def _by_jax(problem, z):
    """ln predicted and its slopes, forward, all rows at once."""

    def predicted(z):
        model = problem.space.model(z)
        return jnp.log(jax.vmap(model, in_axes=(0, None))(problem.workloads, problem.device))

    return predicted(as_double(z)), jax.jacfwd(predicted)(as_double(z))


@pytest.mark.parametrize("model", [Floor, Spoilt, Looping])
@pytest.mark.parametrize("rows", [3, blocks._ROWS, blocks._ROWS + 1])
def test_predictions_and_slopes_are_those_of_the_model(model, rows):
    with double_precision():
        problem = _problem(model, rows)
        z = problem.believed + 0.3
        for ours, theirs in zip(problem.jacobian(z), _by_jax(problem, z), strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_any_number_of_points_is_told_apart():
    with double_precision():
        problem = _problem(Floor, 5)
        points = problem.believed + np.linspace(-1, 1, 2 * blocks._POINTS + 3)[:, None]
        expected = [problem.jacobian(z)[0] for z in points]
        np.testing.assert_array_equal(problem.log_predicted(points), expected)


def test_all_tables_and_fits_share_what_is_compiled():
    with double_precision():
        few = _problem(Floor, 20)
        solve(few, np.ones((1, 20)), [2], seed=0)
        before = blocks._program()._cache_size()
        for rows, starts in ((97, [5]), (300, [3, 2, 2])):
            solve(_problem(Floor, rows), np.ones((len(starts), rows)), starts, seed=0)
    assert blocks._program()._cache_size() == before


def test_an_option_that_this_version_of_xla_lacks_is_done_without(monkeypatch):
    monkeypatch.setattr(blocks, "_QUICK", {"xla_no_such_option": True})
    blocks._program.cache_clear()
    try:
        with double_precision():
            assert np.isfinite(_problem(Floor, 3).jacobian(np.zeros(2))[0]).all()
    finally:
        blocks._program.cache_clear()

"""What every cost model is: declared parameters, their bounds, and the sum over layers."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from jaxcost.device import device
from jaxcost.models.base import CostModel, LayerwiseCost, check_bounds, parameter, parameters_of
from jaxcost.workload import Workload, counts, mlp


class Affine(LayerwiseCost):
    """The simplest model of two parameters."""

    unit = "s"
    floor: Array = parameter(
        0, math.inf, unit="s", doc="time of a layer without work", start=1e-4, spread=2
    )
    pace: Array = parameter(1e-15, 0.1, unit="s/FLOP", doc="time of one FLOP")

    def layer_cost(self, layer, device):
        assert layer.batch.shape == ()
        return self.floor + self.pace * counts.flops(layer)


@pytest.fixture
def network():
    return mlp([3.0, 4.0, 5.0], batch_size=1, bias=False)


def test_the_cost_is_the_sum_of_the_layers(precision, network):
    model, t2000 = Affine(floor=100.0, pace=0.1), device("quadro-t2000")
    np.testing.assert_allclose(model.layer_costs(network, t2000), [102.4, 104.0], rtol=1e-6)
    assert model(network, t2000).shape == ()
    assert model(network, t2000) == pytest.approx(206.4)
    assert model(network, t2000).dtype == precision


def test_a_layer_counts_as_often_as_it_occurs(network):
    model, t2000 = Affine(floor=100.0, pace=0.1), device("quadro-t2000")
    thrice = eqx.tree_at(lambda w: w.repeat, network, jnp.array([3.0, 0.0]))
    assert model(thrice, t2000) == pytest.approx(307.2)
    assert model(network.pad_to(7), t2000) == pytest.approx(206.4)


def test_batches_of_networks_and_of_models_are_vmapped(network):
    t2000 = device("quadro-t2000")
    networks = Workload.stack([network, network[:1]])
    models = jax.vmap(Affine)(jnp.array([1.0, 2.0, 3.0]), jnp.full(3, 0.1))
    costs = jax.vmap(lambda model: jax.vmap(lambda w: model(w, t2000))(networks))(models)
    np.testing.assert_allclose(costs, [[8.4, 3.4], [10.4, 4.4], [12.4, 5.4]], rtol=1e-6)


def test_every_leaf_is_a_parameter_with_a_gradient(network):
    gradient = jax.grad(lambda m: m(network, device("quadro-t2000")))(Affine(1.0, 0.1))
    assert (gradient.floor, gradient.pace) == (2, 64)


def test_declared_parameters_are_listed_in_order():
    floor, pace = parameters_of(Affine)
    assert (floor.name, floor.lower, floor.upper) == ("floor", 0, math.inf)
    assert (floor.start, floor.spread) == (1e-4, 2)
    assert (pace.start, pace.spread) == (None, None)
    assert (pace.name, pace.unit, pace.doc) == ("pace", "s/FLOP", "time of one FLOP")
    assert parameters_of(Affine(1.0, 0.1)) == (floor, pace)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((-1.0, 0.1), "Affine.floor = -1 is not allowed; give a finite number of at least 0"),
        ((jnp.inf, 0.1), "Affine.floor = inf is not allowed"),
        ((1.0, jnp.nan), "Affine.pace = nan is not allowed; give a number from 1e-15 to 0.1"),
        ((1.0, 0.2), "Affine.pace = 0.2 is not allowed"),
        ((jnp.ones(2), 0.1), "Affine.floor has shape (2,); give one number"),
    ],
)
def test_values_out_of_bounds_are_refused_in_one_line(values, message):
    with pytest.raises(ValueError) as caught:
        Affine(*values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bounds_themselves_are_allowed(precision):
    assert Affine(0.0, 0.1).pace.dtype == precision
    assert Affine(0.0, 1e-15).floor == 0


def test_bounds_can_be_checked_after_an_edit():
    edited = eqx.tree_at(lambda m: m.pace, Affine(1.0, 0.1), jnp.asarray(0.2))
    with pytest.raises(ValueError, match="Affine.pace = 0.2"):
        check_bounds(edited)


def test_traced_values_are_not_looked_at():
    assert jax.jit(lambda x: Affine(x, x).floor)(-1.0) == -1


def test_bad_declarations_are_refused():
    with pytest.raises(ValueError, match="upper = 1 is not allowed; give more than lower = 1"):
        parameter(1, 1, unit="s", doc="")
    with pytest.raises(ValueError, match="spread = 1 is not allowed; give a number above 0"):
        parameter(0, 1, unit="s", doc="", start=0, spread=1)
    with pytest.raises(ValueError, match="spread = 0 is not allowed; give a number above 0"):
        parameter(0, 1, unit="s", doc="", start=0.5, spread=0)
    with pytest.raises(ValueError, match="start = 3 is not allowed; give a number from 0 to 1"):
        parameter(0, 1, unit="s", doc="", start=3)


def test_a_field_without_bounds_is_refused():
    class Undeclared(LayerwiseCost):
        unit = "s"
        pace: Array

        def layer_cost(self, layer, device):
            return self.pace

    with pytest.raises(TypeError, match="pace has no bounds; declare it with parameter"):
        Undeclared(jnp.asarray(1.0))


def test_the_bases_are_abstract():
    for base in (CostModel, LayerwiseCost):
        with pytest.raises(TypeError, match="abstract"):
            base()

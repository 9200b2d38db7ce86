"""A training step that jaxcost makes of a model is the one that a training loop takes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest

import jaxcost as jc
from jaxcost.trace.gradient import OPTIMIZERS, optimizer
from jaxcost.trace.measured import measure_program

X = jnp.ones((8, 16))
WEIGHTS = {"first": jnp.ones((16, 32)), "second": jnp.ones((32, 4))}
PARAMETERS = 16 * 32 + 32 * 4
QUANTITIES = ("flops", "macs", "elementwise_flops", "transcendentals", "parameters")


def loss(weights, x):
    return jnp.mean(jnp.tanh(x @ weights["first"]) @ weights["second"])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_counts_as_the_step_of_a_loop_of_ones_own(name):
    chain = optimizer(name)

    def own(weights, state, x):
        value, gradient = jax.value_and_grad(loss)(weights, x)
        changes, state = chain.update(gradient, state, weights)
        return value, optax.apply_updates(weights, changes), state

    ours = jc.count(loss, WEIGHTS, X, step=name)
    theirs = jc.count(own, WEIGHTS, chain.init(WEIGHTS), X, parameters=0)
    for quantity in QUANTITIES:
        assert getattr(ours, quantity) == getattr(theirs, quantity), quantity
    assert ours.bytes_moved == pytest.approx(theirs.bytes_moved, rel=1e-3)


def test_the_products_are_those_of_the_gradient_and_of_nothing_else():
    backward, step = (
        jc.count(loss, WEIGHTS, X, **how) for how in ({"backward": True}, {"step": "sgd"})
    )
    assert step.flops == backward.flops
    assert step.elementwise_flops - backward.elementwise_flops == 2 * PARAMETERS  # scaled, added


def test_a_models_parameters_take_it_and_its_inputs_do_not():
    model = eqx.nn.MLP(16, 4, 32, 1, key=jax.random.key(0))
    found = jc.count(jax.vmap(model), X, step="adam")
    assert found.parameters == sum(
        leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_array))
    )
    assert measure_program(model, X[0], step="adam") > 0


def test_without_parameters_there_is_no_step():
    with pytest.raises(ValueError, match="there is no step to take"):
        jc.count(lambda x: jnp.sum(x), X, parameters=(), step="sgd")
    with pytest.raises(ValueError, match="step 'adma' is not known; did you mean 'adam'"):
        jc.count(loss, WEIGHTS, X, step="adma")

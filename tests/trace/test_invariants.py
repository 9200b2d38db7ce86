"""However a model is held or wrapped, it counts the same."""

import functools
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from jaxcost.trace import count

X = jnp.ones((4, 12))
MACS, PARAMETERS = 4 * (12 * 7 + 7 * 5), 12 * 7 + 7 + 7 * 5 + 5
WEIGHTS = {
    "first": {"w": jnp.ones((12, 7)), "b": jnp.ones(7)},
    "last": {"w": jnp.ones((7, 5)), "b": jnp.ones(5)},
}


def network(weights, x):
    with jax.named_scope("first"):
        hidden = jnp.tanh(x @ weights["first"]["w"] + weights["first"]["b"][None])
    with jax.named_scope("last"):
        return hidden @ weights["last"]["w"] + weights["last"]["b"][None]


def closure(x):
    return network(WEIGHTS, x)


def of_one(x):
    return closure(x[None])[0]


HELD = {
    "closure": closure,
    "jit": jax.jit(closure),
    "filter_jit": eqx.filter_jit(closure),
    "checkpoint": jax.checkpoint(closure),
    "jit of checkpoint": jax.jit(jax.checkpoint(closure)),
    "vmap": jax.vmap(of_one),
    "jit of vmap": jax.jit(jax.vmap(of_one)),
    "partial": functools.partial(network, WEIGHTS),
    "jit of partial": jax.jit(functools.partial(network, WEIGHTS)),
    "in a branch": lambda x: jax.lax.cond(x[0, 0] > 0, closure, lambda x: x[:, :5], x),
    "in a loop": lambda x: jax.lax.map(of_one, x),
}


@pytest.mark.parametrize("how", HELD)
def test_a_function_counts_as_with_its_weights_as_arguments(how):
    found, plain = count(HELD[how], X), count(network, WEIGHTS, X)
    assert found.macs == plain.macs == MACS
    assert found.parameters == plain.parameters == PARAMETERS
    assert found.input_bytes == X.nbytes
    assert _products(found) == _products(plain) == ["first", "last"]


@pytest.mark.parametrize("how", HELD)
def test_backward_counts_the_gradient_by_weights_that_are_closed_over(how):
    with_arguments = jax.checkpoint(network) if "checkpoint" in how else network
    found, plain = (
        count(HELD[how], X, backward=True),
        count(with_arguments, WEIGHTS, X, backward=True),
    )
    assert found.macs == plain.macs > 1.9 * MACS


def test_constants_are_parameters_where_jax_keeps_them_in_the_program():
    jax.config.update("jax_use_simplified_jaxpr_constants", True)
    try:
        found = count(jax.jit(closure), X, backward=True)
    finally:
        jax.config.update("jax_use_simplified_jaxpr_constants", False)
    assert found.parameters == PARAMETERS
    assert found.macs == count(network, WEIGHTS, X, backward=True).macs


def test_backward_of_integers_takes_the_gradient_by_the_weights():
    table = jnp.ones((20, 12))
    tokens = jnp.zeros(4, int)
    found = count(lambda ids: closure(table[ids]), tokens, backward=True)
    assert found.parameters == PARAMETERS + table.size
    assert found.macs == 3 * MACS


def test_nothing_to_differentiate_by_is_said():
    with pytest.raises(ValueError, match="nothing to differentiate by"):
        count(lambda ids: ids.astype(float), jnp.zeros(4, int), backward=True)


@pytest.mark.parametrize("batch", [{"a": X, "mask": jnp.ones((4, 3))}, (X, X), [X]])
def test_a_batch_is_no_parameters(batch):
    def of_batch(batch):
        return closure(jax.tree.leaves(batch)[0])

    found = count(of_batch, batch)
    assert found.parameters == PARAMETERS
    assert found.input_bytes == sum(leaf.nbytes for leaf in jax.tree.leaves(batch))
    assert count(of_batch, batch, parameters=0).input_bytes == 0


class Perceptron(eqx.Module):
    first: eqx.nn.Linear
    last: eqx.nn.Linear

    def __init__(self):
        keys = jax.random.split(jax.random.key(0))
        self.first = eqx.nn.Linear(12, 7, key=keys[0])
        self.last = eqx.nn.Linear(7, 5, key=keys[1])

    def __call__(self, x):
        return self.last(jnp.tanh(self.first(x)))


MODEL = Perceptron()
WRAPPED = {
    "vmap": jax.vmap(MODEL),
    "filter_jit of vmap": eqx.filter_jit(lambda x: jax.vmap(MODEL)(x)),
    "filter_vmap": eqx.filter_vmap(MODEL),
    "closed over": lambda x: jax.vmap(MODEL)(x),
    "in a checkpoint": jax.vmap(jax.checkpoint(lambda x: MODEL(x))),
}


@pytest.mark.parametrize("how", WRAPPED)
def test_a_model_of_equinox_counts_the_same_under_any_wrapper(how):
    found = count(WRAPPED[how], X)
    assert (found.macs, found.parameters) == (MACS, PARAMETERS)
    assert _products(found) == ["first", "last"]
    plain = count(lambda model, x: jax.vmap(model)(x), MODEL, X, backward=True)
    again = 4 * 12 * 7 if "checkpoint" in how else 0
    assert count(WRAPPED[how], X, backward=True).macs == plain.macs + again > 1.9 * MACS


def _nnx_step():
    nnx, optax = pytest.importorskip("flax.nnx"), pytest.importorskip("optax")

    class Network(nnx.Module):
        def __init__(self, rngs):
            self.first, self.last = nnx.Linear(12, 7, rngs=rngs), nnx.Linear(7, 5, rngs=rngs)
            self.norm, self.drop = nnx.BatchNorm(7, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x):
            return self.last(self.drop(self.norm(self.first(x))))

    def step(model, optimizer, x):
        loss, gradient = nnx.value_and_grad(lambda model: (model(x) ** 2).mean())(model)
        optimizer.update(model, gradient)
        return loss

    model = Network(nnx.Rngs(0))
    return nnx, model, nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param), step


def test_a_step_of_nnx_that_updates_in_place_counts_as_it_does_compiled():
    nnx, model, optimizer, step = _nnx_step()
    plain, compiled = (count(f, model, optimizer, X) for f in (step, nnx.jit(step)))
    assert plain.flops == compiled.flops > 1.9 * 2 * MACS
    assert plain.parameters == compiled.parameters == PARAMETERS + 14


def test_nnx_differentiates_in_training_mode():
    _, model, _, _ = _nnx_step()
    with jax.numpy_rank_promotion("allow"):
        found = count(model, X, backward=True)
    assert found.macs == 3 * MACS - 4 * 12 * 7
    assert found.parameters == PARAMETERS + 14


def test_linen_has_every_random_stream_it_asks_for():
    nn = pytest.importorskip("flax.linen")

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            noise = jax.random.normal(self.make_rng("noise"), x.shape)
            return nn.Dense(5)(nn.Dropout(0.5, deterministic=False)(x + noise))

    with jax.numpy_rank_promotion("allow"):
        found = count(Network(), X)
        given = count(Network(), X, rngs={"noise": jax.random.key(0)})
    assert found.macs == given.macs == 4 * 12 * 5
    assert found.parameters == given.parameters == 12 * 5 + 5


@pytest.fixture
def keras(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with jax.numpy_rank_promotion("allow"):
        yield pytest.importorskip("keras")


def _layers(keras):
    return [keras.layers.Dense(7), keras.layers.Dropout(0.5), keras.layers.Dense(5)]


@pytest.mark.parametrize("frozen", [False, True])
def test_keras_counts_frozen_weights_and_no_gradient_by_them(keras, frozen):
    model = keras.Sequential([keras.Input((12,)), *_layers(keras)])
    model.layers[0].trainable = not frozen
    found = count(model, X, backward=True)
    assert found.parameters == PARAMETERS
    assert found.macs == MACS + 2 * 4 * 7 * 5 * (1 if not frozen else 0.5) + 4 * 84 * (not frozen)


def test_keras_takes_several_inputs_and_models_that_are_not_built(keras):
    class Sum(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, _, self.last = _layers(keras)

        def call(self, inputs):
            return self.last(self.first(inputs["a"]) + inputs["b"])

    inputs = {"a": X, "b": jnp.ones((4, 7))}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = count(Sum(), inputs)
    assert (found.macs, found.parameters) == (MACS, PARAMETERS)
    alone = count(keras.layers.Dense(7), X)
    assert (alone.macs, alone.parameters) == (4 * 84, 91)


def _products(found):
    names = [row["name"] for row in found.layers() if row["macs"]]
    return [next((end for end in ("first", "last") if end in name), name) for name in names]

"""A network in Keras on its JAX backend, trained to half its latency and made smaller.

python examples/regularize_keras.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import digits
import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax

import jaxcost as jc


class Gates(keras.layers.Layer):
    """Gates on the units of the layer before."""

    def build(self, shape):
        self.logits = self.add_weight(name="logits", shape=shape[-1:])
        self.logits.assign(jc.open_gates(shape[-1]))

    def call(self, x):
        return x * jc.gates(self.logits.value)


def network_of(widths: list[int], gated: bool) -> keras.Model:
    """Dense layers, each hidden one with gates if `gated`."""
    layers: list = [keras.Input((widths[0],))]
    for width in widths[1:-1]:
        layers += [keras.layers.Dense(width, activation="relu"), *([Gates()] if gated else [])]
    return keras.Sequential([*layers, keras.layers.Dense(widths[-1])])


def smaller(network: keras.Model, kept: list[np.ndarray]) -> keras.Model:
    """A network of only the hidden units kept, without gates."""
    sides = [np.arange(digits.INPUTS), *kept, np.arange(digits.OUTPUTS)]
    small = network_of([len(side) for side in sides], gated=False)
    full = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    for new, old, rows, columns in zip(small.layers, full, sides[:-1], sides[1:]):
        kernel, bias = old.get_weights()
        new.set_weights([kernel[np.ix_(rows, columns)], bias[columns]])
    return small


def main(steps: int = 1500) -> dict:
    x, y, x_test, y_test = digits.data()
    keras.utils.set_random_seed(0)
    network = network_of([digits.INPUTS, *digits.HIDDEN, digits.OUTPUTS], gated=True)
    places = [i for i, v in enumerate(network.trainable_variables) if v.name == "logits"]
    weights = [v.value for v in network.trainable_variables]
    optimiser = optax.adam(3e-3)
    state = optimiser.init(weights)

    def widths(weights: list[jax.Array]) -> jax.Array:
        return jnp.stack([jc.soft_width(weights[i]) for i in places])

    regularizer = jc.CostRegularizer(digits.latency, target=digits.BUDGET)  # 1
    pressure = regularizer.init(widths(weights))

    @jax.jit
    def step(weights, state, pressure, x, y):
        def loss(weights):
            logits, _ = network.stateless_call(weights, [], x)
            task = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
            return task + regularizer(widths(weights), pressure), task  # 2

        (_, task), slope = jax.value_and_grad(loss, has_aux=True)(weights)
        change, state = optimiser.update(slope, state)
        weights = optax.apply_updates(weights, change)
        return weights, state, regularizer.update(pressure, widths(weights), task)  # 3

    for batch in digits.batches(x, y, steps):
        weights, state, pressure = step(weights, state, pressure, *batch)
    for variable, value in zip(network.trainable_variables, weights):
        variable.assign(value)
    kept = jc.keep_within(digits.latency, [np.asarray(weights[i]) for i in places], digits.BUDGET)
    small = smaller(network, kept)
    before, after = (float((n(x_test).argmax(-1) == y_test).mean()) for n in (network, small))
    return digits.told("Keras", before, after, kept)


if __name__ == "__main__":
    main()

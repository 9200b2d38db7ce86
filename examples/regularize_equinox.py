"""A network in Equinox, trained to half its latency and made smaller.

python examples/regularize_equinox.py
"""

import digits
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxcost as jc


class Network(eqx.Module):
    layers: list[eqx.nn.Linear]
    logits: list[jax.Array]

    def __init__(self, widths: list[int], key: jax.Array) -> None:
        keys = jax.random.split(key, len(widths) - 1)
        pairs = zip(widths[:-1], widths[1:], keys)
        self.layers = [eqx.nn.Linear(i, o, key=k) for i, o, k in pairs]
        self.logits = [jc.open_gates(width) for width in widths[1:-1]]

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer, logits in zip(self.layers, self.logits):
            x = jax.nn.relu(layer(x)) * jc.gates(logits)
        return self.layers[-1](x)

    def widths(self) -> jax.Array:
        return jnp.stack([jc.soft_width(logits) for logits in self.logits])


def smaller(network: Network, kept: list[np.ndarray]) -> Network:
    """The network with only the hidden units kept, and all gates open."""
    sides = [np.arange(digits.INPUTS), *kept, np.arange(digits.OUTPUTS)]
    layers = []
    for layer, rows, columns in zip(network.layers, sides[1:], sides[:-1]):
        part = eqx.nn.Linear(len(columns), len(rows), key=jax.random.key(0))
        given = (layer.weight[np.ix_(rows, columns)], layer.bias[rows])
        layers.append(eqx.tree_at(lambda p: (p.weight, p.bias), part, given))
    logits = [jnp.ones(len(k)) for k in kept]
    return eqx.tree_at(lambda n: (n.layers, n.logits), network, (layers, logits))


def accuracy(network: Network, x: np.ndarray, y: np.ndarray) -> float:
    return float((jax.vmap(network)(x).argmax(-1) == y).mean())


def main(steps: int = 1500) -> dict:
    x, y, x_test, y_test = digits.data()
    network = Network([digits.INPUTS, *digits.HIDDEN, digits.OUTPUTS], jax.random.key(0))
    optimiser = optax.adam(3e-3)
    state = optimiser.init(eqx.filter(network, eqx.is_array))
    regularizer = jc.CostRegularizer(digits.latency, target=digits.BUDGET)  # 1
    pressure = regularizer.init(network.widths())

    @eqx.filter_jit
    def step(network, state, pressure, x, y):
        def loss(network):
            logits = jax.vmap(network)(x)
            task = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
            return task + regularizer(network.widths(), pressure), task  # 2

        (_, task), slope = eqx.filter_value_and_grad(loss, has_aux=True)(network)
        change, state = optimiser.update(slope, state)
        network = eqx.apply_updates(network, change)
        return network, state, regularizer.update(pressure, network.widths(), task)  # 3

    for batch in digits.batches(x, y, steps):
        network, state, pressure = step(network, state, pressure, *batch)
    kept = jc.keep_within(digits.latency, network.logits, digits.BUDGET)
    small = smaller(network, kept)
    before, after = (accuracy(n, x_test, y_test) for n in (network, small))
    return digits.told("Equinox", before, after, kept)


if __name__ == "__main__":
    main()

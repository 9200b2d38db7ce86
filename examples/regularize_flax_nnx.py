"""A network in Flax NNX, trained to half its latency and made smaller.

python examples/regularize_flax_nnx.py
"""

import itertools

import digits
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import jaxcost as jc


class Network(nnx.Module):
    def __init__(self, widths: list[int], rngs: nnx.Rngs) -> None:
        pairs = itertools.pairwise(widths)
        self.layers = nnx.List([nnx.Linear(i, o, rngs=rngs) for i, o in pairs])
        self.logits = nnx.List([nnx.Param(jc.open_gates(width)) for width in widths[1:-1]])

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer, logits in zip(self.layers, self.logits):
            x = nnx.relu(layer(x)) * jc.gates(logits[...])
        return self.layers[-1](x)

    def widths(self) -> jax.Array:
        return jnp.stack([jc.soft_width(logits[...]) for logits in self.logits])


def smaller(network: Network, kept: list[np.ndarray]) -> Network:
    """A network of only the hidden units kept, with all gates open."""
    sides = [np.arange(digits.INPUTS), *kept, np.arange(digits.OUTPUTS)]
    small = Network([len(side) for side in sides], nnx.Rngs(0))
    for new, old, rows, columns in zip(small.layers, network.layers, sides[:-1], sides[1:]):
        new.kernel[...] = old.kernel[...][np.ix_(rows, columns)]
        new.bias[...] = old.bias[...][columns]
    return small


def accuracy(network: Network, x: np.ndarray, y: np.ndarray) -> float:
    return float((network(x).argmax(-1) == y).mean())


def main(steps: int = 1500) -> dict:
    x, y, x_test, y_test = digits.data()
    network = Network([digits.INPUTS, *digits.HIDDEN, digits.OUTPUTS], nnx.Rngs(0))
    optimiser = nnx.Optimizer(network, optax.adam(3e-3), wrt=nnx.Param)
    regularizer = jc.CostRegularizer(digits.latency, target=digits.BUDGET)  # 1
    pressure = regularizer.init(network.widths())

    @nnx.jit
    def step(network, optimiser, pressure, x, y):
        def loss(network):
            task = optax.softmax_cross_entropy_with_integer_labels(network(x), y).mean()
            return task + regularizer(network.widths(), pressure), task  # 2

        (_, task), slope = nnx.value_and_grad(loss, has_aux=True)(network)
        optimiser.update(network, slope)
        return regularizer.update(pressure, network.widths(), task)  # 3

    for batch in digits.batches(x, y, steps):
        pressure = step(network, optimiser, pressure, *batch)
    logits = [np.asarray(logits[...]) for logits in network.logits]
    kept = jc.keep_within(digits.latency, logits, digits.BUDGET)
    small = smaller(network, kept)
    before, after = (accuracy(n, x_test, y_test) for n in (network, small))
    return digits.told("Flax NNX", before, after, kept)


if __name__ == "__main__":
    main()

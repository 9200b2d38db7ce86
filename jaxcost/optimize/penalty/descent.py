"""How gates are stepped: by one scale for all of them, so that what each costs decides."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array


class CommonScale(NamedTuple):
    """Momentum of every gate, the running mean square of all gates together, and the step."""

    momentum: Any
    square: Array
    step: Array


def gate_optimizer(learning_rate: float = 0.02) -> optax.GradientTransformation:
    """Adam with one second moment for all gates instead of one for each.

    Adam itself moves every gate by about the same step, whatever its gradient: a layer whose
    channels cost little would then lose as many as one whose channels cost much.

    Args: learning_rate: about the step, in logits, of a gate with the mean square gradient.
    """
    fast, slow = 0.9, 0.98

    def init(params: Any) -> CommonScale:
        return CommonScale(jax.tree.map(jnp.zeros_like, params), jnp.zeros(()), jnp.zeros(()))

    def update(slope: Any, state: CommonScale, params: Any = None) -> tuple[Any, CommonScale]:
        del params
        leaves = jax.tree.leaves(slope)
        number = sum(leaf.size for leaf in leaves)
        now = sum(jnp.sum(leaf**2) for leaf in leaves) / number
        step = state.step + 1
        square = slow * state.square + (1 - slow) * now
        momentum = jax.tree.map(lambda m, s: fast * m + (1 - fast) * s, state.momentum, slope)
        tiny = jnp.finfo(square.dtype).tiny
        scale = learning_rate / jnp.sqrt(square / (1 - slow**step) + tiny) / (1 - fast**step)
        return jax.tree.map(lambda m: -scale * m, momentum), CommonScale(momentum, square, step)

    return optax.GradientTransformation(init, update)

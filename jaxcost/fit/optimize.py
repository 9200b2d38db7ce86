"""Minimising a smooth function with optax's L-BFGS."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float


def minimize(
    objective: Callable[..., Float[Array, ""]],
    start: Float[Array, " parameters"],
    *args: Any,
    max_steps: int = 400,
    tolerance: float = 1e-9,
) -> tuple[Float[Array, " parameters"], Float[Array, ""]]:
    """The local minimum of `objective(z, *args)` reached from `start`, and its value.

    Stops when a step has gained less than `tolerance` of the value, or after `max_steps`. Pure:
    may be jitted, and mapped over starts and `args`.
    """
    search = optax.scale_by_zoom_linesearch(max_linesearch_steps=20, initial_guess_strategy="one")
    solver = optax.lbfgs(memory_size=15, linesearch=search)

    def value(z: Array) -> Array:
        return objective(z, *args)

    value_and_grad = optax.value_and_grad_from_state(value)

    def step(carry: tuple) -> tuple:
        z, state, before, _, count = carry
        now, slope = value_and_grad(z, state=state)
        change, state = solver.update(slope, state, z, value=now, grad=slope, value_fn=value)
        return optax.apply_updates(z, change), state, now, before - now, count + 1

    def unfinished(carry: tuple) -> Array:
        _, _, now, gain, count = carry
        return (count < max_steps) & ((count < 3) | (gain > tolerance * (1 + jnp.abs(now))))

    infinite = jnp.asarray(jnp.inf, start.dtype)
    carry = (start, solver.init(start), infinite, infinite, 0)
    z, *_ = jax.lax.while_loop(unfinished, step, carry)
    return z, value(z)

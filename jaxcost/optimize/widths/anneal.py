"""Gradient descent on the smooth model from many starts at once, while the temperature falls."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from jaxcost.optimize.problem import Problem

Schedule = Callable[[Any], Any]
_STIFFNESS = 8.0  # of a broken budget, per ln, beside an objective in ln
_PATIENCE = 0.15  # how fast multipliers follow


class Descent(NamedTuple):
    """Where each start ended: widths `(starts, n)`, smooth objective and ln(cost / limit) there.

    `path` has the widths of every start after each step, shape `(steps, starts, n)`.
    """

    widths: np.ndarray
    smooth: np.ndarray
    over: np.ndarray
    path: np.ndarray


def default_schedule(steps: int) -> Schedule:
    """Temperature 1 falling geometrically to 0.02 over nine tenths of the steps."""
    return optax.exponential_decay(1.0, max(int(0.9 * steps), 1), 0.02, end_value=0.02)


def descend(
    problem: Problem,
    starts: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    *,
    steps: int,
    schedule: Schedule,
    learning_rate: float,
    held: int = 0,
) -> Descent:
    """The widths that each start reaches; the last `held` entries of a start stay as they are.

    Widths are searched by their logarithms with Adam, kept to the bounds by projection, and to
    the budgets by an augmented Lagrangian in ln(cost / limit), so that no weight is to be chosen:
    an objective that is positive is searched by its logarithm, too, and any other in units
    of its spread over the starts.
    """
    temperatures = jnp.asarray([schedule(i) for i in range(steps)], dtype=float)
    rates = optax.cosine_decay_schedule(learning_rate, steps, alpha=0.02)
    ends = [jnp.log(jnp.asarray(end, dtype=float)) for end in bounds]
    z = jnp.log(jnp.asarray(starts, dtype=float))
    pace = jnp.asarray([rates(i) for i in range(steps)], dtype=float)
    moves = jnp.arange(z.shape[1]) < z.shape[1] - held
    found = _descend(problem, z, ends, moves, temperatures, pace)
    widths, smooth, over, path = (np.asarray(x, np.float64) for x in found)
    return Descent(widths, smooth, over, path)


@eqx.filter_jit
def _descend(
    problem: Problem,
    starts: Array,
    ends: list[Array],
    moves: Array,
    temperatures: Array,
    rates: Array,
) -> tuple[Array, Array, Array, Array]:
    first, _ = jax.vmap(lambda z: problem(jnp.exp(z), temperatures[0]))(starts)
    known = jnp.isfinite(first)
    spread = jnp.std(first, where=known)
    scale = (jnp.all(jnp.where(known, first, 1.0) > 0), jnp.where(spread > 0, spread, 1.0))

    pace = (temperatures, rates[:, None] * moves[None])

    def one(z: Array) -> tuple[Array, Array, Array, Array]:
        return _from_one_start(problem, z, ends, pace, scale)

    widths, smooth, over, path = jax.vmap(one)(starts)
    return widths, smooth, over, jnp.swapaxes(path, 0, 1)


def _from_one_start(
    problem: Problem,
    start: Array,
    ends: list[Array],
    pace: tuple[Array, Array],
    scale: tuple[Array, Array],
) -> tuple[Array, Array, Array, Array]:
    solver = optax.scale_by_adam(b1=0.8, b2=0.95)

    def lagrangian(z: Array, temperature: Array, pressure: Array) -> tuple[Array, Array]:
        value, over = problem(jnp.exp(z), temperature)
        broken = jax.nn.relu(over + pressure / _STIFFNESS)
        return _scaled(value, *scale) + 0.5 * _STIFFNESS * jnp.sum(broken**2), over

    def step(carry: tuple, now: tuple[Array, Array]) -> tuple[tuple, Array]:
        z, state, pressure = carry
        temperature, rate = now
        slope, over = jax.grad(lagrangian, has_aux=True)(z, temperature, pressure)
        slope = jnp.where(jnp.isfinite(slope), slope, 0.0)
        change, state = solver.update(slope, state)
        z = jnp.clip(z - rate * change, *ends)
        followed = jax.nn.relu(pressure + _PATIENCE * _STIFFNESS * over)
        pressure = jnp.where(jnp.isfinite(followed), followed, pressure)
        return (z, state, pressure), jnp.exp(z)

    carry = (start, solver.init(start), jnp.zeros(len(problem.names)))
    (z, _, _), path = jax.lax.scan(step, carry, pace)
    return jnp.exp(z), *problem(jnp.exp(z), pace[0][-1]), path


def _scaled(value: Array, positive: Array, spread: Array) -> Float[Array, ""]:
    safe = jnp.where(positive, value, 1.0)
    tiny = jnp.finfo(safe.dtype).tiny
    return jnp.where(positive, jnp.log(jnp.maximum(safe, tiny)), value / spread)

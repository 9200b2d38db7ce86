"""Minimising a sum of squares, robust or not, by damped Gauss-Newton steps."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

_FIRST_DAMPING, _LEAST_DAMPING = 1e-2, 1e-12  # almost a Gauss-Newton step, and one
_MOST_DAMPING = 1e16  # no step so short goes down: this is the minimum, to rounding
_FLAT = 1e-9  # of the largest curvature: a direction in which the loss hardly changes
_NOTHING = 1e-12  # of a loss: that of rows which the model fits to rounding
_FURTHEST = 4.0  # that a step moves any parameter, in logarithms a factor of 55


class Point(NamedTuple):
    """The loss at `z`, its gradient, and the Gauss-Newton approximation of its Hessian."""

    z: Float[Array, " parameters"]
    value: Float[Array, ""]
    gradient: Float[Array, " parameters"]
    curvature: Float[Array, "parameters parameters"]


class LevenbergMarquardtState(NamedTuple):
    """The lowest point so far, what the last step gained, and what shapes the next.

    `largest` is the largest curvature met so far along each parameter, `damping` is in its units,
    `expected` what the next step would gain if the loss were quadratic.
    """

    lowest: Point
    largest: Float[Array, " parameters"]
    gain: Float[Array, ""]
    expected: Float[Array, ""]
    damping: Float[Array, ""]
    growth: Float[Array, ""]


def levenberg_marquardt() -> optax.GradientTransformationExtraArgs:
    """Damped Gauss-Newton steps, as an optax transformation; `update` needs two things more.

    Its `update(gradient, state, params, value=, curvature=)` takes the loss at `params`, a vector,
    and a positive semidefinite approximation of its Hessian there. Where the loss has risen, the
    update leads from the lowest point so far by a shorter step: `state.lowest` is the result.

    Source: Madsen, Nielsen, Tingleff (2004), Methods for non-linear least squares problems,
        algorithm 3.16; scaled as in Moré (1978), The Levenberg-Marquardt algorithm, section 6.
    """

    def init(params: Array) -> LevenbergMarquardtState:
        inf, none = jnp.full((), jnp.inf, params.dtype), jnp.zeros_like(params)
        start = Point(params, inf, none, jnp.zeros((params.size, params.size), params.dtype))
        numbers = (jnp.full_like(inf, x) for x in (_FIRST_DAMPING, 2.0))
        return LevenbergMarquardtState(start, none, inf, inf, *numbers)

    def update(
        updates: Array,
        state: LevenbergMarquardtState,
        params: Array | None = None,
        *,
        value: Array,
        curvature: Array,
        **_: object,
    ) -> tuple[Array, LevenbergMarquardtState]:
        assert params is not None
        here = Point(params, value, updates, curvature)
        down = value < state.lowest.value
        lowest = jax.tree.map(lambda new, old: jnp.where(down, new, old), here, state.lowest)
        largest = jnp.maximum(state.largest, jnp.diagonal(lowest.curvature))
        gain = state.lowest.value - value
        share = jnp.where(jnp.isfinite(gain), gain / state.expected, 0)
        eased = state.damping * jnp.clip(1 - (2 * share - 1) ** 3, 1 / 3, 1)
        damping = jnp.where(down, eased, state.damping * state.growth)
        growth = jnp.where(down, 2.0, 2 * state.growth)
        step, expected = _step(lowest, largest, damping)
        kept = LevenbergMarquardtState(
            lowest, largest, jnp.where(down, gain, 0), expected,
            jnp.maximum(damping, _LEAST_DAMPING), growth,
        )  # fmt: skip
        return lowest.z + step - params, kept

    return optax.GradientTransformationExtraArgs(init, update)


def _step(at: Point, largest: Array, damping: Array) -> tuple[Array, Array]:
    """The damped step, and what it would gain if the loss were quadratic."""
    scale = jnp.sqrt(jnp.maximum(largest, _FLAT * jnp.max(largest)) + jnp.finfo(largest.dtype).tiny)
    scaled = at.curvature / (scale[:, None] * scale[None])
    damped = scaled + damping * jnp.eye(scale.size, dtype=scale.dtype)
    full = -jax.scipy.linalg.solve(damped, at.gradient / scale, assume_a="pos") / scale
    step = full * jnp.minimum(1, _FURTHEST / jnp.max(jnp.abs(full)))
    step = jnp.where(jnp.isfinite(step), step, 0)
    return step, -(at.gradient @ step) - step @ at.curvature @ step / 2


def minimize(
    linearised: Callable[[Array], tuple[Array, Array, Array]],
    start: Float[Array, " parameters"],
    *,
    max_steps: int = 400,
    tolerance: float = 1e-7,
) -> tuple[Float[Array, " parameters"], Float[Array, ""]]:
    """The local minimum reached from `start`, and its value.

    Stops when a step has gained less than `tolerance` of the value, or would, or after
    `max_steps`. Pure: may be jitted, and mapped over starts.

    Args:
        linearised: from `z` to the loss, its gradient and its Gauss-Newton Hessian there.
    """
    solver = levenberg_marquardt()

    def step(carry: tuple) -> tuple:
        z, state, count = carry
        value, gradient, curvature = linearised(z)
        change, state = solver.update(gradient, state, z, value=value, curvature=curvature)
        return optax.apply_updates(z, change), state, count + 1

    def unfinished(carry: tuple) -> Array:
        _, state, count = carry
        little = tolerance * jnp.abs(state.lowest.value) + _NOTHING
        settled = (state.gain > 0) & (state.gain <= little)
        nowhere = (state.expected <= 1e-3 * little) | (state.damping > _MOST_DAMPING)
        return (count < max_steps) & ((count < 3) | ~(settled | nowhere))

    _, state, _ = jax.lax.while_loop(unfinished, step, (start, solver.init(start), 0))
    return state.lowest.z, state.lowest.value

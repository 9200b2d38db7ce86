"""A penalty that brings a network's cost to its target in training, and finds its own weight."""

import warnings
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcost._support.messages import refused, shown, unknown
from jaxcost._support.sizes import one, positive_scalar, real
from jaxcost.workload.tiles import secant

MODES = ("hinge", "log", "linear")
_DAMPING = 4.0  # of the penalty's curvature above the target, in weights
_MOST = 14.0  # ln of the weight, either way: six decades
_NARROWED = (0.5, 0.1, 1e-2, 1e-4)  # of the widths: from them to hardly any
_BETWEEN = 25  # scales of the widths that are tried where narrower is not always cheaper
_MEMORY = 0.98  # of the loss's running mean


class Pressure(eqx.Module):
    """What a `CostRegularizer` carries from step to step; scalars.

    Args: log_weight: ln of the penalty's weight in losses per ln(cost); loss: its running mean;
        step: how many there were.
    """

    log_weight: Float[Array, ""]
    loss: Float[Array, ""]
    step: Float[Array, ""]


class CostRegularizer(eqx.Module):
    """What a network's cost above its target adds to the loss, in units of the loss.

        hinge    penalty = W s max(0, r)      r = ln(cost / target)
        log      penalty = W s r
        linear   penalty = W s (cost / target - 1)

    where s is the running mean of the loss, and W the weight, which nobody has to choose: it is
    multiplied by exp(rate * r) in every step, r cut to one, so it grows while the target is missed
    and falls once it is met. A quadratic term above the target damps the approach.

        regularizer = jc.CostRegularizer(latency, target=2e-3)
        pressure = regularizer.init(widths)
        loss = task_loss + regularizer(widths, pressure)                  # within the loss
        pressure = regularizer.update(pressure, widths, task_loss)        # after each step

    Pure: all of it may be jitted, differentiated and kept in any framework's training state.

    Args:
        cost_fn: from widths, an array or a pytree of arrays, to one number above 0; static.
        target: what the cost shall be at most, in its unit, > 0, keyword-only as are the next.
        mode: 'hinge' for a budget; 'log' and 'linear' also press, ever less, below the target.
        schedule: factor on the penalty by step, such as a warm-up from optax; None is 1.
        tile: what the hardware rounds widths up to; the gradient is then the secant's over two
            tiles, see `jaxcost.secant`. None: the cost's own gradient.
        rate: how fast the weight follows, per step, > 0.
    Raises: ValueError: a target or rate that is not above 0, an unknown mode; `init`: a cost that
        is no single number above 0, a target below what the cost is at no width.
    Source: the multiplier method of Platt and Barr (1987), in logarithms.
    """

    cost_fn: Callable[[Any], Array] = eqx.field(static=True)
    target: Float[Array, ""] = eqx.field(
        kw_only=True, converter=lambda t: positive_scalar("target", t)
    )
    mode: str = eqx.field(static=True, default="hinge", kw_only=True)
    schedule: Callable[[Any], Any] | None = eqx.field(static=True, default=None, kw_only=True)
    tile: float | None = eqx.field(static=True, default=None, kw_only=True)
    rate: Float[Array, ""] = eqx.field(
        kw_only=True, default=0.01, converter=lambda r: positive_scalar("rate", r)
    )

    def __check_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(unknown("mode", self.mode, MODES))
        if not callable(self.cost_fn):
            raise ValueError(refused("cost_fn", self.cost_fn, "a function of widths"))
        if self.schedule is not None and not callable(self.schedule):
            raise ValueError(refused("schedule", self.schedule, "a function of the step, or None"))
        if self.tile is not None:
            one("tile", self.tile, lambda t: 0 < t < float("inf"), "a finite number above 0")

    def init(self, widths: Any) -> Pressure:
        """The state before the first step, which is without penalty: the loss is yet unknown.

        Checks the cost at `widths`, which must be concrete, and that it can fall to the target:
        where narrower is never dearer, what is left of the cost at no width at all is its least.

        Warns: UserWarning: narrower is at times dearer, and none of the widths tried is cheap
            enough, though others might be.
        """
        cost = jnp.asarray(self.cost_fn(widths))
        if cost.shape != ():
            raise ValueError(f"cost_fn returns shape {cost.shape}; give one that returns a number")
        if not 0 < float(cost) < float("inf"):
            raise ValueError(refused("cost_fn(widths)", float(cost), "a cost that is above 0"))
        self._check_reachable(widths, float(cost))
        zero = jnp.zeros_like(self.target)
        return Pressure(log_weight=zero, loss=zero, step=zero)

    def _check_reachable(self, widths: Any, cost: float) -> None:
        costs = np.array([cost, *(self._cost_of(widths, f) for f in _NARROWED)])
        if (np.diff(costs) > 0).any():  # it dips: the least may lie anywhere between
            between = np.geomspace(1.0, _NARROWED[-1], _BETWEEN)[1:-1]
            more = [self._cost_of(widths, f) for f in between]
            order = np.argsort([-1.0, *(-f for f in _NARROWED), *-between])
            costs = np.array([*costs, *more])[order]
        least, target = float(costs.min()), float(self.target) * (1 + 1e-5)
        dip = float((costs / np.minimum.accumulate(costs)).max())  # other widths may dip as far
        if least / dip > target:
            allowed = f"a target above {shown(least)}, what is left of the cost at no width"
            raise ValueError(refused("target", float(self.target), allowed))
        if least > target:
            warnings.warn(
                f"the target of {shown(float(self.target))} may never be reached: narrower is at "
                f"times dearer, and at {len(costs)} scales of the widths the cost is at least "
                f"{shown(least)}",
                stacklevel=3,
            )

    def _cost_of(self, widths: Any, factor: float) -> float:
        found = float(self.cost_fn(jax.tree.map(lambda w: jnp.asarray(w) * factor, widths)))
        return found if np.isfinite(found) else np.inf  # such widths reach nothing

    def __call__(self, widths: Any, pressure: Pressure) -> Float[Array, ""]:
        """The penalty, to be added to the loss."""
        flat, unravel = ravel_pytree(widths)
        cost = _scalar_of(self.cost_fn, unravel)
        if self.tile is not None:
            cost = secant(cost, self.tile)
        ratio = self._log_ratio(cost(flat))
        above = jax.nn.relu(ratio)
        plain = {"hinge": above, "log": ratio, "linear": jnp.expm1(jnp.minimum(ratio, _MOST))}
        factor = 1.0 if self.schedule is None else self.schedule(pressure.step)
        weight = jnp.exp(jnp.clip(pressure.log_weight, -_MOST, _MOST)) * factor
        penalty = plain[self.mode] + 0.5 * _DAMPING * above**2
        return jax.lax.stop_gradient(weight * pressure.loss) * penalty

    def update(self, pressure: Pressure, widths: Any, loss: ArrayLike | None = None) -> Pressure:
        """The state after a step.

        Args: loss: without the penalty; its mean is s; None: s is 1.
        """
        ratio = jnp.clip(self._log_ratio(self.cost_fn(widths)), -1, 1)
        moved = jnp.clip(pressure.log_weight + self.rate * ratio, -_MOST, _MOST)
        first = pressure.step == 0
        if loss is None:
            now = jnp.where(first, 1.0, pressure.loss)
        else:
            now = jnp.abs(real("loss", loss).astype(pressure.loss.dtype))
        kept = jnp.where(first, 0.0, _MEMORY)
        mean = kept * pressure.loss + (1 - kept) * now
        state = Pressure(
            moved, jnp.where(jnp.isfinite(mean), mean, pressure.loss), pressure.step + 1
        )
        return jax.lax.stop_gradient(state)

    def _log_ratio(self, cost: Array) -> Float[Array, ""]:
        tiny = jnp.finfo(self.target.dtype).tiny
        return jnp.log(jnp.maximum(cost, tiny)) - jnp.log(self.target)


def _scalar_of(cost_fn: Callable[[Any], Array], unravel: Callable) -> Callable[[Array], Array]:
    return lambda flat: jnp.asarray(cost_fn(unravel(flat)))

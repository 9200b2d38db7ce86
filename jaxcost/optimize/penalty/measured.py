"""Making a network smaller until what is measured, and not only predicted, is within its target."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxcost._support.messages import refused
from jaxcost.optimize.penalty.soft import keep_within


class KeptMeasured(NamedTuple):
    """What `keep_measured` found.

    Attributes:
        kept: indices of the channels kept in each layer, ascending.
        cost: of that network as measured, in the target's unit.
        met: whether it is within the target.
        tried: widths and measured cost of every network that was measured, in order.
    """

    kept: list[np.ndarray]
    cost: float
    met: bool
    tried: list[tuple[tuple[int, ...], float]]


def keep_measured(
    cost_fn: Callable[[Any], Array],
    measure: Callable[[tuple[int, ...]], float],
    logits: Sequence[ArrayLike],
    target: float,
    *,
    tolerance: float = 0.04,
    attempts: int = 6,
    multiple: int = 1,
) -> KeptMeasured:
    """Which channels to keep so that the smaller network's measured cost is within its target.

    As `keep_within`, and after each measurement the prediction is corrected by it, up or down,
    until a network lies between `(1 - tolerance) * target` and the target, a network comes again,
    or the attempts are used up. Of the networks within the target the costliest is taken.

    Args:
        cost_fn: from widths, shape `(layers,)`, to the predicted cost.
        measure: from widths to the cost measured, > 0, such as the time of the smaller network.
        logits, multiple: as in `keep_within`.
        target: of the measured cost, in its unit.
        tolerance: how far below its target a network may stay, from 0 to 1, keyword-only.
        attempts: how many networks are measured at most, 1 or more, keyword-only.
    Raises: ValueError: as `keep_within` for the first network; a measurement that is no number
        above 0; a tolerance or a number of attempts out of its range.
    """
    if not 0 <= tolerance < 1:
        raise ValueError(refused("tolerance", tolerance, "a number from 0 to below 1"))
    if attempts < 1:
        raise ValueError(refused("attempts", attempts, "a whole number of at least 1"))
    kept: list[np.ndarray] | None = keep_within(cost_fn, logits, target, multiple=multiple)
    found: dict[tuple[int, ...], tuple[float, list[np.ndarray]]] = {}
    while kept is not None and len(found) < attempts and _widths(kept) not in found:
        cost = float(measure(_widths(kept)))
        if not 0 < cost < np.inf:
            raise ValueError(refused(f"measure({_widths(kept)})", cost, "a cost that is above 0"))
        found[_widths(kept)] = (cost, kept)
        if (1 - tolerance) * target <= cost <= target:
            break
        predicted = float(cost_fn(jnp.asarray(_widths(kept), dtype=float)))
        aim = predicted * (1 - tolerance / 2) * target / cost
        kept = _within_if_possible(cost_fn, logits, aim, multiple)
    cost, best = max(found.values(), key=lambda pair: (pair[0] <= target, -abs(pair[0] - target)))
    return KeptMeasured(best, cost, cost <= target, [(w, c) for w, (c, _) in found.items()])


def _widths(kept: Sequence[np.ndarray]) -> tuple[int, ...]:
    return tuple(len(channels) for channels in kept)


def _within_if_possible(
    cost_fn: Callable[[Any], Array], logits: Sequence[ArrayLike], target: float, multiple: int
) -> list[np.ndarray] | None:
    try:
        return keep_within(cost_fn, logits, target, multiple=multiple)
    except ValueError:  # not even the least widths are that cheap: what was measured has to do
        return None

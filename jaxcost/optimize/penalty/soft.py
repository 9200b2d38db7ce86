"""Widths that a training step can change: gates on channels, and counts of those that are open."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcost._support.messages import refused
from jaxcost._support.sizes import count, is_traced, one
from jaxcost._support.sizes import temperature as checked

_COOLEST = 0.01


def open_gates(channels: int, spread: float = 2.0) -> Float[Array, " channels"]:
    """Logits of gates that are all open, in steps from nearly closed to `spread`, to start from.

    Channels of an untrained network are alike, and so is what each costs: from equal logits all
    would close in the same step. Equal steps let the width fall gradually.

    Args: channels: 1 or more; spread: > 0.
    Raises: ValueError: no channel, a spread that is not above 0.
    """
    channels = count("channels", channels)
    spread = one("spread", spread, lambda s: 0 < s < np.inf, "a finite number above 0")
    return jnp.asarray(spread * (np.arange(channels) + 1.0) / channels, dtype=float)


def gates(logits: ArrayLike, temperature: ArrayLike = 1.0) -> Float[Array, " channels"]:
    """1 for each channel that is open (logit > 0) and for the strongest, otherwise 0; no unit.

    The value is that of the network which is made smaller in the end; the gradient is that of
    sigmoid(logit / temperature), so that a closed channel can open again.

    Args: logits: shape `(channels,)`; temperature: >= 0; what is below 0.01 counts as 0.01.
    Returns: the shape of `logits`.
    Source: straight-through estimator, Bengio, Leonard, Courville (2013).
    """
    logits = jnp.asarray(logits, dtype=float)
    soft = jax.nn.sigmoid(logits / jnp.maximum(checked(temperature), _COOLEST))
    strongest = jnp.arange(logits.shape[-1]) == jnp.argmax(logits)
    hard = jnp.where((logits > 0) | strongest, 1.0, 0.0)
    return soft + jax.lax.stop_gradient(hard - soft)


def soft_width(logits: ArrayLike, temperature: ArrayLike = 1.0) -> Float[Array, ""]:
    """How many channels are open, in channels, with the gradient of `gates`.

    Args: logits: shape `(channels,)`, of gates or from `scale_logits`.
    """
    return jnp.sum(gates(logits, temperature))


def scale_logits(scales: ArrayLike, threshold: float = 0.01) -> Float[Array, " channels"]:
    """Logits for gates from the scales of a BatchNorm or LayerNorm: ln(|scale| / threshold).

    A channel whose scale falls under the threshold counts as closed.

    Args: scales: shape `(channels,)`; threshold: > 0.
    Raises: ValueError: a threshold that is not above 0.
    """
    one("threshold", threshold, lambda t: 0 < t < np.inf, "a finite number above 0")
    scales = jnp.asarray(scales, dtype=float)
    least = (threshold * 1e-3) ** 2  # a scale of 0 has a logarithm, too
    return 0.5 * jnp.log(scales**2 + least) - jnp.log(threshold)


def keep_within(
    cost_fn: Callable[[Any], Array],
    logits: Sequence[ArrayLike],
    target: float,
    *,
    multiple: int = 1,
    reopen: bool = True,
) -> list[np.ndarray]:
    """Which channels to keep so that the smaller network's cost is within its target.

    Channels are given up, weakest logit first, until the cost is met; then those that were given up
    or closed by the training come back, strongest first, while they fit: a budget is to be used.

    Args:
        cost_fn: from widths, shape `(layers,)`, to a cost.
        logits: of the gates of each layer, shape `(channels,)` each; concrete.
        target: of the cost, in its unit.
        multiple: widths are whole multiples of it, as far as a layer has them.
        reopen: whether channels that the training closed may come back, to be trained on.
    Returns: indices of the channels kept in each layer, ascending.
    Raises: ValueError: a network of the least widths costs more than the target; a target, multiple
        or cost that is no number above 0; logits that are traced, are no vectors or hold NaN.
    """
    if is_traced(*logits):
        raise ValueError("logits are traced; call keep_within outside of jit and grad")
    one("target", target, lambda t: 0 < t < np.inf, "a finite number above 0")
    multiple = count("multiple", multiple)
    values = [_vector(i, layer) for i, layer in enumerate(logits)]
    steps = [min(multiple, len(layer)) for layer in values]
    widths = [
        max(step, step * round((layer > 0).sum() / step)) for layer, step in zip(values, steps)
    ]
    widths = [min(w, len(layer) // s * s) for w, layer, s in zip(widths, values, steps)]
    price = jax.jit(cost_fn)

    def cost(tried: Sequence[int]) -> float:
        found = price(jnp.asarray(tried, dtype=float))
        if found.shape != () or not 0 < float(found) < np.inf:
            value = found.shape or float(found)
            raise ValueError(
                refused(f"cost_fn({list(tried)})", value, "one number that is above 0")
            )
        return float(found)

    if cost(steps) > target:
        cheapest = f"at least {cost(steps):.4g}, the cost of the least widths {steps}"
        raise ValueError(refused("target", target, cheapest))
    while cost(widths) > target:
        widths = _smaller(values, widths, steps)
    least = -np.inf if reopen else 0.0
    fits = lambda w: cost(w) <= target  # noqa: E731
    while (larger := _larger(values, widths, steps, fits, least)) is not None:
        widths = larger
    return [np.sort(np.argsort(-layer, kind="stable")[:w]) for layer, w in zip(values, widths)]


def _vector(number: int, logits: ArrayLike) -> np.ndarray:
    values = np.asarray(logits, float)
    if values.ndim != 1 or not len(values) or np.isnan(values).any():
        found = "NaN" if np.isnan(values).any() else f"shape {values.shape}"
        raise ValueError(f"logits[{number}] has {found}; give a number for each channel")
    return values


def _smaller(values: list[np.ndarray], widths: list[int], steps: list[int]) -> list[int]:
    """One step less in the layer whose weakest kept channel is the weakest of all."""
    weakest = [
        np.sort(layer)[-w] if w > step else np.inf for layer, w, step in zip(values, widths, steps)
    ]
    at = int(np.argmin(weakest))
    return [w - steps[i] * (i == at) for i, w in enumerate(widths)]


def _larger(
    values: list[np.ndarray],
    widths: list[int],
    steps: list[int],
    fits: Callable[[list[int]], bool],
    least: float,
) -> list[int] | None:
    """One step more where the strongest channel left out is, above `least`, if any such fits."""
    strongest = [
        np.sort(layer)[-w - 1] if w + step <= len(layer) else -np.inf
        for layer, w, step in zip(values, widths, steps)
    ]
    for at in np.argsort(strongest)[::-1]:
        more = [w + steps[i] * (i == at) for i, w in enumerate(widths)]
        if strongest[at] > least and fits(more):
            return more
    return None

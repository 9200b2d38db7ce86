"""Whole widths and their exact costs, for searches that know nothing else of a problem."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from width_problems import Error

_SIZES = (64, 1024, 8192)  # networks evaluated at once: few sizes, so that few are compiled


class Grid:
    """All networks of one problem: each width a multiple of the same number, in the same bounds.

    Args: settings: `bounds` and `multiples`, as `width_problems.draw` has them.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        step = settings["multiples"]
        ((lower, upper),) = set(settings["bounds"])
        self.widths = len(settings["bounds"])
        self.axis = np.arange(-(-lower // step), upper // step + 1) * step

    def draw(self, number: int, seed: int) -> np.ndarray:
        """Real widths spread over their logarithms (Latin hypercube), shape `(number, widths)`."""
        random = np.random.default_rng(seed)
        cells = np.stack([random.permutation(number) for _ in range(self.widths)], axis=-1)
        share = (cells + random.random(cells.shape)) / number
        return self.axis[0] * (self.axis[-1] / self.axis[0]) ** share

    def places(self, widths: np.ndarray) -> np.ndarray:
        """Indices into the axis of the nearest whole widths, shapes `(..., widths)`."""
        step = self.axis[1] - self.axis[0]
        nearest = np.floor((np.asarray(widths) - self.axis[0]) / step + 0.5).astype(int)
        return np.clip(nearest, 0, len(self.axis) - 1)


class Costs:
    """Several exact costs of many networks at once; counts the networks.

    Attributes: evaluations: networks so far.
    """

    def __init__(self, *costs: eqx.Module) -> None:
        self._costs = costs
        self.evaluations = 0

    def __call__(self, widths: np.ndarray) -> np.ndarray:
        """The costs at whole widths, shapes `(m, widths)` and `(m, costs)`."""
        self.evaluations += len(widths)
        size = next((s for s in _SIZES if s >= len(widths)), _SIZES[-1])
        parts = [self._of(widths[i : i + size], size) for i in range(0, len(widths), size)]
        return np.concatenate(parts)

    def _of(self, widths: np.ndarray, size: int) -> np.ndarray:
        filled = np.concatenate([widths, np.repeat(widths[-1:], size - len(widths), axis=0)])
        found = _exact(self._costs, jnp.asarray(filled, dtype=float))
        return np.asarray(found, np.float64)[: len(widths)]


@eqx.filter_jit
def _exact(costs: tuple[eqx.Module, ...], widths: jax.Array) -> jax.Array:
    def of_one(row: jax.Array) -> jax.Array:
        return jnp.stack([c(row) if isinstance(c, Error) else c(row, 0.0) for c in costs])

    return jax.vmap(of_one)(widths)

"""A budget of which single layers are measured, until the best network is known well enough.

Networks share layers, so that few of these tell of many networks. What a layer costs is known up to
ln(measured / predicted), as far as its calibration's interval says, and believed to be a Gaussian
process over layers: alike where their sizes are near each other. Next comes a layer of the network
that is worth most to be known, by `jaxcost.optimize.widths.beliefs`' rule: the one that leaves most
of its cost open.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.special import ndtr

from jaxcost._support.messages import refused, shown, unknown
from jaxcost._support.sizes import one
from jaxcost.calibrate import Calibration
from jaxcost.calibrate.intervals import Z90
from jaxcost.optimize.problem import broken_by, order
from jaxcost.optimize.widths.beliefs import JITTER, SAME, SURE, Measured, near
from jaxcost.workload import Workload

_AGREE = 0.01  # by which a budget may differ from the sum over its layers, as float32 rounds
_NONE = 1e-6  # in the place of a size that is 0, in logarithms
POOL = 1024  # networks that are thought about: of each, all pairs of layers


@dataclasses.dataclass(frozen=True)
class ByLayer:
    """How to measure a budget layer by layer, in the place of `measure`'s functions of widths.

    Args:
        network: from widths, shape `(n,)`, to the `Workload` whose layers' costs, summed, are the
            budget's; written in JAX, such as `lambda widths: jaxcost.mlp(widths, batch_size=32)`.
        calibration: what predicts each layer, and how far it is off.
        measure: from one layer, a `Workload` of shape `()` with whole sizes, to its cost, > 0.
        target: `time_s` (s) or `energy_j` (J), of the calibration and of `measure`.
    Raises: ValueError: a target that the calibration does not have.
    """

    network: Callable[[Array], Workload]
    calibration: Calibration
    measure: Callable[[Workload], Any]
    target: str = "time_s"

    def __post_init__(self) -> None:
        if self.target not in self.calibration.models:
            raise ValueError(unknown("target", self.target, self.calibration.models))


class LayerMeasured(NamedTuple):
    """A layer that was measured, a `Workload` of shape `()`, and its cost."""

    layer: Workload
    cost: float


class LayerBeliefs:
    """What is believed of each network that was seen, by its layers, and which were measured.

    Args:
        seen: widths `(m, n)`, the objective `(m,)`, ln(cost / limit) `(m, budgets)`, as predicted.
        name: of the budget that is measured; budgets: name -> limit, of all.
    Attributes: found: the layers measured, in order.
    Raises: ValueError: layers that do not add up to the budget.
    """

    def __init__(
        self,
        seen: tuple[np.ndarray, np.ndarray, np.ndarray],
        by: ByLayer,
        name: str,
        budgets: Mapping[str, float],
    ) -> None:
        self._widths, self._goal, self._over = seen[0], seen[1], seen[2].copy()
        self._by, self._name, self._limit = by, name, budgets[name]
        self._place = list(budgets).index(name)
        some = len(self._widths)
        stacked = jax.vmap(by.network)(jnp.asarray(self._widths[_filled(np.arange(some))], float))
        stacked = jax.tree.map(lambda leaf: leaf[:some], stacked)
        self._repeat = np.asarray(stacked.repeat, np.float64)
        alone = dataclasses.replace(stacked, repeat=jnp.ones_like(stacked.repeat))
        leaves = [np.asarray(leaf, np.float64).reshape(-1) for leaf in jax.tree.leaves(alone)]
        rows, first, self._of = np.unique(
            np.stack(leaves, axis=1), axis=0, return_index=True, return_inverse=True
        )
        self._of = self._of.reshape(self._repeat.shape)
        self._layers = jax.tree.map(lambda leaf: leaf.reshape(-1)[_filled(first)], alone)
        fitted = by.calibration.models[by.target]
        costs, _, upper = fitted.interval(self._layers, by.calibration.device)
        self._mean = np.log(costs)[: len(first)]
        self._spread = np.log(upper / costs)[: len(first)] / Z90
        self._sizes = np.log(np.maximum(rows, _NONE))
        self._done: list[int] = []
        self._off: list[float] = []
        self.found: list[LayerMeasured] = []
        self._check()

    def next(self) -> int | None:
        """The layer that is worth most to be measured; None where none is."""
        shares, open_ = self._believed()
        spread = np.sqrt(np.maximum(np.einsum("ij,ijk,ik->i", shares, open_, shares), JITTER**2))
        chance = ndtr(-self._over[:, self._place] / spread)
        others = broken_by(np.delete(self._over, self._place, axis=1)) == 0
        sure = others & (chance > SURE)
        best = self._goal[sure].min() if sure.any() else self._goal.max()
        new = ~np.isin(self._of, self._done)
        worth = np.maximum(best - self._goal, 0) * chance * others * new.any(axis=1)
        at = int(np.argmax(worth)) if worth.max() > 0 else self._best()
        if not new[at].any():
            return None
        left = np.where(new[at], shares[at] ** 2 * np.diagonal(open_[at]), -1.0)
        return int(self._of[at, int(np.argmax(left))])

    def learn(self, layer: int) -> None:
        """Measures a layer.

        Raises: ValueError: a measured cost that is no number above 0.
        """
        asked = self._layers[layer]
        what = f"measured {self._name} of a layer"
        cost = one(what, self._by.measure(asked), lambda c: 0 < c < np.inf, "one number above 0")
        self._done.append(layer)
        self._off.append(float(np.log(cost) - self._mean[layer]))
        self.found.append(LayerMeasured(asked, cost))
        self._believed()

    def best(self) -> tuple[np.ndarray, Measured]:
        """The network that is expected to be the best, `(n,)`, and what it is expected to cost."""
        at = self._best()
        cost = self._limit * float(np.exp(self._over[at, self._place]))
        widths = tuple(int(w) for w in self._widths[at])
        met = bool(broken_by(self._over[at][None])[0] == 0)
        return self._widths[at], Measured(widths, {self._name: cost}, met)

    def _best(self) -> int:
        return int(order(self._goal, self._over)[0])

    def _believed(self) -> tuple[np.ndarray, np.ndarray]:
        """Each layer's share of its network's cost, `(m, layers)`, and the covariance of what is
        open of them, `(m, layers, layers)`; and brings ln(cost / limit) up to date."""
        told, mean = np.zeros((0, len(self._mean))), self._mean
        if self._done:
            done = np.array(self._done)
            across = self._alike(done[None], np.arange(len(mean))[None])[0]
            own = across[:, done] + JITTER * np.diag(self._spread[done] ** 2)
            told = np.linalg.solve(np.linalg.cholesky(own), across)
            mean = mean + across.T @ np.linalg.solve(own, np.array(self._off))
        costs = self._repeat * np.exp(mean)[self._of]
        total = costs.sum(axis=1, keepdims=True)
        self._over[:, self._place] = np.log(total[:, 0] / self._limit)
        known = np.moveaxis(told[:, self._of], 0, -1)  # (m, layers, done)
        open_ = self._alike(self._of, self._of) - known @ np.swapaxes(known, 1, 2)
        return costs / total, open_

    def _alike(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The covariance of ln(measured / predicted) of layers `(m, a)` and `(m, b)`."""
        a, b = self._sizes[one], self._sizes[other]
        square = (a**2).sum(-1)[..., :, None] + (b**2).sum(-1)[..., None, :]
        square = square - 2 * a @ np.swapaxes(b, -1, -2)
        same = one[..., :, None] == other[..., None, :]
        alike = (1 - SAME) * near(np.sqrt(np.maximum(square, 0))) + SAME * same
        return alike * self._spread[one][..., :, None] * self._spread[other][..., None, :]

    def _check(self) -> None:
        before = self._over[:, self._place].copy()
        self._believed()
        off = np.abs(self._over[:, self._place] - before)
        if off.max() > _AGREE:
            at = int(off.argmax())
            cost, summed = (
                self._limit * np.exp(o[at]) for o in (before, self._over[:, self._place])
            )
            allowed = f"the {shown(summed)} that the layers of network have together"
            name = f"budget {self._name} at {self._widths[at].tolist()}"
            raise ValueError(refused(name, float(cost), allowed))


def _filled(places: np.ndarray) -> np.ndarray:
    """The last one again and again up to a power of two, so that few sizes are compiled."""
    return np.pad(places, (0, (1 << (len(places) - 1).bit_length()) - len(places)), mode="edge")

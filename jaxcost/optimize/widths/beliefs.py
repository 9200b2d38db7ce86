"""What measurements of a few networks say about others, and which of these to measure next.

What a network costs is known up to ln(measured / predicted), believed to be a Gaussian process over
networks: alike where pairs of their widths are near each other, and more so where they are the
same, since a layer has two widths and its cost jumps between neighbouring ones. Next comes the
network by which the best one measured is expected to be improved most, budgets considered.

Source: Gardner, Kusner, Xu, Weinberger, Cunningham (2014), Bayesian optimization with inequality
constraints, eq. 7; a kernel that is a sum over pairs as in Duvenaud, Nickisch, Rasmussen (2011),
Additive Gaussian processes, each the Matérn kernel of smoothness 3/2.
"""

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from jaxcost._support.sizes import one
from jaxcost.optimize.problem import broken_by

OBJECTIVE = "objective"
_FACTOR = 1.0  # in ln: widths a factor e apart still say something of each other
SAME = 0.5  # of the variance: what only networks share that have the same two widths
SURE = 0.95  # chance of meeting budgets at which the better network is taken, not the surer
JITTER = 1e-8


class Measured(NamedTuple):
    """A network of the shortlist: `costs` has what was measured of it, by name, and `meets` says
    whether it is within all budgets, as measured where they were."""

    widths: tuple[int, ...]
    costs: dict[str, float]
    meets: bool


class Beliefs:
    """What is believed of each network that was seen, and what was measured.

    Args:
        seen: widths `(m, n)`; the objective, or its logarithm where that is measured, `(m,)`;
            ln(cost / limit), `(m, budgets)`; all as predicted.
        budgets: name -> limit; measure: name of a budget, or `objective` -> function of widths.
        doubt: standard deviation of ln(measured / predicted) before anything is measured.
    Attributes: found: of those measured, in order.
    """

    def __init__(
        self,
        seen: tuple[np.ndarray, np.ndarray, np.ndarray],
        budgets: Mapping[str, float],
        measure: Mapping[str, Any],
        doubt: float,
    ) -> None:
        self._widths, self._goal, self._over = seen
        self._budgets, self._measure, self._doubt = dict(budgets), measure, doubt
        self._pairs = list(itertools.combinations(range(self._widths.shape[1]), 2)) or [(0, 0)]
        self._done: list[int] = []
        self._off: list[list[float]] = []  # ln(measured / predicted), a row a network measured
        self._ended: list[tuple[float, float]] = []  # by how much it breaks budgets, and its goal
        self.found: list[Measured] = []

    def next(self, last: bool = False) -> int | None:
        """The place of the network that is worth most to be measured; None where none is.

        Args: last: no other comes after it: if none met the budgets yet, this one is to.
        """
        goal, over, spread = self._believed()
        doubted = [name in self._measure for name in self._budgets]
        chance = ndtr(-over[:, doubted] / spread[:, None]).prod(axis=1)
        meeting = [goal for broken, goal in self._ended if broken == 0]
        if last and not meeting:
            return int(np.lexsort((goal, -np.minimum(chance, SURE)))[0])
        beyond = self._goal.max() + 1e-3 * max(float(np.ptp(self._goal)), 1e-9)
        best = min(meeting, default=beyond)
        gain = np.maximum(best - goal, 0)
        if OBJECTIVE in self._measure:
            z = (best - goal) / spread
            gain = spread * (z * ndtr(z) + np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))
        worth = gain * chance
        worth[self._done] = 0
        at = int(np.argmax(worth))
        return at if worth[at] > 0 else None

    def learn(self, at: int) -> None:
        """Measures a network.

        Raises: ValueError: a measured cost that is no number above 0.
        """
        widths = tuple(int(w) for w in self._widths[at])
        costs = {n: _cost(n, widths, f(np.array(widths))) for n, f in self._measure.items()}
        goal, over, off = float(self._goal[at]), self._over[at].copy(), []
        for name, cost in costs.items():
            if name == OBJECTIVE:
                off.append(np.log(cost) - goal)
                goal = float(np.log(cost))
            else:
                place = list(self._budgets).index(name)
                seen = np.log(cost / self._budgets[name])
                off.append(seen - over[place])
                over[place] = seen
        broken = float(broken_by(over[None])[0])
        self._done.append(at)
        self._off.append(off)
        self._ended.append((broken, goal))
        self.found.append(Measured(widths, costs, broken == 0))

    def best(self) -> np.ndarray:
        """The best of those measured: of those that meet the budgets, or else the nearest."""
        at = min(range(len(self._done)), key=lambda i: self._ended[i])
        return self._widths[self._done[at]]

    def _believed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Goal `(m,)` and ln(cost / limit) `(m, budgets)` as expected, and their spread `(m,)`."""
        goal, over = self._goal.copy(), self._over.copy()
        spread = np.full(len(goal), self._doubt)
        if not self._done:
            return goal, over, spread
        across = self._alike(self._widths, self._widths[self._done])
        between = across[self._done] + JITTER * np.eye(len(self._done))
        told = np.linalg.solve(between, across.T)
        off = told.T @ np.array(self._off)
        for i, name in enumerate(self._measure):
            if name == OBJECTIVE:
                goal += off[:, i]
            else:
                over[:, list(self._budgets).index(name)] += off[:, i]
        left = 1 - np.einsum("ij,ji->i", across, told)
        return goal, over, self._doubt * np.sqrt(np.maximum(left, JITTER))

    def _alike(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The correlation of ln(measured / predicted) of networks, `(m, k)`."""
        a, b = np.log(one), np.log(other)
        total = np.zeros((len(a), len(b)))
        for i, j in self._pairs:
            apart = np.hypot(a[:, None, i] - b[:, i], a[:, None, j] - b[:, j])
            total += (1 - SAME) * near(apart) + SAME * (apart == 0)
        return total / len(self._pairs)


def near(apart: np.ndarray) -> np.ndarray:
    """The correlation of what is so far apart, in ln of sizes, if it is not the same."""
    apart = np.sqrt(3) * apart / _FACTOR
    return (1 + apart) * np.exp(-apart)


def _cost(name: str, widths: tuple[int, ...], found: Any) -> float:
    words = "one number above 0"
    return one(f"measured {name} at {list(widths)}", found, lambda c: 0 < c < np.inf, words)

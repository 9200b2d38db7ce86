"""Every network that a search has evaluated: two costs of each, and the slopes of some."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcost.optimize.front.dominance import undominated
from jaxcost.optimize.front.kriging import Choice, Kriging
from jaxcost.optimize.front.propose import Predict, unseen
from jaxcost.optimize.lattice import Lattice
from jaxcost.optimize.problem import GRADIENT_PRICE, Evaluator, Problem

_AT_ONCE = 8  # slopes: one size, compiled once
_VALUES, _SLOPES = 300, 240  # rows that a model is made from, those nearest to the front
_TEMPERATURE = 0.3  # of the slopes
_LEAST = -69.0  # the logarithm of a cost of 0, as `Problem` has it
_GROWTH = 1.5  # in networks, after which lengths and noise are chosen anew


class Archive:
    """Evaluates networks on the exact model, each once, within a number of evaluations.

    Slopes are those of the smooth model, which tell of what lies beyond a step.

    Attributes:
        widths: shape `(m, n)`; logs: of both costs, `(m, 2)`; slopes: of these by ln(width),
            `(m, 2, n)`, NaN where they are not known.
        known: the bytes of each row of widths; gradients: how many rows have slopes.
    """

    def __init__(self, problem: Problem, lattice: Lattice, evaluations: int) -> None:
        self._problem, self._evaluations = problem, evaluations
        self._evaluate = Evaluator(problem, leaves_out=True)
        self._free = lattice.free
        self._choices: list[tuple[Choice, ...]] = []
        self._chosen_at = 0
        width = len(lattice.axes)
        self.widths = np.empty((0, width), int)
        self.logs, self.slopes = np.empty((0, 2)), np.empty((0, 2, width))
        self.known: set[bytes] = set()
        self.gradients = 0

    @property
    def left(self) -> int:
        """Evaluations that may still be made."""
        return self._evaluations - len(self.widths) - GRADIENT_PRICE * self.gradients

    def of(self, widths: np.ndarray) -> np.ndarray:
        """The logarithms of one network's costs, which is evaluated if it is new."""
        self.add(widths[None], sloped=False)
        return np.asarray(self.logs[(self.widths == widths).all(axis=1)][0])

    def add(self, widths: np.ndarray, *, sloped: bool) -> int:
        """Evaluates what is new and affordable, with or without slopes; how many that is."""
        new = unseen(widths, self.known)[: self.left // (1 + GRADIENT_PRICE * sloped)]
        if not len(new):
            return 0
        slopes = (
            self._sloped(new) if sloped else np.full((len(new), *self.slopes.shape[1:]), np.nan)
        )
        self.logs = np.vstack([self.logs, _logs(*self._evaluate(new), new)])
        self.slopes = np.vstack([self.slopes, slopes])
        self.widths = np.vstack([self.widths, new])
        self.known |= {w.tobytes() for w in new}
        self.gradients += len(new) * sloped
        return len(new)

    def front(self) -> tuple[np.ndarray, np.ndarray]:
        """Widths and logarithms of costs that none dominates, by the first cost ascending."""
        kept = undominated(self.logs)
        return self.widths[kept], self.logs[kept]

    def model(self) -> Predict:
        """What the costs of any widths are expected to be, from all that is known."""
        if len(self.widths) > _GROWTH * self._chosen_at:
            self._choices, self._chosen_at = [], len(self.widths)
        rows, sloped = self._nearest_to_front()
        slopes = np.where(sloped[:, None, None], self.slopes[rows], np.nan)[..., self._free]
        points = np.log(self.widths[rows][:, self._free])
        models = [
            Kriging(points, self.logs[rows, i], slopes[:, i], *self._choices[i : i + 1])
            for i in (0, 1)
        ]
        self._choices = [(model.choice,) for model in models]

        def predict(widths: np.ndarray) -> np.ndarray:
            at = np.log(widths[:, self._free])
            return np.column_stack([model(at) for model in models])

        return predict

    def _nearest_to_front(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the rows for a model, and of which of them the slopes."""
        front = self.front()[1]
        finite = np.flatnonzero(np.isfinite(self.logs).all(axis=1))
        behind = (self.logs[finite, None] - front).max(axis=-1).min(axis=-1)
        rows = finite[np.argsort(behind, kind="stable")]
        sloped = np.isfinite(self.slopes[rows]).all(axis=(1, 2))
        sloped &= np.cumsum(sloped) <= max(_SLOPES // max(len(self._free), 1), 1)
        return rows[:_VALUES], sloped[:_VALUES]

    def _sloped(self, widths: np.ndarray) -> np.ndarray:
        """Slopes of both logarithms by ln(width), shape `(m, 2, n)`."""
        parts = [widths[i : i + _AT_ONCE] for i in range(0, len(widths), _AT_ONCE)]
        return np.concatenate([self._some_sloped(part) for part in parts]) * widths[:, None]

    def _some_sloped(self, widths: np.ndarray) -> np.ndarray:
        padded = np.vstack([widths, np.repeat(widths[-1:], _AT_ONCE - len(widths), axis=0)])
        found = _slopes(self._problem, jnp.asarray(padded, dtype=float))
        return np.asarray(found, np.float64)[: len(widths)]


@eqx.filter_jit
def _slopes(problem: Problem, widths: Array) -> Array:
    def logs(at: Array) -> Array:
        value, over = problem(at, _TEMPERATURE)
        return jnp.append(jnp.log(value), over)

    return jax.vmap(jax.jacrev(logs))(widths)


def _logs(value: np.ndarray, over: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The logarithms of both costs, inf for NaN; ValueError for a cost that is not above 0."""
    for name, bad in (("first", value <= 0), ("second", over[:, 0] < _LEAST)):
        if bad.any():
            at = widths[bad][0].tolist()
            raise ValueError(f"the {name} cost is not above 0 at widths {at}; give one that is")
    value = np.where(np.isnan(value), np.inf, value)
    return np.column_stack([np.log(value), np.where(np.isnan(over), np.inf, over)])

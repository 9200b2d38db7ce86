"""Rows that measured the same layer: one layer to whatever learns from rows or judges by them."""

import dataclasses
import functools

import jax
import numpy as np

from jaxcost.device import Device
from jaxcost.workload import Workload
from jaxcost.workload.runs import TrainingRun

_LEAST_AGAIN = 5  # layers: by fewer, one pair that disagrees would speak for all
_NORMAL = 1.4826  # standard deviations of a normal distribution in its median deviation


@dataclasses.dataclass(frozen=True)
class Repeats:
    """Which layer (network, run of training) each row measured.

    Attributes:
        layer: its number, shape `(rows,)`; layers are numbered as they first appear.
    """

    layer: np.ndarray

    @classmethod
    def of(cls, workloads: Workload | TrainingRun, device: Device | None = None) -> "Repeats":
        """Rows are of one layer where every size is equal, and every number of the device.

        Args:
            workloads: leaves of shape `(rows, ...)`.
            device: a number in it may have the shape `(rows,)`.
        """
        rows = len(workloads.batch)
        leaves = [np.asarray(leaf).reshape(rows, -1) for leaf in jax.tree.leaves(workloads)]
        of_device = [np.asarray(leaf) for leaf in jax.tree.leaves(device)]
        leaves += [leaf[:, None] for leaf in of_device if leaf.ndim]
        return cls.of_table(np.concatenate(leaves, axis=1))

    @classmethod
    def of_table(cls, table: np.ndarray) -> "Repeats":
        """Rows are of one layer where every column is equal."""
        found = np.unique(table, axis=0, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(found[1]))
        return cls(rank[found[2].ravel()])

    @functools.cached_property
    def first(self) -> np.ndarray:
        """The first row of each layer, shape `(layers,)`."""
        return np.unique(self.layer, return_index=True)[1]

    @functools.cached_property
    def times(self) -> np.ndarray:
        """How often each layer was measured, shape `(layers,)`."""
        return np.bincount(self.layer)

    @property
    def layers(self) -> int:
        """How many different layers there are."""
        return len(self.first)

    @property
    def weights(self) -> np.ndarray:
        """Of rows, so that every layer weighs 1, shape `(rows,)`."""
        return (1 / self.times)[self.layer]

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Of numbers a row, for each layer: `(rows,)` to `(layers,)`."""
        return np.bincount(self.layer, values, minlength=self.layers)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Of numbers a row, for each layer: `(rows,)` to `(layers,)`."""
        return self.sum(np.asarray(values, float)) / self.times

    def any(self, rows: np.ndarray) -> np.ndarray:
        """Which layers have any of the rows: masks of shape `(..., rows)` to `(..., layers)`."""
        return np.apply_along_axis(self.sum, -1, rows) > 0

    def subset(self, rows: np.ndarray) -> "Repeats":
        """The same of some of the rows: a mask of shape `(rows,)`."""
        return Repeats.of_table(self.layer[rows][:, None])

    def scatter(self, log_observed: np.ndarray) -> float:
        """By how much rows of one layer differ: the standard deviation of a row of ln(cost).

        Robust, so that a faulty timing or two do not count; 0 where fewer than five layers were
        measured more than once.
        """
        again = self.times > 1
        if again.sum() < _LEAST_AGAIN:
            return 0.0
        off, times = log_observed - self.mean(log_observed)[self.layer], self.times[self.layer]
        some = times > 1
        return float(_NORMAL * np.median(np.abs(off[some]) / np.sqrt(1 - 1 / times[some])))

    def combined(
        self, log_observed: np.ndarray, spread: np.ndarray | None, robust: float
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """What each layer cost, in ln, and the standard deviation of that.

        A row weighs the less the more it scattered itself, and the further it lies from the
        median of its layer's: with weights as those of the fit's loss, so that one faulty timing
        among several moves little.

        Args:
            log_observed: shape `(rows,)`.
            spread: coefficient of variation of each row, shape `(rows,)`, NaN where not known.
            robust: the scatter at which a row counts half.
        Returns: each of shape `(layers,)`; the second None where nothing is known of scatter.
        """
        if spread is None and self.layers == len(self.layer):
            return log_observed, None
        own = np.zeros(len(self.layer)) if spread is None else np.nan_to_num(spread)
        off = log_observed - _medians(self.layer, log_observed)[self.layer]
        weight = 1 / (1 + (own / robust) ** 2) / (1 + (off / robust) ** 2)
        total = self.sum(weight)
        mean = self.sum(weight * log_observed) / total
        scatter = self.sum((weight * (log_observed - mean[self.layer])) ** 2) / total**2
        scatter *= self.times / np.maximum(self.times - 1, 1)
        return mean, np.sqrt(np.maximum(scatter, self.sum((weight * own) ** 2) / total**2))


def _medians(layer: np.ndarray, values: np.ndarray) -> np.ndarray:
    order = np.lexsort((values, layer))
    begin = np.searchsorted(layer[order], np.arange(layer.max() + 1))
    last = np.append(begin[1:], len(layer)) - 1
    low, high = (begin + last) // 2, (begin + last + 1) // 2
    return (values[order][low] + values[order][high]) / 2

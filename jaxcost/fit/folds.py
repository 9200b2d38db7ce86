"""Which rows are left out together in cross-validation."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxcost.fit.repeats import Repeats


@dataclasses.dataclass(frozen=True)
class Folds:
    """What models saw that were fitted without some of the rows, nor any other row of their layers.

    Attributes:
        masks: shape `(folds, rows)`, True where a row was left out to be predicted; each row in
            one fold.
        log_predicted: ln of each fold's predictions for all rows, shape `(folds, rows)`.
    """

    masks: np.ndarray
    log_predicted: np.ndarray

    def predicted(self) -> np.ndarray:
        """ln of the prediction for each row by the fold that had not seen it, shape `(rows,)`."""
        return np.where(self.masks, self.log_predicted, 0).sum(axis=0)


def row_folds(rows: int, *, folds: int = 5, seed: int = 0) -> np.ndarray:
    """Masks of shape `(folds, rows)`, True where a row is left out; each row in one, at random."""
    place = np.random.default_rng(seed).permutation(rows) % folds
    return place == np.arange(folds)[:, None]


def layer_folds(repeats: Repeats, *, folds: int = 5, seed: int = 0) -> np.ndarray:
    """The same, of whole layers: rows that measured one are left out together."""
    most = min(folds, repeats.layers)
    return row_folds(repeats.layers, folds=most, seed=seed)[:, repeats.layer]


def sweep_folds(sweeps: Sequence[str]) -> np.ndarray:
    """Masks of shape `(sweeps, rows)`: each leaves out one sweep; none if there is but one."""
    labels = np.asarray(sweeps, str)
    names = np.unique(labels)
    return labels == names[:, None] if len(names) > 1 else np.zeros((0, len(labels)), bool)

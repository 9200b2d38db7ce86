"""Which rows are left out together in cross-validation."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from jaxcost.calibrate.fit.repeats import Repeats

_MOST_SWEEPS = 20  # folds: every one is another fit
_LEAST_HALVED = (20, 20, 60)  # layers: blocks are four, or eight, of five layers or more


@dataclasses.dataclass(frozen=True)
class Folds:
    """What models saw that were fitted without some of the rows, nor any other row of their layers.

    Attributes:
        masks: shape `(folds, rows)`, True where a row was left out to be predicted; each row in
            one fold, but of the largest, which may be in several or none.
        log_predicted: ln of each fold's predictions for all rows, shape `(folds, rows)`.
    """

    masks: np.ndarray
    log_predicted: np.ndarray

    def __iter__(self) -> Iterator["Folds"]:
        """Each fold by itself."""
        return (Folds(m[None], p[None]) for m, p in zip(self.masks, self.log_predicted))

    def of_rows(self, rows: np.ndarray) -> "Folds":
        """The same of some of the rows."""
        return Folds(self.masks[:, rows], self.log_predicted[:, rows])

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


def sweep_folds(sweeps: Sequence[str], *, seed: int = 0) -> np.ndarray:
    """Masks of shape `(folds, rows)`: each leaves out one sweep; none if there is but one.

    Of more than 20 sweeps, each leaves out a twentieth of them, drawn at random.
    """
    names, sweep = np.unique(np.asarray(sweeps, str), return_inverse=True)
    if len(names) < 2:
        return np.zeros((0, len(sweep)), bool)
    if len(names) <= _MOST_SWEEPS:
        return sweep == np.arange(len(names))[:, None]
    return row_folds(len(names), folds=_MOST_SWEEPS, seed=seed)[:, sweep]


def block_folds(x: np.ndarray) -> np.ndarray:
    """Masks of shape `(folds, rows)`: each leaves out a block of sizes; none where rows are few.

    Halved again and again at the median of what varies most, four times or eight in all: what is
    within a block is unlike all that is outside, as sweeps are unlike each other.

    Args: x: logarithms of the sizes of each row's layer, shape `(rows, features)`.
    """
    layers, layer = np.unique(x, axis=0, return_inverse=True)
    blocks = [np.arange(len(layers))]
    for least in _LEAST_HALVED:
        if len(layers) >= least:
            blocks = [half for block in blocks for half in _halves(layers, block)]
    if len(blocks) < 2:
        return np.zeros((0, len(x)), bool)
    return np.stack([np.isin(layer.ravel(), block) for block in blocks])


def _halves(x: np.ndarray, block: np.ndarray) -> list[np.ndarray]:
    """Both halves of a block at the median of the feature that varies most in it."""
    widest = int(np.ptp(x[block], axis=0).argmax())
    order = block[np.argsort(x[block, widest], kind="stable")]
    return np.array_split(order, 2)

"""The rows of a table of measured layers, as every fit to it sees them."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxcost._support.precision import as_default, as_double, double_precision
from jaxcost.calibrate.correction import (
    Correction,
    cross_validate_correction,
    fit_correction,
)
from jaxcost.calibrate.features import GRADIENT_SORTS, SORTS
from jaxcost.calibrate.fit import ROBUST, FitResult, fit_model
from jaxcost.calibrate.fit.folds import Folds, block_folds
from jaxcost.calibrate.fit.repeats import Repeats
from jaxcost.calibrate.fit.sample import some_of
from jaxcost.device import Device
from jaxcost.models.base import CostModel, parameters_of
from jaxcost.models.registry import BASELINES, BY_SORT, model_class
from jaxcost.workload import Workload, counts, from_table
from jaxcost.workload.layer_table import validate_layers
from jaxcost.workload.selection import one_of

if TYPE_CHECKING:
    import pandas as pd

LEAST_LAYERS = 10  # a 90 % conformal interval needs nine errors, cross-validation one more
SPREAD = "process_cv"  # column with the coefficient of variation between processes
_LARGEST = 0.25  # of the rows: what is beyond the rest without leaving too few of them


@dataclasses.dataclass(frozen=True)
class MeasuredLayers:
    """The rows of a table as every fit to it sees them, with the same weights.

    Attributes:
        layers: a row each, leaves of shape `(rows,)`.
        device: what was measured.
        observed: in s or J, shape `(rows,)`.
        sweeps: a label a row, where the table has them.
        spread: of each row between processes, shape `(rows,)`, where the table has it.
        x: features of the rows, shape `(rows, features)`.
        repeats: which rows measured the same layer.
        dtype: of all of them, such as `float32`.
        sort: by which of `jaxcost.calibrate.features.SORTS` they are described.
        numbers: of the rows in the table, from 1, shape `(rows,)`.
    """

    layers: Workload
    device: Device
    observed: np.ndarray
    sweeps: list[str] | None
    spread: np.ndarray | None
    x: np.ndarray
    repeats: Repeats
    dtype: str
    sort: str
    numbers: np.ndarray

    @classmethod
    def of(cls, frame: "pd.DataFrame", device: Device, target: str) -> "MeasuredLayers":
        """The layers of a table that has the column `target`."""
        frame = validate_layers(frame, target=target)
        for column in ("device", "dtype"):
            one_of(frame, column, None, "table")
        layers = from_table(frame)
        sort, numbers = "products", np.arange(1, len(frame) + 1)
        x = _features(layers, sort)
        sweeps = frame["sweep"].astype(str).tolist() if "sweep" in frame else None
        observed, spread = frame[target].to_numpy(float), _spread(frame, target)
        dtype = str(frame["dtype"].iloc[0])
        repeats = Repeats.of(layers)
        return cls(layers, device, observed, sweeps, spread, x, repeats, dtype, sort, numbers)

    def without_few_gradients(self) -> "MeasuredLayers":
        """The rows without gradients of which there are too few to be fitted by themselves: what
        they cost says little of forward layers of the same sizes."""
        sorts = [s for s in GRADIENT_SORTS if self.enough(self._of_sort(s))]
        forward = np.asarray(self.layers.gradient) == 0
        seen = np.any([forward, *map(self._of_sort, sorts)], axis=0)
        return self if seen.all() or not self.enough(seen) else self._where(seen, self.sort)

    def parts(self) -> dict[str, "MeasuredLayers"]:
        """The rows that are fitted together, by sort, products first.

        A sort of which there are too few is fitted with the products, and all are where without the
        other sorts too few would be left.
        """
        sorts = [s for s in SORTS if s != "products" and self.enough(self._of_sort(s))]
        parts = self.parted(sorts)
        return parts if all(p.enough() for p in parts.values()) else {"products": self}

    def all_of(self, sort: str, model: str) -> dict[str, "MeasuredLayers"]:
        """All rows as of one sort, which `model` is of; ValueError for a row it cannot price."""
        if sort == "products":
            return {sort: self}
        other = ~self._of_sort(sort)
        if other.any():
            row = self.numbers[int(other.argmax())]
            raise ValueError(
                f"row {row} is another sort of layer, and model {model} has no price for it; "
                "leave it out, or give no model"
            )
        return {sort: self._where(~other, sort)}

    def parted(self, sorts: Sequence[str], rest: str = "products") -> dict[str, "MeasuredLayers"]:
        """These sorts by themselves, and first all other rows as of the sort `rest`; each as far as
        there are any."""
        each = {sort: self._of_sort(sort) for sort in sorts}
        masks = {sort: mask for sort, mask in each.items() if mask.any()}
        left = ~np.any([np.zeros(len(self.numbers), bool), *masks.values()], axis=0)
        masks = ({rest: left} if left.any() else {}) | masks
        return {sort: self._where(mask, sort) for sort, mask in masks.items()}

    def _of_sort(self, sort: str) -> np.ndarray:
        return np.asarray(SORTS[sort].holds(jax.tree.map(np.asarray, self.layers)))

    def some(self) -> tuple["MeasuredLayers", np.ndarray]:
        """All rows of some of the layers, where there are very many, and a mask of them."""
        chosen = np.isin(self.repeats.layer, some_of(self.repeats.layers))
        return self._where(chosen, self.sort), chosen

    def enough(self, rows: ArrayLike = True) -> bool:
        """Whether the rows, or those of a mask, are of enough different layers to be fitted."""
        chosen = np.broadcast_to(np.asarray(rows), self.x.shape[:1])
        return len(np.unique(self.repeats.layer[chosen])) >= LEAST_LAYERS

    def _where(self, rows: np.ndarray, sort: str) -> "MeasuredLayers":
        layers = as_default(jax.tree.map(lambda leaf: np.asarray(leaf)[rows], self.layers))
        return dataclasses.replace(
            self,
            layers=layers,
            observed=self.observed[rows],
            sweeps=self.sweeps and [s for s, chosen in zip(self.sweeps, rows) if chosen],
            spread=None if self.spread is None else self.spread[rows],
            x=_features(layers, sort),
            repeats=Repeats.of_table(self.repeats.layer[rows, None]),
            sort=sort,
            numbers=self.numbers[rows],
        )

    def names_to_fit(self, model: str | None) -> list[str]:
        """The model and the baselines to show beside it, as far as the layers suffice for each."""
        known = BY_SORT[self.sort]
        if model is not None:
            model_class(model, known)
        beside = [name for name in BASELINES if name in known] if model else list(known)
        able = [
            name
            for name in beside
            if name != model and _open(known[name]) <= self.repeats.layers and self.can_fit(name)
        ]
        return [model, *able] if model else able

    @property
    def log_observed(self) -> np.ndarray:
        """ln of what each row measured, shape `(rows,)`."""
        return np.log(self.observed)

    @property
    def log_layer(self) -> np.ndarray:
        """ln of what each row's layer cost, the mean of the layer's rows, shape `(rows,)`."""
        mean, _ = self.repeats.combined(self.log_observed, self.spread, ROBUST)
        return mean[self.repeats.layer]

    @property
    def noise(self) -> float:
        """Of what a layer cost, as far as its rows disagree; in ln, 0 where they do not tell."""
        scatter = self.repeats.scatter(self.log_observed)
        return scatter * float(np.sqrt(np.mean(1 / self.repeats.times)))

    def fit(self, name: str, *, starts: int = 16, seed: int = 0) -> FitResult:
        """A model of `jaxcost.models.registry`, fitted to these rows."""
        kind = model_class(name, BY_SORT[self.sort])
        return fit_model(
            kind, self.layers, self.device, self.observed, sweeps=self.sweeps,
            largest=self.largest, blocks=self.blocks, spread=self.spread, starts=starts, seed=seed,
        )  # fmt: skip

    @property
    def largest(self) -> np.ndarray:
        """The quarter of the rows with the most FLOPs, positions and weights: masks of shape
        `(masks, rows)`; what is predicted of them without them says how far beyond to trust."""
        flops = np.asarray(counts.flops(self.layers), np.float64)
        if self.sort in ("memory-bound", "attention"):
            sizes = np.asarray(counts.bytes_moved(self.layers), np.float64)[None]
        else:
            sizes = np.stack([flops, self.x[:, 0], self.x[:, 1:4].sum(axis=1)])
        masks = sizes > np.quantile(sizes, 1 - _LARGEST, axis=1, keepdims=True)
        return masks[masks.any(axis=1)]

    @property
    def blocks(self) -> np.ndarray:
        """Contiguous blocks of sizes, where there are no two sweeps to leave out: masks of shape
        `(masks, rows)`."""
        if self.sweeps and len(set(self.sweeps)) > 1:
            return np.zeros((0, len(self.x)), bool)
        return block_folds(self.x)

    def correction(self, residual: np.ndarray) -> Correction:
        """Of a model that leaves, in ln, the last column beside the features of each layer."""
        x, left = residual[:, :-1], residual[:, -1]
        return fit_correction(x, left, sort=SORTS[self.sort], least_noise=self.noise)

    def corrected(self, folds: Folds) -> tuple[np.ndarray, np.ndarray]:
        """ln of the corrected prediction of each left-out row, and its novelty."""
        return cross_validate_correction(
            self.x, self.log_layer, folds, self.repeats, SORTS[self.sort], least_noise=self.noise
        )

    def can_fit(self, name: str) -> bool:
        """Whether the model gives every row a cost: some know products of matrices alone."""
        needs = {"alpha-flops": counts.conv_flops, "flops-only": counts.flops}
        return name not in needs or bool((np.asarray(needs[name](self.layers)) > 0).all())


def _features(layers: Workload, sort: str) -> np.ndarray:
    with double_precision():
        return SORTS[sort].describe(as_double(layers))


def _spread(frame: "pd.DataFrame", target: str) -> np.ndarray | None:
    """How far each time scattered between processes; None where the table does not say."""
    if SPREAD not in frame or target != "time_s":
        return None
    import pandas as pd

    cells = frame[SPREAD]
    try:
        return pd.to_numeric(cells.mask(cells == "")).to_numpy(float)
    except ValueError as error:
        raise ValueError(f"column {SPREAD}: {error}; give numbers, or leave cells empty") from None


def _open(model: type[CostModel]) -> int:
    """How many of its parameters nothing is believed of before the data."""
    return sum(p.spread is None for p in parameters_of(model))

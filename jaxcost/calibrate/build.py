"""From a table of measured layers to what a calibration knows of one target."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from jax.typing import ArrayLike
from threadpoolctl import threadpool_limits

from jaxcost._support.precision import double_precision
from jaxcost.calibrate.correction import (
    correct_each_fold,
    cross_validate_correction,
    fit_correction,
)
from jaxcost.calibrate.features import SORTS
from jaxcost.calibrate.fit import ROBUST, Accuracy, FitResult, fit_model
from jaxcost.calibrate.fit.folds import Folds
from jaxcost.calibrate.fit.repeats import Repeats
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.intervals import calibrate_intervals
from jaxcost.calibrate.plausible import implausible
from jaxcost.calibrate.units import in_units_of
from jaxcost.device import Device
from jaxcost.models.base import CostModel, LayerwiseCost, parameters_of
from jaxcost.models.registry import BASELINES, BY_SORT, model_class
from jaxcost.workload import Workload, counts, from_table
from jaxcost.workload.layer_table import validate_layers
from jaxcost.workload.selection import one_of

if TYPE_CHECKING:
    import pandas as pd

LEAST_LAYERS = 10  # a 90 % conformal interval needs nine errors, cross-validation one more
SPREAD = "process_cv"  # column with the coefficient of variation between processes
_CONTRADICTS = np.log(2)
_LARGEST = 0.25  # of the rows: what is beyond the rest without leaving too few of them

_LeftOut = tuple[np.ndarray, np.ndarray, np.ndarray]  # errors in ln, novelties and weights of rows


@dataclasses.dataclass(frozen=True)
class _Candidate:
    name: str
    result: FitResult
    largest: float  # mean |ln(predicted / observed)| of the largest rows, left out, uncorrected
    corrected: dict[str, tuple[np.ndarray, np.ndarray]]  # by kind of fold: ln predicted, novelty

    def error(self, log_observed: np.ndarray, weights: np.ndarray) -> float:
        """Mean over the kinds of fold of the mean |ln(predicted / observed)|.

        Not of the relative error, which forgives a prediction of almost nothing.
        """
        each = (np.abs(p - log_observed) for p, _ in self.corrected.values())
        means = [float(np.average(error, weights=weights)) for error in each]
        return float(np.mean([self.largest, *means]))


# The matrices are too small for threads of BLAS, which would only wait for one another.
@threadpool_limits.wrap(1, user_api="blas")
def fit_layers(
    frame: "pd.DataFrame",
    device: Device,
    *,
    target: str = "time_s",
    model: str | None = None,
    correction: bool | None = None,
    starts: int = 16,
    seed: int = 0,
) -> Fitted:
    """Fits a model, its correction and its intervals to a table of measured layers.

    Operations that are no product are fitted apart, by a model of their own, where there are ten of
    them, and ten products; of fewer the model for products has them among the others.

    Args:
        frame: as from `jaxcost.workload.layer_table.read_layer_table`; a column `sweep`, where
            there is one, says which layers were varied together, and whole sweeps are then left
            out in turn; rows weigh the less the larger their `process_cv`, where a measurement
            has one. Rows of the same sizes are one layer, measured several times.
        device: what was measured.
        target: the measured column, `time_s` or `energy_j`, keyword-only.
        model: a name from `jaxcost.models.registry`; None takes the one with the smallest
            cross-validated error. keyword-only.
        correction: whether to correct the model between measured layers; None: unless a model
            was asked for by name. keyword-only.
        starts, seed: as in `jaxcost.fit_model`, keyword-only.
    Raises: ValueError: fewer than ten layers, rows that are no layers or have no cost, rows of
        several devices or precisions, or whatever `jaxcost.fit_model` refuses.
    """
    check_enough(len(frame), len(frame), "layers")
    corrected = model is None if correction is None else correction
    data = MeasuredLayers.of(frame, device, target)
    check_enough(len(frame), data.repeats.layers, "layers")
    parts = data.parts() if model is None else {"products": data}
    fits = {
        name: _fitted(part, model, corrected, starts=starts, seed=seed)
        for name, part in parts.items()
    }
    fits = {s: in_units_of(target, _doubted(f, device, target)) for s, f in fits.items()}
    first = fits.pop(next(iter(fits)))
    return dataclasses.replace(first, apart=fits)


def _fitted(
    data: "MeasuredLayers", model: str | None, corrected: bool, *, starts: int, seed: int
) -> Fitted:
    """The best model of those that are to be fitted to rows of one sort."""
    names = data.names_to_fit(model)
    # Half of a fit is compiling, which leaves Python to the other fits.
    with ThreadPoolExecutor() as pool:
        fitted = pool.map(lambda name: data.fit(name, starts=starts, seed=seed), names)
        results = dict(zip(names, fitted))
    best = data.best({name: results[name] for name in ([model] if model else names)}, corrected)
    return data.finish(best, results, corrected)


def _doubted(fitted: Fitted, device: Device, target: str) -> Fitted:
    """The same with a warning where the times are most likely in another unit."""
    doubts = implausible(fitted.estimates, device) if target == "time_s" else []
    return dataclasses.replace(fitted, warnings=(*doubts, *fitted.warnings))


def check_enough(rows: int, different: int, what: str) -> None:
    """ValueError where there are too few different layers (or runs) for intervals to be checked."""
    if different >= LEAST_LAYERS or different == 1 < rows:  # of one layer, the fit says so
        return
    of = "" if different == rows else f" of {different} different {what}"
    raise ValueError(
        f"rows = {rows}{of} is not enough for intervals that are checked; "
        f"measure at least {LEAST_LAYERS} different {what}"
    )


def _open(model: type[CostModel]) -> int:
    """How many of its parameters nothing is believed of before the data."""
    return sum(p.spread is None for p in parameters_of(model))


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

    def parts(self) -> dict[str, "MeasuredLayers"]:
        """The rows that are fitted together, by sort, products first.

        A sort of which there are too few is fitted with the products, and all are where without the
        other sorts too few would be left.
        """
        sorts = [s for s in SORTS if s != "products" and self._enough(SORTS[s].holds(self.layers))]
        parts = self.parted(sorts)
        return parts if all(p._enough() for p in parts.values()) else {"products": self}

    def parted(self, sorts: Sequence[str]) -> dict[str, "MeasuredLayers"]:
        """These sorts by themselves, and first, as far as there are any, all other rows."""
        masks = {sort: np.asarray(SORTS[sort].holds(self.layers)) for sort in sorts}
        left = ~np.any([np.zeros(len(self.numbers), bool), *masks.values()], axis=0)
        masks = ({"products": left} if left.any() else {}) | masks
        return {sort: self._where(mask, sort) for sort, mask in masks.items()}

    def _enough(self, rows: ArrayLike = True) -> bool:
        """Whether the rows, or those of a mask, are of enough different layers to be fitted."""
        chosen = np.broadcast_to(np.asarray(rows), self.x.shape[:1])
        return len(np.unique(self.repeats.layer[chosen])) >= LEAST_LAYERS

    def _where(self, rows: np.ndarray, sort: str) -> "MeasuredLayers":
        layers = self.layers[np.flatnonzero(rows)]
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

    def fit(self, name: str, *, starts: int = 16, seed: int = 0) -> FitResult:
        """A model of `jaxcost.models.registry`, fitted to these rows."""
        kind = model_class(name, BY_SORT[self.sort])
        return fit_model(
            kind, self.layers, self.device, self.observed,
            sweeps=self.sweeps, largest=self.largest, spread=self.spread, starts=starts, seed=seed,
        )  # fmt: skip

    @property
    def largest(self) -> np.ndarray:
        """The quarter of the rows with the most FLOPs, positions and weights: masks of shape
        `(masks, rows)`; what is predicted of them without them says how far beyond to trust."""
        flops = np.asarray(counts.flops(self.layers), np.float64)
        if self.sort == "memory-bound":
            sizes = np.asarray(counts.bytes_moved(self.layers), np.float64)[None]
        else:
            sizes = np.stack([flops, self.x[:, 0], self.x[:, 1:4].sum(axis=1)])
        masks = sizes > np.quantile(sizes, 1 - _LARGEST, axis=1, keepdims=True)
        return masks[masks.any(axis=1)]

    def corrected(self, folds: Folds) -> tuple[np.ndarray, np.ndarray]:
        """ln of the corrected prediction of each left-out row, and its novelty."""
        given = self.x, self.log_layer, folds, self.repeats, SORTS[self.sort]
        return cross_validate_correction(*given)

    def can_fit(self, name: str) -> bool:
        """Whether the model gives every row a cost: some know products of matrices alone."""
        needs = {"alpha-flops": counts.conv_flops, "flops-only": counts.flops}
        return name not in needs or bool((np.asarray(needs[name](self.layers)) > 0).all())

    def best(self, results: dict[str, FitResult], corrected: bool) -> _Candidate:
        """The model with the smallest cross-validated error, corrected or not.

        To that error counts what it predicts of the largest rows from the others: of two models
        that a correction makes equal among the rows, the one that holds beyond them is better.

        The most promising comes first, so that most of the others are given up early.
        """
        alone = [self._alone(name, result) for name, result in results.items()]
        alone.sort(key=self._error)
        if not corrected:
            return alone[0]
        best = self._corrected(alone[0], np.inf)
        assert best is not None
        for other in alone[1:]:
            best = self._corrected(other, self._error(best)) or best
        return best

    def _alone(self, name: str, result: FitResult) -> _Candidate:
        none, largest = np.zeros(len(self.x)), result.largest
        beyond = 0.0 if largest is None else self._error_of_the_left_out(largest)
        corrected = {k: (f.predicted(), none) for k, f in result.folds.items()}
        return _Candidate(name, result, beyond, corrected)

    def _error_of_the_left_out(self, folds: Folds) -> float:
        error = np.abs(folds.log_predicted - self.log_observed)
        return float(np.average(error, weights=folds.masks * self.repeats.weights))

    def _error(self, candidate: _Candidate) -> float:
        return candidate.error(self.log_observed, self.repeats.weights)

    def _corrected(self, alone: _Candidate, most: float) -> _Candidate | None:
        """With what is predicted of rows left out; None as soon as its error is above `most`."""
        parts = len(alone.corrected) + 1
        shares = self.repeats.weights / self.repeats.layers / parts
        error, kinds = alone.largest / parts, {}
        for kind in sorted(alone.corrected, reverse=True):  # sweeps, where there are, tell soonest
            log_predicted, novelty = np.zeros(len(self.x)), np.zeros(len(self.x))
            folds = alone.result.folds[kind]
            given = self.x, self.log_layer, folds, self.repeats, SORTS[self.sort]
            for out, *found in correct_each_fold(*given):
                log_predicted[out], novelty[out] = found
                error += float(shares[out] @ np.abs(log_predicted - self.log_observed)[out])
                if error > most:
                    return None
            kinds[kind] = log_predicted, novelty
        return dataclasses.replace(alone, corrected={kind: kinds[kind] for kind in alone.corrected})

    def _groups(self, best: _Candidate) -> list[_LeftOut]:
        """The rows left out in whole sweeps, and the largest: what a correction is far from."""
        groups = []
        if "sweeps" in best.corrected:
            groups.append(self._left_out(*best.corrected["sweeps"], np.ones(len(self.x), bool)))
        if best.result.largest is not None:
            apart = [self._left_out(*self.corrected(f), f.masks[0]) for f in best.result.largest]
            error, novelty, weights = map(np.concatenate, zip(*apart, strict=True))
            groups.append((error, novelty, weights))
        return groups

    def _left_out(
        self, log_predicted: np.ndarray, novelty: np.ndarray, rows: np.ndarray
    ) -> _LeftOut:
        error = self.log_observed - log_predicted
        return error[rows], novelty[rows], self.repeats.weights[rows]

    def finish(self, best: _Candidate, results: dict[str, FitResult], corrected: bool) -> Fitted:
        """The best with its correction, intervals and errors, the others beside it."""
        result, observed = best.result, self.log_observed
        log_predicted, novelty = best.corrected["rows"]
        model = result.model
        assert isinstance(model, LayerwiseCost)
        alone = np.log(np.asarray(model.layer_costs(self.layers, self.device), np.float64))
        residual = np.column_stack([self.x, self.log_layer - alone])[self.repeats.first]
        fitted = Fitted(
            name=best.name,
            model=model,
            intervals=calibrate_intervals(
                (observed - log_predicted, novelty),
                self._groups(best) if corrected else (),
                weights=self.repeats.weights,
            ),
            estimates=result.estimates,
            covariance=result.covariance,
            singular_values=result.singular_values,
            errors={},
            model_errors=result.errors,
            baselines={n: r.errors for n, r in results.items() if n != best.name},
            warnings=(*result.warnings, *_contradictions(alone, observed, self.numbers)),
            correction=fit_correction(residual[:, :-1], residual[:, -1], sort=SORTS[self.sort])
            if corrected
            else None,
            layers=residual if corrected else None,
            dtype=self.dtype,
        )
        in_sample = np.log(np.asarray(fitted.layer_costs(self.layers, self.device), np.float64))
        predictions = {"in_sample": in_sample} | {k: p for k, (p, _) in best.corrected.items()}
        errors = {k: Accuracy.of(p, observed, self.repeats) for k, p in predictions.items()}
        return dataclasses.replace(fitted, errors=errors)


def _features(layers: Workload, sort: str) -> np.ndarray:
    with double_precision():
        return np.asarray(SORTS[sort].of(layers), np.float64)


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


def _contradictions(
    log_predicted: np.ndarray, log_observed: np.ndarray, numbers: np.ndarray
) -> list[str]:
    """Rows so far from what all others say that the measurement itself is in doubt."""
    error = log_predicted - log_observed
    usual = 1.4826 * np.median(np.abs(error))
    rows = np.flatnonzero(np.abs(error) > max(_CONTRADICTS, 6 * usual))
    worst = sorted(rows, key=lambda row: -abs(error[row]))[:5]
    shown = ", ".join(f"{numbers[row]} ({_times(-error[row])} what is expected)" for row in worst)
    if not worst:
        return []
    what = "1 row contradicts" if len(rows) == 1 else f"{len(rows)} rows contradict"
    given = "was" if len(rows) == 1 else "were"
    return [f"{what} the others and {given} given little weight: row {shown}"]


def _times(log_ratio: float) -> str:
    """A ratio in words that need no exponent: "3.2 times" or "1/140 of"."""
    if log_ratio >= 0:
        return f"{_short(np.exp(log_ratio))} times"
    return f"1/{_short(np.exp(-log_ratio))} of"


def _short(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"

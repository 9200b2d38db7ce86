"""From a table of measured layers to what a calibration knows of one target."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from jaxcost._support.precision import as_double, double_precision
from jaxcost.calibrate.carry_over import Origin
from jaxcost.calibrate.disagreement import disagreements
from jaxcost.calibrate.fit import Accuracy, FitResult
from jaxcost.calibrate.fit.folds import Folds
from jaxcost.calibrate.fit.sample import MOST_LAYERS
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.intervals import calibrate_intervals
from jaxcost.calibrate.measured_layers import LEAST_LAYERS, MeasuredLayers
from jaxcost.calibrate.plausible import implausible
from jaxcost.calibrate.threads import one_thread
from jaxcost.calibrate.transfer import fit_each_from
from jaxcost.calibrate.units import in_units_of
from jaxcost.device import Device
from jaxcost.models.base import LayerwiseCost
from jaxcost.models.registry import sort_of

if TYPE_CHECKING:
    import pandas as pd

_CONTRADICTS = np.log(2)
_CLEARLY = 0.9  # of another model's error, which noise alone does not make less

_LeftOut = tuple[np.ndarray, np.ndarray, np.ndarray]  # errors in ln, novelties and weights of rows


@dataclasses.dataclass(frozen=True)
class _Candidate:
    name: str
    result: FitResult
    corrected: dict[str, tuple[np.ndarray, np.ndarray]]  # by kind of fold: ln predicted, novelty
    # By kind of fold, and of the largest rows uncorrected: mean |ln(predicted / observed)|, not of
    # the relative error, which forgives a prediction of almost nothing.
    errors: dict[str, float]


@one_thread
def fit_layers(
    frame: "pd.DataFrame",
    device: Device,
    *,
    target: str = "time_s",
    model: str | None = None,
    correction: bool | None = None,
    starts: int = 16,
    seed: int = 0,
    origin: Origin | None = None,
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
        model: a name from `jaxcost.models.registry`; None takes the first of the sort of layers,
            unless cross-validation finds another clearly better. keyword-only.
        correction: whether to correct the model between measured layers; None: unless a model
            was asked for by name. keyword-only.
        starts, seed: as in `jaxcost.fit_model`, keyword-only.
        origin: what another device's calibration says of this one, from which the fit starts;
            `model` and `correction` are then those of that calibration. keyword-only.
    Raises: ValueError: fewer than ten layers, rows that are no layers or have no cost, rows of
        several devices or precisions, or whatever `jaxcost.fit_model` refuses.
    """
    check_enough(len(frame), len(frame), "layers")
    corrected = model is None if correction is None else correction
    data = MeasuredLayers.of(frame, device, target)
    check_enough(len(frame), data.repeats.layers, "layers")
    kept = data.without_few_gradients() if model is None else data

    def alone(part: MeasuredLayers) -> Fitted:
        return _fitted(part, model, corrected, starts=starts, seed=seed)

    if origin is None:
        parts = kept.parts() if model is None else kept.all_of(sort_of(model), model)
        fits = {name: alone(part) for name, part in parts.items()}
    else:
        fits = fit_each_from(origin, kept, alone, seed=seed)
    fits = {s: in_units_of(target, _doubted(f, device, target)) for s, f in fits.items()}
    first = fits.pop(next(iter(fits)))
    doubts = disagreements(frame, data.repeats, data.log_observed)
    first = dataclasses.replace(first, warnings=(*doubts, *first.warnings))
    if few := len(data.numbers) - len(kept.numbers):
        line = f"{few} gradients of convolutions are left out: it takes {LEAST_LAYERS} of a kind"
        first = dataclasses.replace(first, warnings=(line, *first.warnings))
    return dataclasses.replace(first, apart=fits)


def _fitted(
    data: MeasuredLayers, model: str | None, corrected: bool, *, starts: int, seed: int
) -> Fitted:
    """The best model of those that are to be fitted to rows of one sort."""
    names = data.names_to_fit(model)
    # Half of a fit is compiling, which leaves Python to the other fits.
    with ThreadPoolExecutor() as pool:
        fitted = pool.map(lambda name: data.fit(name, starts=starts, seed=seed), names)
        results = dict(zip(names, fitted))
    choice = _Choice(data)
    best = choice.best({name: results[name] for name in ([model] if model else names)}, corrected)
    return choice.finish(best, results, corrected)


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


@dataclasses.dataclass(frozen=True)
class _Choice:
    """Among the models fitted to rows, the one to predict with."""

    rows: MeasuredLayers

    def best(self, results: dict[str, FitResult], corrected: bool) -> _Candidate:
        """The first, unless another is clearly better in every way that rows are left out.

        The first knows most of what makes layers slow: a simpler one that a few sweeps or a
        correction make its equal is worse where nothing was measured. Of very many layers, some
        choose.
        """
        if corrected and len(results) > 1 and self.rows.repeats.layers > MOST_LAYERS:
            rows, chosen = self.rows.some()
            few = {name: result.of_rows(chosen) for name, result in results.items()}
            name = _Choice(rows).best(few, corrected).name
            results = {name: results[name]}
        first, *others = results
        best = self._candidate(first, results[first], corrected, {})
        assert best is not None
        for name in others:
            most = {kind: _CLEARLY * error for kind, error in best.errors.items()}
            best = self._candidate(name, results[name], corrected, most) or best
        return best

    def _candidate(
        self, name: str, result: FitResult, corrected: bool, most: dict[str, float]
    ) -> _Candidate | None:
        """With what is predicted of rows left out; None as soon as an error is above the `most`."""
        kinds, errors = {}, {}
        if result.largest is not None:
            errors["largest"] = self._error_of_the_left_out(result.largest)
        for kind in sorted(result.folds, reverse=True):  # sweeps, where there are, tell soonest
            if not _within(errors, most):
                return None
            folds = result.folds[kind]
            alone = folds.predicted(), np.zeros(len(self.rows.x))
            kinds[kind] = self.rows.corrected(folds) if corrected else alone
            error = np.abs(kinds[kind][0] - self.rows.log_observed)
            errors[kind] = float(np.average(error, weights=self.rows.repeats.weights))
        if not _within(errors, most):
            return None
        return _Candidate(name, result, {kind: kinds[kind] for kind in result.folds}, errors)

    def _error_of_the_left_out(self, folds: Folds) -> float:
        error = np.abs(folds.log_predicted - self.rows.log_observed)
        return float(np.average(error, weights=folds.masks * self.rows.repeats.weights))

    def _groups(self, best: _Candidate) -> list[_LeftOut]:
        """The rows left out in sweeps or blocks, and the largest: far from what is corrected."""
        groups = []
        if "sweeps" in best.corrected:
            every = np.ones(len(self.rows.x), bool)
            groups.append(self._left_out(*best.corrected["sweeps"], every))
        for folds in filter(None, (best.result.largest, best.result.blocks)):
            each = ((self.rows.corrected(fold), fold.masks[0]) for fold in folds)
            apart = [self._left_out(*predicted, rows) for predicted, rows in each]
            error, novelty, weights = map(np.concatenate, zip(*apart, strict=True))
            groups.append((error, novelty, weights))
        return groups

    def _left_out(
        self, log_predicted: np.ndarray, novelty: np.ndarray, rows: np.ndarray
    ) -> _LeftOut:
        error = self.rows.log_observed - log_predicted
        return error[rows], novelty[rows], self.rows.repeats.weights[rows]

    def finish(self, best: _Candidate, results: dict[str, FitResult], corrected: bool) -> Fitted:
        """The best with its correction, intervals and errors, the others beside it."""
        rows, result, observed = self.rows, best.result, self.rows.log_observed
        log_predicted, novelty = best.corrected["rows"]
        model = result.model
        assert isinstance(model, LayerwiseCost)
        with double_precision():
            layers = as_double(rows.layers)
            alone = np.log(np.asarray(model.layer_costs(layers, rows.device)))
        residual = np.column_stack([rows.x, rows.log_layer - alone])[rows.repeats.first]
        fitted = Fitted(
            name=best.name,
            model=model,
            intervals=calibrate_intervals(
                (observed - log_predicted, novelty),
                self._groups(best) if corrected else (),
                weights=rows.repeats.weights,
            ),
            estimates=result.estimates,
            covariance=result.covariance,
            singular_values=result.singular_values,
            errors={},
            model_errors=result.errors,
            baselines={n: r.errors for n, r in results.items() if n != best.name},
            warnings=(*result.warnings, *_contradictions(alone, observed, rows.numbers)),
            correction=rows.correction(residual) if corrected else None,
            layers=residual if corrected else None,
            dtype=rows.dtype,
            sort=rows.sort,
        )
        with double_precision():
            in_sample = np.log(np.asarray(fitted.layer_costs(layers, rows.device)))
        predictions = {"in_sample": in_sample} | {k: p for k, (p, _) in best.corrected.items()}
        errors = {k: Accuracy.of(p, observed, rows.repeats) for k, p in predictions.items()}
        return dataclasses.replace(fitted, errors=errors)


def _within(errors: dict[str, float], most: dict[str, float]) -> bool:
    return all(error <= most.get(kind, np.inf) for kind, error in errors.items())


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

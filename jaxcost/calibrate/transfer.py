"""A fit to few rows that starts from another device's calibration: only what differs is learnt.

    ln(time) = ln(model(parameters)) + share * correction of the other device + difference

The parameters are believed to be near the other device's, moved by the data sheets; the share, of
its correction, near 1; the difference, a correction of its own, to be small and smooth. A
correction that does not hold here, such as that of a card which throttles, is let go by its share.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost._support.precision import as_double, double_precision
from jaxcost.calibrate.carry_over import Origin
from jaxcost.calibrate.correction import (
    Correction,
    cross_validate_correction,
    fit_correction,
    log_ratio_at,
)
from jaxcost.calibrate.features import SORTS
from jaxcost.calibrate.fit import ROBUST, Accuracy
from jaxcost.calibrate.fit.folds import Folds, layer_folds
from jaxcost.calibrate.fit.identify import Identifiability, identify
from jaxcost.calibrate.fit.optimize import minimize
from jaxcost.calibrate.fit.problem import Problem
from jaxcost.calibrate.fit.space import Space
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.intervals import calibrate_intervals
from jaxcost.calibrate.measured_layers import MeasuredLayers
from jaxcost.models.base import Parameter
from jaxcost.workload import Workload

# Of what is left between two devices: the standard deviation in ln(time), its noise, and how far
# in ln(size) it carries. Half or twice of each changes the errors on left-out devices by little
# (experiments/accuracy, split `left out`).
_AMPLITUDE, _NOISES, _LENGTH = 0.15, (0.1, 0.15), 2.0
_FEW = 50
_SHARE = Parameter("share", -math.inf, math.inf, "1", "of the other's correction", 1.0, 0.5)


def fit_each_from(
    origin: Origin,
    rows: MeasuredLayers,
    alone: Callable[[MeasuredLayers], Fitted],
    *,
    seed: int,
) -> dict[str, Fitted]:
    """What a calibration knows of each sort of layers, fitted to rows from what another's says.

    A sort of which that one knows nothing is fitted `alone`; one of which too little was measured
    here is carried over, where the data sheets tell how.
    """
    theirs = origin.fitted.parts
    fits = {
        sort: fit_from(origin, theirs[sort], part, seed=seed) if sort in theirs else alone(part)
        for sort, part in _parted(origin.fitted, rows).items()
    }
    line = (
        f"started from the calibration of {origin.name}, which holds where these rows say nothing"
    )
    first = next(iter(fits))
    fits[first] = dataclasses.replace(fits[first], warnings=(line, *fits[first].warnings))
    for sort in [] if origin.lacks else [sort for sort in theirs if sort not in fits]:
        line = (
            f"fewer than ten layers ({SORTS[sort].words}) were measured: carried over from "
            f"{origin.name} by the data sheets"
        )
        fits[sort] = dataclasses.replace(origin.carried(theirs[sort]), warnings=(line,))
    return fits


def _parted(theirs: Fitted, rows: MeasuredLayers) -> dict[str, MeasuredLayers]:
    """Rows by the parts that price them there, and by sorts like nothing there; enough of each."""

    def strange(layers: Workload) -> bool:
        return theirs.correction is None or bool(theirs.unlike(layers).all())

    new = [s for s, p in rows.parts().items() if s not in theirs.parts and strange(p.layers)]
    parts = rows.parted([*theirs.apart, *new], theirs.sort)
    enough = {sort: part for sort, part in parts.items() if part.enough()}
    return enough or rows.parted([], theirs.sort)


def fit_from(origin: Origin, part: Fitted, rows: MeasuredLayers, *, seed: int) -> Fitted:
    """The same of one sort of layers, of which `part` is what the other device's says.

    Args: rows: of this device, ten different layers or more; seed: of the folds, keyword-only.
    """
    found = _Transferred.of(origin, part, rows, seed)
    correction, layers = _merged(part, found)
    error = rows.log_observed - found.left_out, np.zeros(len(found.x))
    own, theirs = calibrate_intervals(error, weights=rows.repeats.weights), part.intervals
    few = rows.repeats.layers < _FEW  # which may all lie near by chance
    half_width = math.hypot(own.half_width, theirs.half_width if few else 0)
    fitted = dataclasses.replace(
        part,
        model=Space.of(part.model).build(found.values),
        intervals=dataclasses.replace(theirs, half_width=half_width),
        estimates=found.known.estimates,
        covariance=found.known.covariance,
        singular_values=found.known.singular_values,
        errors={},
        model_errors=_errors(rows, found.model[0], found.folds(found.model).predicted()),
        baselines={},
        warnings=found.known.warnings,
        correction=correction,
        layers=layers,
        dtype=rows.dtype,
        apart={},
    )
    costs = np.asarray(fitted.layer_costs(rows.layers, rows.device), np.float64)
    return dataclasses.replace(fitted, errors=_errors(rows, np.log(costs), found.left_out))


def predict_each_left_out(
    origin: Origin, part: Fitted, rows: MeasuredLayers, *, seed: int
) -> np.ndarray:
    """ln of what is predicted of each row by the same fit made without it, shape `(rows,)`."""
    return _Transferred.of(origin, part, rows, seed).left_out


def _errors(
    rows: MeasuredLayers, in_sample: np.ndarray, left_out: np.ndarray
) -> dict[str, Accuracy]:
    of_rows = {"in_sample": in_sample, "rows": left_out}
    return {k: Accuracy.of(p, rows.log_observed, rows.repeats) for k, p in of_rows.items()}


@dataclasses.dataclass(frozen=True)
class _Transferred:
    """What fits to all rows, and without each fold's, found; their number stands first in shapes.

    Attributes:
        rows: what was fitted; x: their features; masks: the folds, shape `(folds, rows)`.
        known, values: of the parameters by the fit to all rows; share: that of the correction.
        model, theirs: ln predicted by each model, and by its share of the other's correction.
        noise: of the difference, in ln.
    """

    rows: MeasuredLayers
    x: np.ndarray
    masks: np.ndarray
    known: Identifiability
    values: dict[str, float]
    share: float
    model: np.ndarray
    theirs: np.ndarray
    noise: float

    @classmethod
    def of(cls, origin: Origin, part: Fitted, rows: MeasuredLayers, seed: int) -> "_Transferred":
        sort = part.correction.sort if part.correction else SORTS[rows.sort]
        masks, layers = layer_folds(rows.repeats, seed=seed), rows.repeats.layers
        seen = np.concatenate([np.ones((1, layers), bool), ~rows.repeats.any(masks)])
        with double_precision():
            x = np.asarray(sort.of(rows.layers), np.float64)
            problem = _problem(origin, part, rows)
            z, both = _solved(problem, seen)
            known = identify(problem, z[0])
        theirs = z[:, -1:] * np.asarray(problem.workloads[1])[None, :, 0]
        values = problem.space.values(z[0])
        share = values.pop(_SHARE.name)
        own = Identifiability(
            known.estimates[:-1], known.covariance[:-1, :-1], known.singular_values
        )
        model, theirs = (
            (of_layers)[:, rows.repeats.layer] for of_layers in (both - theirs, theirs)
        )
        return cls(rows, x, masks, own, values, share, model, theirs, _noise(part))

    def folds(self, log_predicted: np.ndarray) -> Folds:
        return Folds(self.masks, log_predicted[1:])

    @property
    def left_out(self) -> np.ndarray:
        """ln predicted of each row, corrected, by the fit without it."""
        rows, folds = self.rows, self.folds(self.model + self.theirs)
        given = self.x, rows.log_layer, folds, rows.repeats, SORTS[rows.sort], self.kernel
        return cross_validate_correction(*given)[0]

    @property
    def kernel(self) -> tuple[float, float, np.ndarray]:
        """Of the difference."""
        return _AMPLITUDE, self.noise, np.full(self.x.shape[1], _LENGTH)

    @property
    def residual(self) -> np.ndarray:
        """ln(observed / predicted) of each layer by its model alone, after its features."""
        return np.column_stack([self.x, self.rows.log_layer - self.model[0]])[
            self.rows.repeats.first
        ]


def _merged(part: Fitted, found: _Transferred) -> tuple[Correction, np.ndarray]:
    """One correction that says it all, so that a file needs no other; and the layers it is fitted
    to: the other device's, moved by the difference, and this one's.

    With the other's kernel: a Gaussian process is linear in what it is fitted to.
    """
    own, first = found.residual, found.rows.repeats.first
    x, left = own[:, :-1], own[:, -1] - found.theirs[0][first]
    before = part.correction
    if before is None or part.layers is None:
        return fit_correction(x, left, found.kernel, sort=SORTS[found.rows.sort]), own
    difference = fit_correction(x, left, found.kernel, sort=before.sort)
    moved = part.layers.copy()
    moved[:, -1] = found.share * moved[:, -1] + log_ratio_at(difference, moved[:, :-1])
    layers = np.concatenate([moved, own])
    kernel = float(before.amplitude), float(before.noise), np.asarray(before.lengths, np.float64)
    return fit_correction(layers[:, :-1], layers[:, -1], kernel, sort=before.sort), layers


def _noise(part: Fitted) -> float:
    """That of the other device's layers, within what lets 20 rows say something."""
    least, most = _NOISES
    return min(max(least, float(part.correction.noise)), most) if part.correction else least


class _SharedSpace(Space):
    """A model's parameters, and last the share of a correction that each row brings with it."""

    def model(self, z: Any) -> Any:
        own = Space(self.template, self.parameters[:-1], self.settings).model(z[:-1])
        return lambda row, device: own(row[0], device) * jnp.exp(z[-1] * row[1].sum())


def _problem(origin: Origin, part: Fitted, rows: MeasuredLayers) -> Problem:
    """Each layer once, with what the other device's correction says of it."""
    own, z = origin.space(part)
    space = _SharedSpace(own.template, (*own.parameters, _SHARE), own.settings)
    log_mean, scatter = rows.repeats.combined(rows.log_observed, rows.spread, ROBUST)
    layers = rows.layers[rows.repeats.first]
    theirs = part.correction.log_ratio(layers) if part.correction else np.zeros(len(layers))
    given = jax.tree.map(lambda leaf: np.asarray(leaf)[:, None], (layers, theirs))
    certainty = 1 / (1 + (np.zeros(len(layers)) if scatter is None else scatter / ROBUST) ** 2)
    given, device = as_double((given, rows.device))
    believed = np.append(np.asarray(z, np.float64), 1.0)
    precision = np.asarray(space.precision(), np.float64)
    scales = ROBUST, _noise(part), believed, precision
    return Problem(space, given, device, log_mean, certainty, {}, *scales)


def _solved(problem: Problem, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each fit to the layers `seen`, shape `(fits, layers)`: `z`, and ln predicted of all."""
    weights, starts = np.asarray(seen, np.float64), np.repeat(problem.believed[None], len(seen), 0)
    z, _ = minimize(lambda some, z: problem.linearised(z, weights[some]), starts)
    return z, problem.log_predicted(z)

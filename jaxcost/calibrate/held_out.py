"""Which layers are held out before a fit, and how well it then predicts them."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxcost.calibrate.carry_over import Origin
from jaxcost.calibrate.fit import Accuracy, FitResult
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.measured_layers import MeasuredLayers
from jaxcost.calibrate.threads import one_thread
from jaxcost.calibrate.transfer import predict_each_left_out
from jaxcost.device import Device
from jaxcost.models.base import LayerwiseCost

if TYPE_CHECKING:
    import pandas as pd

_EVERY = 5  # a fifth of the layers is held out
_LABELS = ("sweep", "line")


def hold_out(layers: "pd.DataFrame", columns: Sequence[str], *, seed: int) -> np.ndarray:
    """A random fifth of the rows, even among sweeps: a mask of shape `(rows,)`.

    Layers that are equal in `columns` are held out together, or the fit would know them.
    """
    alike = layers.groupby([*columns], sort=False).ngroup().to_numpy()
    _, first, inverse = np.unique(alike, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    sweep = np.unique(layers["sweep"].to_numpy(str)[first], return_inverse=True)[1]
    order = np.lexsort((rng.random(len(first)), sweep))
    chosen = np.zeros(len(first), bool)
    chosen[order[rng.integers(_EVERY) :: _EVERY]] = True
    return chosen[inverse]


def evaluate(
    fitted: Fitted,
    seen: "pd.DataFrame",
    unseen: "pd.DataFrame",
    device: Device,
    *,
    seed: int,
    target: str = "time_s",
) -> Fitted:
    """The same with the errors `held_out` of the model, and of every baseline on the same rows.

    Args:
        fitted: fitted to `seen`.
        seen, unseen: tables of layers with the column `target`.
        device, seed, target: those of the fit.
    """
    known, new = (MeasuredLayers.of(frame, device, target) for frame in (seen, unseen))
    seen_parts, unseen_parts = (_parts(fitted, rows) for rows in (known, new))
    found = {
        sort: _evaluated(of, seen_parts[sort], unseen_parts[sort], seed)
        for sort, of in fitted.parts.items()
        if sort in unseen_parts and sort in seen_parts
    }
    first = found.pop(fitted.sort, fitted)
    return dataclasses.replace(first, apart=fitted.apart | found)


def _parts(fitted: Fitted, rows: MeasuredLayers) -> dict[str, MeasuredLayers]:
    """The rows of a table as the parts of `fitted` are of them, by sort."""
    return rows.parted(list(fitted.apart), fitted.sort)


def _evaluated(fitted: Fitted, known: MeasuredLayers, new: MeasuredLayers, seed: int) -> Fitted:
    device = known.device

    def accuracy(model: Fitted | LayerwiseCost) -> Accuracy:
        costs = np.asarray(model.layer_costs(new.layers, device), np.float64)
        return Accuracy.of(np.log(costs), new.log_observed, new.repeats)

    baselines = {
        name: errors | {"held_out": accuracy(_layerwise(known.fit(name, seed=seed)))}
        for name, errors in fitted.baselines.items()
    }
    return dataclasses.replace(
        fitted,
        errors=fitted.errors | {"held_out": accuracy(fitted)},
        model_errors=fitted.model_errors | {"held_out": accuracy(_layerwise(fitted))},
        baselines=baselines,
    )


@one_thread
def predict_each_unseen(
    fitted: Fitted,
    layers: "pd.DataFrame",
    device: Device,
    target: str,
    *,
    seed: int,
    origin: Origin | None = None,
) -> np.ndarray:
    """Each row's cost as predicted by a fit made without it, in s or J, shape `(rows,)`.

    These are the predictions that the error `rows` of `fitted` is of: the folds are the same.
    """
    rows = MeasuredLayers.of(layers, device, target)
    found = np.asarray(fitted.layer_costs(rows.layers, device), np.float64).copy()
    for sort, of in _parts(fitted, rows.without_few_gradients()).items():
        found[of.numbers - 1] = _each_unseen(fitted.parts[sort], of, seed, origin)
    return found  # of what was left out of the fit, as it is predicted by it


def _each_unseen(
    fitted: Fitted, rows: MeasuredLayers, seed: int, origin: Origin | None
) -> np.ndarray:
    if not fitted.errors:  # carried over: the fit saw no row of this sort
        return np.asarray(fitted.layer_costs(rows.layers, rows.device), np.float64)
    if origin is not None and rows.sort in origin.fitted.parts:
        theirs = origin.fitted.parts[rows.sort]
        return np.exp(predict_each_left_out(origin, theirs, rows, seed=seed))
    folds = rows.fit(fitted.name, seed=seed).folds["rows"]
    return np.exp(folds.predicted() if fitted.correction is None else rows.corrected(folds)[0])


def _layerwise(result: FitResult | Fitted) -> LayerwiseCost:
    assert isinstance(result.model, LayerwiseCost)
    return result.model

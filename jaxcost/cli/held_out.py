"""Which layers are held out before a fit, and how well it then predicts them."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxcost.calibration.fitted import Fitted
from jaxcost.correction import cross_validate_correction, features
from jaxcost.device import Device
from jaxcost.fit import Accuracy, FitResult, fit
from jaxcost.models.base import LayerwiseCost
from jaxcost.models.registry import MODELS
from jaxcost.precision import double_precision
from jaxcost.workload import from_table

if TYPE_CHECKING:
    import pandas as pd

_EVERY = 5  # a fifth of the layers is held out
_LABELS = ("sweep", "line")


def draw(layers: "pd.DataFrame", columns: Sequence[str], *, seed: int) -> np.ndarray:
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
    fitted: Fitted, seen: "pd.DataFrame", unseen: "pd.DataFrame", device: Device, *, seed: int
) -> Fitted:
    """The same with the errors `held_out` of the model, and of every baseline on the same rows.

    Args:
        fitted: fitted to `seen`.
        seen, unseen: tables of layers with `time_s`.
        device, seed: those of the fit.
    """
    layers, observed = from_table(unseen), np.log(unseen["time_s"].to_numpy(float))

    def accuracy(model: Fitted | LayerwiseCost) -> Accuracy:
        costs = np.asarray(model.layer_costs(layers, device), np.float64)
        return Accuracy.of(np.log(costs), observed)

    baselines = {
        name: errors | {"held_out": accuracy(_layerwise(_refit(name, seen, device, seed)))}
        for name, errors in fitted.baselines.items()
    }
    return dataclasses.replace(
        fitted,
        errors=fitted.errors | {"held_out": accuracy(fitted)},
        model_errors=fitted.model_errors | {"held_out": accuracy(_layerwise(fitted))},
        baselines=baselines,
    )


def predict_each_unseen(
    fitted: Fitted, layers: "pd.DataFrame", device: Device, target: str, *, seed: int
) -> np.ndarray:
    """Each row's cost as predicted by a fit made without it, in s or J, shape `(rows,)`.

    These are the predictions that the error `rows` of `fitted` is of: the folds are the same.
    """
    result = _refit(fitted.name, layers, device, seed, target)
    folds = result.folds["rows"]
    if fitted.correction is None:
        return np.exp(folds.predicted())
    with double_precision():
        x = np.asarray(features(from_table(layers)), np.float64)
    log_observed = np.log(layers[target].to_numpy(float))
    return np.exp(cross_validate_correction(x, log_observed, folds)[0])


def _refit(
    name: str, layers: "pd.DataFrame", device: Device, seed: int, target: str = "time_s"
) -> FitResult:
    sweeps = layers["sweep"].astype(str).tolist() if "sweep" in layers else None
    observed = layers[target].to_numpy(float)
    return fit(MODELS[name], from_table(layers), device, observed, sweeps=sweeps, seed=seed)


def _layerwise(result: FitResult | Fitted) -> LayerwiseCost:
    assert isinstance(result.model, LayerwiseCost)
    return result.model

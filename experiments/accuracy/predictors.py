"""What predicts: a calibration as a user makes it, and what it has to be better than."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import jaxcost as jc
from jaxcost.calibrate import SORTS
from jaxcost.models import MODELS
from jaxcost.workload import counts

Predicted = pd.DataFrame  # columns predicted_time_s, and _lo, _hi where there are intervals
Predictor = Callable[[pd.DataFrame, pd.DataFrame, jc.Device], tuple[Predicted, str]]


def ours(fitted: pd.DataFrame, judged: pd.DataFrame, device: jc.Device) -> tuple[Predicted, str]:
    """As `jaxcost fit` and `jaxcost predict` do it, through the file; and the model chosen."""
    calibration = jc.fit(fitted, device)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calibration.json"
        calibration.save(path)
        loaded = jc.load_calibration(path)
    return loaded.predict(judged), loaded.models["time_s"].name


def model_alone(name: str) -> Predictor:
    """A model of the registry without correction, nor intervals."""

    def predict(
        fitted: pd.DataFrame, judged: pd.DataFrame, device: jc.Device
    ) -> tuple[Predicted, str]:
        if name == "alpha-flops" and not fitted["op"].isin(["dense", "conv2d"]).all():
            nothing = pd.DataFrame({"predicted_time_s": np.full(len(judged), np.nan)})
            return nothing, name  # it has no price for what is no product
        time_s = fitted["time_s"].to_numpy(float)
        rows = jc.from_table(fitted), device, time_s
        found = jc.fit_model(MODELS[name], *rows, folds=0, starts=4)
        costs = found.model.layer_costs(jc.from_table(judged), device)
        return pd.DataFrame({"predicted_time_s": np.asarray(costs, np.float64)}), name

    return predict


def extra_trees(
    fitted: pd.DataFrame, judged: pd.DataFrame, device: jc.Device
) -> tuple[Predicted, str]:
    """A black box on ln time, given our features and the logarithms of FLOPs and bytes."""
    del device
    from sklearn.ensemble import ExtraTreesRegressor

    trees = ExtraTreesRegressor(n_estimators=300, min_samples_leaf=1, random_state=0)
    trees.fit(_inputs(fitted), np.log(fitted["time_s"].to_numpy(float)))
    return pd.DataFrame({"predicted_time_s": np.exp(trees.predict(_inputs(judged)))}), "trees"


def _inputs(table: pd.DataFrame) -> np.ndarray:
    layers = jc.from_table(table)
    amounts = (counts.flops(layers), counts.bytes_moved(layers))
    described = [sort.of(layers) for sort in SORTS.values()]
    logs = (np.log(np.maximum(np.asarray(a), 1)) for a in amounts)
    return np.nan_to_num(np.column_stack([*described, *logs]))


PREDICTORS = {
    "ours": ours,
    "alpha-flops": model_alone("alpha-flops"),
    "roofline": model_alone("roofline"),
    "extra trees": extra_trees,
}
warnings.filterwarnings("ignore", message=".*precision", category=UserWarning)

"""The paper's tables, computed: the two readings of its parameters, FLOPs, predictions, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jax.typing import ArrayLike

from jaxcost._support.published import published
from jaxcost.device import device
from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.workload import conv2d, counts, from_table

if TYPE_CHECKING:
    import pandas as pd


def implied_model() -> AlphaFlops:
    """α-FLOPs with the scale and K = 1 parameters that give the predictions printed in table 3a.

    Least squares in the logarithms of those four predictions; K > 1 keeps what is printed.
    """
    from scipy.optimize import least_squares

    table, printed = published("alpha_flops_table_3a"), AlphaFlops.quadro_t2000()

    def model(logarithms: np.ndarray) -> AlphaFlops:
        scale, beta, gamma = np.exp(logarithms)
        return AlphaFlops(scale, beta, gamma, printed.beta_k, printed.gamma_k)

    def residuals(logarithms: np.ndarray) -> np.ndarray:
        return np.log(predict(model(logarithms), _layers(table)) / table["predicted_time_s"])

    start = np.log([float(printed.scale), float(printed.beta_1), float(printed.gamma_1)])
    # Steps wide enough for single precision; beta and gamma are at most 1, and so is the scale.
    found = least_squares(residuals, start, bounds=(-np.inf, 0), diff_step=1e-3, x_scale="jac")
    return model(found.x)


def predict(model: AlphaFlops, layers: pd.DataFrame) -> np.ndarray:
    """Predicted time in s of each row of a table of layers, shape `(rows,)`."""
    seconds = model.layer_costs(from_table(layers), device("quadro-t2000"))
    return np.asarray(seconds, dtype=float)


def flops(layers: pd.DataFrame) -> np.ndarray:
    """FLOPs of each row of a table of layers by equation 4, shape `(rows,)`."""
    return np.asarray(counts.conv_flops(from_table(layers)), dtype=float)


def alpha(model: AlphaFlops, pixels: ArrayLike, kernel: float) -> np.ndarray:
    """The factor of equation 5, in (0, 1], for a square kernel on `pixels` = W·H, shape `(n,)`."""
    layers = conv2d(in_h=1, in_w=pixels, c_in=1, c_out=1, k_h=kernel, k_w=kernel)
    seconds = model.layer_costs(layers, device("quadro-t2000"))
    return np.asarray(seconds / (model.scale * counts.conv_flops(layers)), dtype=float)


def with_predictions(layers: pd.DataFrame, model: AlphaFlops) -> pd.DataFrame:
    """The table with `flops`, `predicted_time_s`, `relative_error` (predicted / measured - 1)."""
    predicted = predict(model, layers)
    error = predicted / layers["time_s"] - 1
    return layers.assign(flops=flops(layers), predicted_time_s=predicted, relative_error=error)


def table_1a(model: AlphaFlops) -> pd.DataFrame:
    """Table 1a: its layers and measured times, with the FLOPs and times that the formulas give."""
    return with_predictions(published("alpha_flops_table_1a"), model)


def table_3a(printed: AlphaFlops, implied: AlphaFlops) -> pd.DataFrame:
    """Table 3a: measured and printed times in s, and the predictions of both readings."""
    table = published("alpha_flops_table_3a")
    return table.assign(
        printed_parameters_time_s=predict(printed, _layers(table)),
        implied_parameters_time_s=predict(implied, _layers(table)),
    )


def errors(layers: pd.DataFrame) -> dict[str, float | None]:
    """How far predictions are from measurements: relative errors as fractions, and R² in time.

    Args:
        layers: with `time_s` and `predicted_time_s`.

    Returns:
        Mean and median absolute relative error, share of rows within ±10 %, and R², which is
        None where all times are equal.
    """
    measured, predicted = layers["time_s"].to_numpy(), layers["predicted_time_s"].to_numpy()
    relative = np.abs(predicted / measured - 1)
    squares = np.sum((measured - measured.mean()) ** 2)
    unexplained = np.sum((predicted - measured) ** 2)
    return {
        "mean_absolute_relative_error": float(relative.mean()),
        "median_absolute_relative_error": float(np.median(relative)),
        "share_within_10_percent": float(np.mean(relative <= 0.10)),
        "r_squared": float(1 - unexplained / squares) if np.ptp(measured) else None,
    }


def errors_by_sweep(layers: pd.DataFrame) -> pd.DataFrame:
    """`errors` of each sweep: one row a sweep, with the number of its `layers`."""
    import pandas as pd

    parts = layers.groupby("sweep", sort=True)
    rows = [{"sweep": name, "layers": len(part), **errors(part)} for name, part in parts]
    return pd.DataFrame(rows)


def _layers(table: pd.DataFrame) -> pd.DataFrame:
    """The layers of table 1a that a table with the paper's `config` labels speaks of."""
    return published("alpha_flops_table_1a").set_index("config").loc[table["config"]].reset_index()

"""Whole models: latency predicted from single layers against measured, and baselines.

    python experiments/zoo/model_zoo.py MEASURED.csv --calibration FILE [--out OUT]

MEASURED.csv is what experiments/zoo/zoo_times.py wrote; the calibration saw single layers only. The
models in FIT choose the share of elementwise work that fusion leaves, and how far programs scatter;
they fit the baselines, too. All errors are of the others. Writes OUT.csv and OUT.png.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from zoo_models import EXAMPLES, build, inputs

import jaxcost as jc
from jaxcost import figures
from jaxcost.trace import Fusion, program_costs

FIT = ("ResNet50", "MobileNet", "DenseNet121", "EfficientNetB0", "NASNetMobile", "VGG16")
FAMILIES = ("elementwise", "reduction", "pooling", "movement")
BASELINES = {
    "flops_only_s": ["flops"],
    "roofline_s": ["flops", "bytes"],
    "xla_roofline_s": ["xla_flops", "xla_bytes"],
}
_BARE = Fusion(elementwise=0.0, reduction=0.0, pooling=0.0, movement=0.0, spread=0.0)


def features(measured: pd.DataFrame, calibration: jc.Calibration) -> pd.DataFrame:
    """Predicted seconds of products and of each family at a share of one, and totals."""
    rows = []
    for name, of_model in measured.groupby("model", sort=False):
        model = build(str(name))
        for row in of_model.to_dict("records"):
            found = jc.count(model, inputs(str(name), row["batch"]))
            rows.append(row | of_program(found, calibration))
    return pd.DataFrame(rows)


def of_program(found: jc.Counts, calibration: jc.Calibration) -> dict[str, float]:
    """The same of one program."""
    fitted = calibration.models["time_s"]
    costs = program_costs(found, fitted, calibration.device, _BARE)
    row = {"products": costs.total, "flops": found.flops, "bytes": found.bytes_moved}
    row["reach"] = float(np.log(costs.total_upper / costs.total))
    for family in FAMILIES:
        moved = sum(o.repeat * o.bytes_moved for o in found.operations if o.op == family)
        row[family] = moved / float(fitted.model.bandwidth)
    return row


def fit_share(table: pd.DataFrame) -> tuple[float, float]:
    """The share of elementwise bytes that fusion leaves, and the spread of what is left, in ln.

    The mean absolute error in ln is the least: a model that the compiler treats in another way is
    not to bend the rest.
    """
    part = table[table.model.isin(FIT)]

    def errors(share: float) -> np.ndarray:
        return np.abs(np.log(total(part, share) / part.time_s).to_numpy())

    best = min(np.arange(0, 1.01, 0.01), key=lambda share: errors(share).mean())
    return float(best), float(1.4826 * np.median(errors(best)))


def total(table: pd.DataFrame, share: float) -> pd.Series:
    """Products, a share of elementwise work, and all of what is not fused; s."""
    return table.products + share * table.elementwise + table[list(FAMILIES[1:])].sum(axis=1)


def predictions(table: pd.DataFrame) -> pd.DataFrame:
    """Whole-model predictions of every kind, in s: ours, the bare sum, and the baselines."""
    part = table.model.isin(FIT)
    share, spread = fit_share(table)
    print(f"share of elementwise work {share:.2f}, spread {spread:.3f}")
    table = table.assign(fitted_to=part, predicted_s=total(table, share))
    half = np.hypot(table.reach, 1.645 * spread)
    table["predicted_lo_s"] = table.predicted_s * np.exp(-half)
    table["predicted_hi_s"] = table.predicted_s * np.exp(half)
    table["error"] = table.predicted_s / table.time_s - 1
    table["sum_of_products_s"] = table.products
    for name, columns in BASELINES.items():
        if set(columns) <= set(table):
            table[name] = baseline(table, columns, part)
    return table


def baseline(table: pd.DataFrame, columns: list[str], part: pd.Series) -> np.ndarray:
    """The largest of some amounts, each divided by a rate fitted to the FIT models."""
    from scipy.optimize import minimize

    amounts, logs = np.log(table[columns].to_numpy()), np.log(table.time_s.to_numpy())

    def log_time(rates: np.ndarray) -> np.ndarray:
        return (amounts - rates).max(axis=1)

    def loss(rates: np.ndarray) -> float:
        error = (log_time(rates) - logs)[part]
        return float(np.abs(error).mean() + 0.01 * (error**2).mean())  # the latter for one minimum

    start = np.median((amounts - logs[:, None])[part], axis=0)
    return np.exp(log_time(minimize(loss, start, method="Nelder-Mead").x))


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Errors of each kind of prediction on the models that nothing was fitted to."""
    unseen = table[~table.fitted_to]
    rows = []
    for name in ("predicted_s", "sum_of_products_s", *BASELINES):
        if name in unseen:
            error = (unseen[name] / unseen.time_s - 1).abs()
            row = {"prediction": name, "programs": len(error), "median": error.median()}
            row |= {f"batch {b}": error[unseen.batch == b].median() for b in (1, 8)}
            rows.append(row | {"within 20 %": (error <= 0.2).mean(), "worst": error.max()})
    inside = unseen.time_s.between(unseen.predicted_lo_s, unseen.predicted_hi_s).mean()
    print(f"{unseen.model.nunique()} models unseen; inside their 90 % interval: {inside:.0%}")
    return pd.DataFrame(rows).round(3)


def figure(table: pd.DataFrame):
    """Predicted against measured, with intervals."""
    groups = np.where(table.fitted_to, "share fitted to", "convolutional")
    groups = np.where(table.model.isin(list(EXAMPLES)), "examples/", groups)
    return figures.predicted_against_measured(
        table.time_s, table.predicted_s, groups=list(groups), band=0.2,
        lower=table.predicted_lo_s, upper=table.predicted_hi_s,
        title="Whole models, batch 1 and 8, from single layers",
    )  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measured", type=Path)
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--out", type=Path, default=Path("experiments/zoo/model_zoo"))
    given = parser.parse_args()
    loaded = jc.load_calibration(given.calibration)
    table = predictions(features(pd.read_csv(given.measured), loaded))
    shown = ["model", "batch", "time_s", "predicted_s", "predicted_lo_s", "predicted_hi_s", "error"]
    print(table[[*shown, "fitted_to"]].round(4).to_string(index=False))
    print(summary(table).to_string(index=False))
    # Six digits: more are noise, and differ from machine to machine.
    table.to_csv(given.out.with_suffix(".csv"), index=False, float_format="%.6g")
    figures.save(figure(table), given.out.with_suffix(".png"))


if __name__ == "__main__":
    main()

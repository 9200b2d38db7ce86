"""Whole models: counts against Table A.3, latency predicted against measured, and baselines.

    python experiments/model_zoo.py count [--out experiments/model_zoo_counts.csv]
    python experiments/model_zoo.py time --out measured.csv [--models NAME ...] [--batches 1 8]
    python experiments/model_zoo.py predict measured.csv --calibration FILE [--out OUT.csv]

The second times models of keras.applications on this machine; the third predicts them from a
calibration that saw single layers only. The models in FIT choose the share of elementwise work; all
errors are of the others. KERAS_BACKEND=jax is set here.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import jaxcost as jc
from jaxcost.files import write_text

# Resolution, and the name in the thesis's Table A.3; '' where it has none.
ZOO = {
    "VGG16": (224, "VGG-16"), "VGG19": (224, "VGG-19"),
    "ResNet50": (224, "ResNet-50"), "ResNet101": (224, "ResNet-101"),
    "ResNet152": (224, "ResNet-152"), "InceptionV3": (299, "Inception V3"),
    "InceptionResNetV2": (299, "Inception ResNet V2"), "DenseNet121": (224, "Densenet-121"),
    "DenseNet169": (224, "Densenet-169"), "DenseNet201": (224, "Densenet-201"),
    "Xception": (299, "Xception"), "MobileNet": (224, "MobileNet"),
    "MobileNetV2": (224, "MobileNetV2"), "EfficientNetB0": (224, "EfficientNet-B0"),
    "EfficientNetB1": (240, "EfficientNet-B1"), "EfficientNetB2": (260, "EfficientNet-B2"),
    "EfficientNetB3": (300, "EfficientNet-B3"), "EfficientNetB4": (380, "EfficientNet-B4"),
    "EfficientNetB5": (456, "EfficientNet-B5"), "EfficientNetV2S": (384, "EfficientNetV2-S"),
    "ConvNeXtTiny": (224, ""), "ResNet50V2": (224, ""), "ResNet101V2": (224, ""),
    "EfficientNetV2B0": (224, ""), "EfficientNetV2B1": (240, ""), "EfficientNetV2B3": (300, ""),
    "NASNetMobile": (224, ""), "MobileNetV3Large": (224, ""), "MobileNetV3Small": (224, ""),
}  # fmt: skip
FIT = ("ResNet50", "MobileNet", "DenseNet121", "EfficientNetB0", "NASNetMobile", "VGG16")
UNFUSED = ("reduction", "pooling", "movement")


def build(name: str) -> Any:
    """A model of keras.applications, untrained, at its own resolution."""
    import keras

    side = ZOO[name][0]
    return getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3))


def inputs(name: str, batch: int) -> jax.ShapeDtypeStruct:
    """The shape of a batch of a model's inputs."""
    side = ZOO[name][0]
    return jax.ShapeDtypeStruct((batch, side, side, 3), jnp.float32)


def count_all() -> pd.DataFrame:
    """FLOPs of every model beside Table A.3."""
    from jaxcost.datasets.papers import published

    table = published("inference_trends_table_a_3").drop_duplicates("model").set_index("model")
    rows = []
    for name, (side, printed) in ZOO.items():
        begin = time.perf_counter()
        found = jc.count(build(name), inputs(name, 1))
        row = {"model": name, "resolution": side, "gflops": found.flops / 1e9}
        row |= {"parameters": found.parameters, "unknown": len(found.unknown)}
        row["seconds"] = time.perf_counter() - begin
        if printed in table.index:
            row["printed_gflops"] = float(table.loc[printed, "flops"]) / 1e9
            row["ratio"] = row["gflops"] / row["printed_gflops"]
        rows.append(row)
    return pd.DataFrame(rows)


def time_one(name: str, batch: int, seconds: float = 4.0) -> dict[str, float]:
    """Latency of a compiled model: quartiles of calls, each awaited, in s."""
    model = build(name)
    own = [v.value for v in model.trainable_variables]
    others = [v.value for v in model.non_trainable_variables]
    run = jax.jit(lambda p, s, x: model.stateless_call(p, s, x, training=False)[0])
    x = jax.random.uniform(jax.random.key(0), inputs(name, batch).shape)
    compiled = run.lower(own, others, x).compile()
    xla = compiled.cost_analysis() or {}
    jax.block_until_ready(compiled(own, others, x))
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < 5:
        begin = time.perf_counter()
        jax.block_until_ready(compiled(own, others, x))
        taken.append(time.perf_counter() - begin)
    low, middle = np.quantile(taken, [0.25, 0.5])
    return {
        "time_s": float(low), "median_s": float(middle), "calls": len(taken),
        "xla_flops": float(xla.get("flops", np.nan)),
        "xla_bytes": float(xla.get("bytes accessed", np.nan)),
    }  # fmt: skip


def time_all(names: list[str], batches: list[int], out: Path) -> None:
    """Times every model at every batch size; a row is written as soon as it is known."""
    import keras

    rows = pd.read_csv(out).to_dict("records") if out.exists() else []
    done = {(row["model"], row["batch"]) for row in rows}
    for name in names:
        for batch in batches:
            if (name, batch) not in done:
                keras.utils.clear_session()
                rows.append({"model": name, "batch": batch, **time_one(name, batch)})
                print(rows[-1], flush=True)
                write_text(out, pd.DataFrame(rows).to_csv(index=False))


def features(measured: pd.DataFrame, calibration: jc.Calibration) -> pd.DataFrame:
    """Predicted seconds of products and of each family at a share of one, and totals."""
    from jaxcost.whole_program import Fusion, program_costs

    fitted, rows = calibration.models["time_s"], []
    bare = Fusion(0.0, 0.0, 0.0, 0.0, 0.0)
    for name, batch in measured[["model", "batch"]].itertuples(index=False):
        found = jc.count(build(name), inputs(name, batch))
        costs = program_costs(found, fitted, calibration.device, bare)
        bandwidth = float(fitted.model.bandwidth)
        row = {"products": costs.total, "flops": found.flops, "bytes": found.bytes_moved}
        row |= {"reach": float(np.log(costs.total_upper / costs.total))}
        for family in ("elementwise", *UNFUSED):
            moved = sum(o.repeat * o.bytes_moved for o in found.operations if o.op == family)
            row[family] = moved / bandwidth
        rows.append(row)
    return pd.concat([measured.reset_index(drop=True), pd.DataFrame(rows)], axis=1)


def fit_share(table: pd.DataFrame) -> tuple[float, float]:
    """The share of elementwise bytes that fusion leaves, and the spread of what is left, in ln.

    The mean absolute error in ln is the least: a model that the compiler treats in another way is
    not to bend the rest.
    """
    part = table[table.model.isin(FIT)]

    def errors(share: float) -> np.ndarray:
        return np.abs(np.log(_total(part, share) / part.time_s).to_numpy())

    best = min(np.arange(0, 1.01, 0.01), key=lambda share: errors(share).mean())
    return float(best), float(1.4826 * np.median(errors(best)))


def _total(table: pd.DataFrame, share: float) -> pd.Series:
    """Products, a share of elementwise work, and all of what is not fused; s."""
    return table.products + share * table.elementwise + table[list(UNFUSED)].sum(axis=1)


def predictions(table: pd.DataFrame) -> pd.DataFrame:
    """Whole-model predictions of every kind, in s: ours, the bare sum, and the baselines."""
    part = table.model.isin(FIT)
    share, spread = fit_share(table)
    print(f"share of elementwise work {share:.2f}, spread {spread:.3f}")
    table = table.assign(predicted_s=_total(table, share))
    table["sum_of_products_s"] = table.products
    table["half"] = np.hypot(table.reach, 1.645 * spread)
    for name, columns in (
        ("flops_only_s", ["flops"]), ("roofline_s", ["flops", "bytes"]),
        ("xla_roofline_s", ["xla_flops", "xla_bytes"]),
    ):  # fmt: skip
        if set(columns) <= set(table):
            table[name] = _baseline(table, columns, part)
    return table


def _baseline(table: pd.DataFrame, columns: list[str], part: pd.Series) -> np.ndarray:
    """The largest of some amounts, each divided by a rate fitted to the FIT models."""
    from scipy.optimize import minimize

    amounts, logs = np.log(table[columns].to_numpy()), np.log(table.time_s.to_numpy())

    def log_time(rates: np.ndarray) -> np.ndarray:
        return (amounts - rates).max(axis=1)

    def loss(rates: np.ndarray) -> float:
        return float(np.abs(log_time(rates) - logs)[part].mean())

    start = np.median(amounts - logs[:, None], axis=0)
    return np.exp(log_time(minimize(loss, start, method="Nelder-Mead").x))


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Errors of each kind of prediction on the models that nothing was fitted to."""
    unseen = table[~table.model.isin(FIT)]
    rows = []
    for name in (
        "predicted_s",
        "sum_of_products_s",
        "flops_only_s",
        "roofline_s",
        "xla_roofline_s",
    ):
        if name in unseen:
            error = (unseen[name] / unseen.time_s - 1).abs()
            row = {"prediction": name, "programs": len(error), "median": error.median()}
            row |= {f"median, batch {b}": error[unseen.batch == b].median() for b in (1, 8)}
            rows.append(row | {"within 20 %": (error <= 0.2).mean(), "worst": error.max()})
    inside = (np.log(unseen.predicted_s / unseen.time_s).abs() <= unseen.half).mean()
    print(f"inside their 90 % interval: {inside:.0%}")
    return pd.DataFrame(rows).round(3)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    of_counts = commands.add_parser("count")
    of_counts.add_argument("--out", type=Path)
    of_times = commands.add_parser("time")
    of_times.add_argument("--out", type=Path, required=True)
    of_times.add_argument("--models", nargs="*", default=list(ZOO))
    of_times.add_argument("--batches", nargs="*", type=int, default=[1, 8])
    of_predictions = commands.add_parser("predict")
    of_predictions.add_argument("measured", type=Path)
    of_predictions.add_argument("--calibration", required=True)
    of_predictions.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.command == "time":
        time_all(given.models, given.batches, given.out)
        return
    if given.command == "count":
        table = count_all()
        print(table.round(4).to_string(index=False))
    else:
        loaded = jc.load_calibration(given.calibration)
        table = predictions(features(pd.read_csv(given.measured), loaded))
        print(table.assign(error=table.predicted_s / table.time_s - 1).round(4).to_string())
        print(summary(table).to_string(index=False))
    if given.out:
        write_text(given.out, table.to_csv(index=False))


if __name__ == "__main__":
    main()

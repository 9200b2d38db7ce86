"""Why the latency model is what it is: each part taken away in turn, and cross-validated.

    python experiments/accuracy/latency_model.py LAYERS.csv [--out OUT]

Fits, to a table of measured layers with a column `sweep`, the published formula, the baselines,
the latency model, and the latency model without each of its parts; by rows (five folds, three
shuffles) and by whole sweeps. Writes a CSV and a figure, and lists the rows that are faster than
the device can be.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import jaxcost as jc
from jaxcost import figures
from jaxcost.calibrate import (
    Accuracy,
    calibrate_intervals,
    cross_validate_correction,
    features,
)
from jaxcost.device import device
from jaxcost.models import MODELS, parameters_of
from jaxcost.workload import counts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHUFFLES = 3


def with_fixed(name: str, free: tuple[str, ...] = (), **fixed: float) -> type[jc.LayerwiseCost]:
    """The latency model with some parameters held at a value, and others freed of their prior."""
    kept = [p for p in parameters_of(jc.AlphaRoofline) if p.name not in fixed]

    def layer_cost(self, layer, device):
        fitted = {p.name: getattr(self, p.name) for p in kept}
        return jc.AlphaRoofline(**fixed, **fitted).layer_cost(layer, device)

    body = {"unit": "s", "layer_cost": layer_cost, "__annotations__": {}, "__module__": __name__}
    for p in kept:
        spread = 10.0 if p.name in free else p.spread
        settings = {"unit": p.unit, "doc": p.doc, "start": p.start, "spread": spread}
        body[p.name] = jc.parameter(p.lower, p.upper, **settings)
        body["__annotations__"][p.name] = jc.Workload.__annotations__["batch"]
    return type(name, (jc.LayerwiseCost,), body)


NONE, ENDLESS = 1e-9, 1e9
CANDIDATES: dict[str, type[jc.LayerwiseCost]] = {
    "FLOPs only": MODELS["flops-only"],
    "roofline": MODELS["roofline"],
    "α-FLOPs, refitted": jc.AlphaFlops,
    "latency model": jc.AlphaRoofline,
    "  without floor": with_fixed("WithoutFloor", floor=1e-12),
    "  without serial stream": with_fixed(
        "WithoutStream", weight_ratio=ENDLESS, spatial_weight_ratio=1.0, kernel_exponent=NONE
    ),
    "  stream not slowed by S_K": with_fixed("WithoutKernel", kernel_exponent=NONE),
    "  without traffic": with_fixed("WithoutTraffic", ("weight_ratio",), bandwidth=1e15),
    "  without channel efficiency": with_fixed(
        "WithoutChannels", half_run=NONE, half_c_out=NONE, misaligned=1.0
    ),
    "  vectors always filled": with_fixed("Aligned", misaligned=1.0),
    "  one rate for all kernels": with_fixed("OneRate", conv_ratio=1.0, spatial_ratio=1.0),
    "  nothing hidden (sums)": with_fixed("Sums", sharpness=NONE),
}


class Study:
    """A table, and what models make of it."""

    def __init__(self, frame: pd.DataFrame, where: jc.Device) -> None:
        self.layers = jc.from_table(frame)
        self.where = where
        self.observed = frame["time_s"].to_numpy(float)
        self.sweeps = frame["sweep"].astype(str).tolist()
        self.x = np.asarray(features(self.layers), np.float64)
        rate = np.asarray(counts.flops(self.layers)) / self.observed
        self.possible = rate <= float(where.peak_flops)

    def fitted(self, model: type[jc.LayerwiseCost], seed: int) -> jc.FitResult:
        return jc.fit_model(
            model, self.layers, self.where, self.observed, sweeps=self.sweeps, seed=seed, starts=8
        )

    def errors(self, model: type[jc.LayerwiseCost]) -> dict[str, float]:
        """Mean absolute relative errors, without and with the correction, and its intervals."""
        results = [self.fitted(model, seed) for seed in range(SHUFFLES)]
        row = {"parameters": len(parameters_of(model))}
        log_observed = np.log(self.observed)
        for kind in ("rows", "sweeps"):
            alone, corrected, left_out = [], [], []
            for result in results if kind == "rows" else results[:1]:
                folds = result.folds[kind]
                better, novelty = cross_validate_correction(self.x, log_observed, folds)
                alone.append(Accuracy.of(folds.predicted(), log_observed))
                corrected.append(Accuracy.of(better, log_observed))
                left_out.append((log_observed - better, novelty))
                possible = Accuracy.of(better[self.possible], log_observed[self.possible])
            row |= {
                f"{kind}_model": np.mean([a.mean_absolute for a in alone]),
                f"{kind}_corrected": np.mean([a.mean_absolute for a in corrected]),
                f"{kind}_corrected_within_10": np.mean([a.within_10_percent for a in corrected]),
                f"{kind}_corrected_possible_rows": possible.mean_absolute,
            }
            row[f"_{kind}"] = left_out[0]
        rows, sweeps = row.pop("_rows"), row.pop("_sweeps")
        intervals = calibrate_intervals(rows, sweeps)
        row |= {
            "rows_covered": intervals.covers(*rows),
            "sweeps_covered": intervals.covers(*sweeps),
        }
        return row


def impossible_rows(study: Study, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows whose FLOPs in their time exceed the device's peak rate.

    For kernels above one element a fast algorithm (Winograd's, FFT) may explain it; a product of
    matrices has none in use: there the work was not done, or not all of it was timed.
    """
    rate = np.asarray(counts.flops(study.layers)) / study.observed / float(study.where.peak_flops)
    columns = ["sweep", "line", "in_h", "c_in", "c_out", "k_h", "time_s"]
    return frame.loc[~study.possible, columns].assign(times_the_peak_rate=rate[~study.possible])


def main() -> None:
    """Cross-validates every candidate; prints, and writes CSV and PNG."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--device", default="quadro-t2000")
    parser.add_argument("--out", type=Path, default=Path("experiments/accuracy/latency_model"))
    options = parser.parse_args()
    frame = jc.read_layer_table(options.table, target="time_s")
    study = Study(frame, device(options.device))
    print(impossible_rows(study, frame).to_string(index=False), "\n")
    table = pd.DataFrame({name: study.errors(model) for name, model in CANDIDATES.items()}).T
    shown = table.map("{:.1%}".format).assign(parameters=table["parameters"].astype(int))
    print(shown.to_string())
    table.rename_axis("model").round(4).to_csv(options.out.with_suffix(".csv"))
    figures.save(figure(table), options.out.with_suffix(".png"))


@figures.styled
def figure(table: pd.DataFrame) -> "Figure":
    """Errors of the models alone, by rows and by sweeps, as horizontal bars."""
    columns = {"rows_model": "rows left out", "sweeps_model": "whole sweeps left out"}
    fig, axes = figures.axes(
        "mean absolute relative error, cross-validated / %", "", size=(6.4, 4.6)
    )
    places = np.arange(len(table))[::-1]
    for shift, (column, label), color in zip((0.2, -0.2), columns.items(), figures.PALETTE):
        axes.barh(places + shift, 100 * table[column], height=0.36, label=label, color=color)
    axes.set_yticks(places, [name.strip() for name in table.index])
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right")
    return fig


if __name__ == "__main__":
    main()

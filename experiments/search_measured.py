"""A width chosen by prediction, against a measured sweep across each cache boundary.

A dense layer of w inputs and w outputs is to give the most parameters for its time. A calibration
is fitted to some widths; the width is chosen by it; then other widths, and the chosen ones, are
measured, in shuffled order, in three processes. The knee is where a byte begins to take longer.

    python experiments/search_measured.py --folder FOLDER
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd

import jaxcost as jc
from jaxcost import plots
from jaxcost.calibration.build import fit_table
from jaxcost.calibration.fitted import Fitted
from jaxcost.table import read_layer_table

BATCH = 8
RANGES = {"L2": (256, 1536), "L3": (1536, 6144)}  # widths about each boundary
STEPS_AN_OCTAVE = 4


def layers(widths: list[int]) -> pd.DataFrame:
    """A table of square dense layers."""
    same = {"op": "dense", "batch": BATCH, "in_h": 1, "in_w": 1, "k_h": 1, "k_w": 1}
    rest = {"stride": 1, "padding": "same", "groups": 1, "dtype": "float32"}
    return pd.DataFrame([same | {"c_in": w, "c_out": w} | rest for w in widths])


def measured(widths: list[int], name: str, folder: Path, minutes: float) -> pd.DataFrame:
    """The measured layers, by `jaxcost measure` and `export`; kept in the folder."""
    table, store, out = (folder / f"{name}.{kind}" for kind in ("csv", "db", "measured.csv"))
    if not out.exists():
        layers(widths).to_csv(table, index=False)
        run("measure", "--sweep", table, "--store", store, "--budget", minutes)
        run("export", store, "--out", out)
    return pd.read_csv(out)


def run(*arguments: object) -> None:
    """A command of jaxcost."""
    subprocess.run([sys.executable, "-m", "jaxcost", *map(str, arguments)], check=True)


def grid(offset: float) -> list[int]:
    """Widths in equal steps of the logarithm, multiples of 8."""
    low, high = RANGES["L2"][0], RANGES["L3"][1]
    places = np.arange(offset, np.log2(high / low) * STEPS_AN_OCTAVE + 1e-9)
    return [int(8 * round(low * 2 ** (p / STEPS_AN_OCTAVE) / 8)) for p in places]


def chosen(fitted: Fitted, device: jc.Device, name: str) -> jc.WidthSearch:
    """The width of least predicted time a parameter, about one boundary."""

    def pace(widths: jnp.ndarray) -> jnp.ndarray:
        layer = jc.dense(c_in=widths, c_out=widths, batch=BATCH)
        return 1e9 * fitted.cost(layer, device) / widths[0] ** 2

    def workload(widths: np.ndarray) -> jc.Workload:
        return jc.dense(c_in=float(widths[0]), c_out=float(widths[0]), batch=BATCH)

    return jc.search_widths(
        pace, [RANGES[name]], multiples=8, method="gradient", starts=16,
        run=workload, device=device,
    )  # fmt: skip


def knee(widths: np.ndarray, seconds: np.ndarray, name: str) -> float:
    """The width where the time of a byte begins to rise: two straight lines in logarithms."""
    some = (widths >= RANGES[name][0]) & (widths <= RANGES[name][1])
    x, y = np.log2(widths[some]), np.log(seconds[some] / widths[some] ** 2)

    def misfit(at: float) -> float:
        basis = np.column_stack([np.ones_like(x), x, np.maximum(x - at, 0)])
        factors, *_ = np.linalg.lstsq(basis, y, rcond=None)
        return float(((basis @ factors - y) ** 2).sum()) if factors[2] > 0 else np.inf

    places = np.linspace(x[1], x[-2], 400)
    return float(2 ** places[int(np.argmin([misfit(p) for p in places]))])


def nominal_knee(device: jc.Device, name: str) -> float:
    """The width whose weights, spread over its units, fill the level as the system describes it."""
    level = next(level for level in device.memory if level.name == name)
    return float(np.sqrt(float(level.capacity) / 4))


def main() -> None:
    """Measures, fits, chooses, measures again, and writes a table, JSON and a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=2.0, help="for each of two sweeps")
    parser.add_argument("--out", type=Path, default=Path("experiments/search_measured.json"))
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    measured(grid(0.0), "known", folder, options.minutes)
    known = read_layer_table(folder / "known.measured.csv", target="time_s")
    device = jc.detect_device()
    fitted = fit_table(known, device, model="alpha-roofline", correction=True)
    found = {name: chosen(fitted, device, name) for name in RANGES}
    widths = sorted({*grid(0.5), *(f.widths[0] for f in found.values())})
    others = measured(widths, "others", folder, options.minutes)
    results = {}
    for name, result in found.items():
        results[name] = judged(name, result, others, fitted, device)
        print(json.dumps(results[name], indent=1))
    facts = {"batch": BATCH, "results": results, "rows": others[["c_in", "time_s"]].to_dict("list")}
    options.out.write_text(json.dumps(facts, indent=1) + "\n")
    plots.save(figure(others, predicted(fitted, device), results), options.out.with_suffix(".png"))


def predicted(fitted: Fitted, device: jc.Device) -> Callable[[np.ndarray], np.ndarray]:
    """Seconds of layers of so many inputs and outputs."""

    def seconds(widths: np.ndarray) -> np.ndarray:
        layers_ = jc.dense(c_in=widths, c_out=widths, batch=BATCH)
        return np.asarray(fitted.layer_costs(layers_, device), float)

    return seconds


def judged(
    name: str, result: jc.WidthSearch, frame: pd.DataFrame, fitted: Fitted, device: jc.Device
) -> dict:
    """The chosen width beside the best measured, and the knees."""
    frame = frame.sort_values("c_in")
    widths, seconds = frame["c_in"].to_numpy(float), frame["time_s"].to_numpy()
    some = frame[(widths >= RANGES[name][0]) & (widths <= RANGES[name][1])].set_index("c_in")
    pace = some["time_s"] / some.index.to_numpy(float) ** 2
    measured_knee = knee(widths, seconds, name)
    expected = knee(widths, predicted(fitted, device)(widths), name)
    return {
        "level": name,
        "chosen": result.widths[0],
        "best_measured": int(pace.idxmin()),
        "excess": float(pace[result.widths[0]] / pace.min() - 1),
        "binding": str(result.binding),
        "knee_measured": measured_knee,
        "knee_predicted": expected,
        "knee_octaves": float(np.log2(measured_knee / expected)),
        "knee_nominal": nominal_knee(device, name),
        "noisy": int((some["status"] != "ok").sum()),
    }


@plots.styled
def figure(
    frame: pd.DataFrame, seconds: Callable[[np.ndarray], np.ndarray], results: dict
) -> object:
    """Time of a parameter over the width, measured and predicted, with boundaries and choices."""
    shown = frame.sort_values("c_in")
    x = shown["c_in"].to_numpy(float)
    smooth = np.geomspace(x[0], x[-1], 200)
    figure, ax = plots.axes("width (inputs and outputs)", "time of a parameter (ps)")
    ax.plot(
        smooth, 1e12 * seconds(smooth) / smooth**2, "--", color=plots.PALETTE[0], label="predicted"
    )
    measured_ = 1e12 * shown["time_s"] / x**2
    ax.plot(x, measured_, "o", color=plots.PALETTE[0], label="measured, none of them fitted to")
    for name, result in results.items():
        ax.axvline(result["knee_nominal"], color="#5f5f5f", linestyle=":")
        ax.annotate(f"{name} full", (result["knee_nominal"], 0.97), rotation=90, fontsize=8.5,
                    xycoords=("data", "axes fraction"), ha="right", va="top")  # fmt: skip
        row = shown[shown["c_in"] == result["chosen"]]
        label = "chosen" if name == next(iter(results)) else None
        pace = 1e12 * row["time_s"] / row["c_in"].to_numpy(float) ** 2
        ax.plot(row["c_in"], pace, "D", markersize=9, fillstyle="none",
                color=plots.PALETTE[1], label=label)  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_ylim(bottom=0)
    ax.legend(loc="lower right")
    return figure


if __name__ == "__main__":
    main()

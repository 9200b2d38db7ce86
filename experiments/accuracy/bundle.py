"""Calibrations of accelerators from NVIDIA's own table of products, as the package ships them.

    python experiments/accuracy/bundle.py --data FOLDER [--only h100-sxm]

FOLDER has `aic_gemm_bf16_time.csv`: products in bfloat16 as measured for AIConfigurator
(github.com/ai-dynamo/aiconfigurator, commit 095f58a5, Apache-2.0), which is not ours to ship. A
fifth of the shapes of weights is held out whole and judges the calibration, `data/fitted/*.json`;
of the rest a part is fitted, since more of them hardly make it better and only larger.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

import jaxcost as jc
from jaxcost.calibrate.held_out import evaluate

TABLE = "aic_gemm_bf16_time.csv"
DEVICES = {
    "a100-sxm": ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"),
    "h100-sxm": ("NVIDIA H100 80GB HBM3", "h100-sxm"),
    "h200-sxm": ("NVIDIA H200", "h200-sxm"),
    "b200": ("NVIDIA B200", "b200"),
}
GROUPS = 10  # of shapes of weights, each left out in turn: what a network brings is a new shape
HELD_OUT = 2  # of the groups judge, and are never fitted
ROWS = 1500
OUT = Path(__file__).resolve().parents[2] / "data" / "fitted"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with the table")
    parser.add_argument("--only", choices=DEVICES, help="one of the calibrations")
    parser.add_argument("--out", type=Path, default=OUT, help="where calibrations go")
    asked = parser.parse_args()
    table = jc.read_layer_table(asked.data / TABLE, target="time_s")
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in [asked.only] if asked.only else DEVICES:
        measured, device = DEVICES[name]
        calibration = calibrated(table[table["device"] == measured], jc.known_device(device))
        calibration.save(asked.out / f"{name}.json")
        print(name, calibration.models["time_s"].errors["held_out"])


def calibrated(rows: pd.DataFrame, device: jc.Device) -> jc.Calibration:
    """Fitted to some of the rows, judged by shapes of weights that it has not seen."""
    shape = rows.groupby(["c_in", "c_out"]).ngroup().to_numpy()
    group = np.random.default_rng(0).permutation(shape.max() + 1)[shape] % GROUPS
    rows = rows.assign(device=device.name, sweep=[f"weights {g}" for g in group])
    held = group < HELD_OUT
    seen = rows[~held].sample(ROWS, random_state=0).sort_index()
    fitted = jc.fit(seen, device, model="alpha-roofline", correction=True)
    judged = evaluate(fitted.models["time_s"], seen, rows[held], device, seed=0)
    source = {
        "source": "products in bfloat16 as measured for AIConfigurator (NVIDIA, Apache-2.0), "
        "github.com/ai-dynamo/aiconfigurator, commit 095f58a5",
        "covers": "products of matrices, weights read anew each time, in CUDA graphs: no dispatch",
        "lacks": "convolutions, attention, operations bound by memory",
    }
    known = {k: v for k, v in fitted.provenance.items() if k != "host"}
    return dataclasses.replace(
        fitted, models={"time_s": judged}, provenance=source | known | {"table": TABLE}
    )


if __name__ == "__main__":
    main()

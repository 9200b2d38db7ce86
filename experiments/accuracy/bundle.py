"""Calibrations of accelerators from NVIDIA's own table of products, as the package ships them.

    python experiments/accuracy/bundle.py --data FOLDER [--only h100-sxm]

FOLDER has `aic_gemm_bf16_time.csv` and `aic_gemm_bf16_energy.csv`: products in bfloat16 as measured
for AIConfigurator (github.com/ai-dynamo/aiconfigurator, commit 095f58a5, Apache-2.0), which are not
ours to ship; and `vidur_memory_bound_fp16.csv`: memory-bound operations on two of the cards, whose
items have 16 bits as well, as measured for Vidur (github.com/microsoft/vidur, commit 7d475133,
MIT). A fifth of the shapes of weights (of the rows, where memory binds) is held out whole and
judges the calibration, `data/fitted/*.json`; of the rest a part is fitted, since more of them
hardly make it better and only larger. Energies, mean power times time, are those of products of at
least 55 us.
"""

import argparse
import dataclasses
import datetime
import hashlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from operations import vidur

import jaxcost as jc
from jaxcost.calibrate import Fitted, evaluate

TABLES = {"time_s": "aic_gemm_bf16_time.csv", "energy_j": "aic_gemm_bf16_energy.csv"}
DEVICES = {
    "a100-sxm": ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"),
    "h100-sxm": ("NVIDIA H100 80GB HBM3", "h100-sxm"),
    "h200-sxm": ("NVIDIA H200", "h200-sxm"),
    "b200": ("NVIDIA B200", "b200"),
}
GROUPS = 10  # of shapes of weights, each left out in turn: what a network brings is a new shape
HELD_OUT = 2  # of the groups judge, and are never fitted
ROWS = 1500
SOURCE = {
    "source": "products in bfloat16 as measured for AIConfigurator (NVIDIA, Apache-2.0), "
    "github.com/ai-dynamo/aiconfigurator, commit 095f58a5",
    "covers": "products of matrices, weights read anew each time, in CUDA graphs: no dispatch",
    "lacks": "convolutions, attention, operations bound by memory",
}
OPERATIONS = "vidur_memory_bound_fp16.csv"
OPERATIONS_OF = {"a100-sxm": "A100", "h100-sxm": "H100"}  # as Vidur names the card
OF_VIDUR = {
    "source": SOURCE["source"] + "; memory-bound operations in float16 as measured for Vidur "
    "(Microsoft, MIT), github.com/microsoft/vidur, commit 7d475133",
    "lacks": "convolutions, attention",
}
LAYER = [
    *("device", "op", "batch", "in_h", "in_w", "c_in", "c_out", "k_h", "k_w"),
    *("stride", "padding", "groups", "dtype"),
]
OUT = Path(__file__).resolve().parents[2] / "data" / "fitted"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with the table")
    parser.add_argument("--only", choices=DEVICES, help="one of the calibrations")
    parser.add_argument("--out", type=Path, default=OUT, help="where calibrations go")
    asked = parser.parse_args()
    tables = {target: read(asked.data / name, target) for target, name in TABLES.items()}
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in [asked.only] if asked.only else DEVICES:
        measured, device = DEVICES[name]
        rows = {target: table[table["device"] == measured] for target, table in tables.items()}
        calibration = calibrated(
            {target: some for target, some in rows.items() if len(some)}, jc.known_device(device)
        )
        if name in OPERATIONS_OF:
            table = vidur(asked.data / OPERATIONS)
            own = table[table["device"] == OPERATIONS_OF[name]].drop(columns="sweep")
            calibration = with_operations(calibration, own)
        calibration.save(asked.out / f"{name}.json")
        for target, model in calibration.models.items():
            for sort, part in model.parts.items():
                print(name, target, sort, part.errors["held_out"])


def read(path: Path, target: str) -> pd.DataFrame:
    return jc.read_layer_table(path, target=target)[[*LAYER, target]]


def calibrated(rows: dict[str, pd.DataFrame], device: jc.Device) -> jc.Calibration:
    """A model a target, and where they come from."""
    models = {target: fitted(some, device, target) for target, some in rows.items()}
    digest = {TABLES[t]: hashlib.sha256(rows[t].to_csv().encode()).hexdigest() for t in rows}
    made = {name: version(name) for name in ("jaxcost", "jax", "numpy")}
    made["date_utc"] = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    return jc.Calibration(device, models, SOURCE | made | {"rows": ROWS, "table_sha256": digest})


def with_operations(calibration: jc.Calibration, rows: pd.DataFrame) -> jc.Calibration:
    """The same with memory-bound operations, of which a fifth of the rows judges."""
    device, rows = calibration.device, rows.assign(device=calibration.device.name)
    held = np.random.default_rng(0).random(len(rows)) < HELD_OUT / GROUPS
    seen = rows[~held].sample(ROWS, random_state=0).reset_index(drop=True)
    unseen = rows[held].reset_index(drop=True)
    found = evaluate(jc.fit(seen, device).models["time_s"], seen, unseen, device, seed=0)
    time = dataclasses.replace(calibration.models["time_s"], apart={"memory-bound": found})
    digest = {OPERATIONS: hashlib.sha256(rows.to_csv().encode()).hexdigest()}
    known = calibration.provenance
    told = known | OF_VIDUR | {"table_sha256": known["table_sha256"] | digest}
    return jc.Calibration(device, calibration.models | {"time_s": time}, told)


def fitted(rows: pd.DataFrame, device: jc.Device, target: str) -> Fitted:
    """Fitted to some of the rows, judged by shapes of weights that it has not seen."""
    shape = rows.groupby(["c_in", "c_out"]).ngroup().to_numpy()
    group = np.random.default_rng(0).permutation(shape.max() + 1)[shape] % GROUPS
    rows = rows.assign(device=device.name, sweep=[f"weights {g}" for g in group])
    held = group < HELD_OUT
    seen = rows[~held].sample(ROWS, random_state=0).sort_index()
    found = jc.fit(seen, device, target=target, model="alpha-roofline", correction=True)
    return evaluate(found.models[target], seen, rows[held], device, target=target, seed=0)


if __name__ == "__main__":
    main()

"""Whole transformers that others measured, estimated from calibrations to others' single layers.

    python experiments/accuracy/whole_models.py --data FOLDER --out whole_models.csv

FOLDER has NeuSight's tables. A calibration is fitted to what they measured of a GPU's single
layers, as `jaxcost fit` does it, and never to a whole model; each model, written in JAX, is then
estimated by it. NeuSight's own predictions, and a roofline's, stand beside ours in their table. Of
an MI250 there are no single layers: it is estimated by the calibration of an MI210, which has the
same compute units, and told apart. Models that were compiled, or run on several GPUs, are left out,
and so are Switch transformers, whose experts' capacity the table does not tell.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import whole_transformers

import jaxcost as jc

ROWS = {"dense": 800, "side by side": 400, "memory-bound": 800}
_SISTERS = {"AMD_Instinct_MI250": "AMD_Instinct_MI210"}
_OTHERS = ("neusight", "roofline")
_WHOLE = "whole_models_neusight.csv"
_SINGLE = {"dense": "neusight_dense_fp32.csv", "others": "neusight_other_ops_fp32.csv"}
_COLUMNS = [
    *("sweep", "op", "batch", "in_h", "in_w", "c_in", "c_out", "k_h", "k_w"),
    *("stride", "padding", "groups", "dtype", "time_s"),
]


def calibrations(folder: Path) -> dict[str, jc.Calibration]:
    """One a GPU that whole models were measured on, or that stands for such a one."""
    dense = jc.read_layer_table(folder / _SINGLE["dense"])
    others = jc.read_layer_table(folder / _SINGLE["others"])
    found = {}
    for device in sorted(set(others["device"])):
        own = others[others["device"] == device]
        tables = {
            "dense": dense[dense["device"] == device],
            "side by side": own[own["op"] == "dense"],
            "memory-bound": own[own["op"] != "dense"],
        }
        if all(len(table) for table in tables.values()):
            drawn = [_drawn(table, ROWS[kind]) for kind, table in tables.items()]
            rows = pd.concat(drawn, ignore_index=True)[_COLUMNS]
            device_ = jc.Device(device, platform="gpu")
            found[device.replace(" ", "_")] = jc.fit(rows, device_)
    return found


def _drawn(table: pd.DataFrame, most: int) -> pd.DataFrame:
    order = np.random.default_rng(0).permutation(len(table))
    return table.iloc[np.sort(order[:most])]


def measured(folder: Path) -> pd.DataFrame:
    """The whole models that ran eagerly on one GPU."""
    table = pd.read_csv(folder / _WHOLE)
    known = table["option"].isna() & ~table["architecture"].str.startswith("Switch")
    return table[known].reset_index(drop=True)


def estimated(table: pd.DataFrame, known: dict[str, jc.Calibration]) -> pd.DataFrame:
    """A row a whole model: what it took, ours with its interval, and others' predictions, in s."""
    rows = []
    for _, row in table.iterrows():
        calibration = known.get(_SISTERS.get(row["device"], row["device"]))
        if calibration is None:
            continue
        inputs = whole_transformers.parameters(row), whole_transformers.tokens(row)
        ours = jc.estimate(whole_transformers.program(row), *inputs, calibration=calibration)
        same = {name: row[name] for name in ("device", "model", "mode", "seq_len", "batch")}
        ours_ = {f"ours_s{end}": getattr(ours, f"latency_s{end}") for end in ("", "_lo", "_hi")}
        theirs = {
            f"{name}_s": row[f"{name}_e2e_s"] for name in ("measured", "neusight", "roofline")
        }
        rows.append(same | theirs | ours_)
    return pd.DataFrame(rows)


def errors(found: pd.DataFrame) -> pd.DataFrame:
    """Mean absolute error in % by device and mode, and the share inside the interval."""
    truth = found["measured_s"]
    names = ("ours", *_OTHERS)
    each = found[["device", "mode"]].assign(
        **{name: (found[f"{name}_s"] / truth - 1).abs() * 100 for name in names},
        inside=((found["ours_s_lo"] <= truth) & (truth <= found["ours_s_hi"])) * 100.0,
        models=1,
    )
    each.loc[each["roofline"].isna(), "roofline"] = np.nan
    kept = each.groupby(["device", "mode"])
    return kept[[*names, "inside"]].mean().assign(models=kept["models"].sum())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    found = estimated(measured(given.data), calibrations(given.data))
    found.to_csv(given.out, index=False, float_format="%.5g")
    print(errors(found).round(1).to_string())


if __name__ == "__main__":
    main()

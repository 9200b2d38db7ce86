"""How well layers are predicted that nobody tuned the models on, as one table.

    python experiments/accuracy/bench.py --data FOLDER --out accuracy.csv
        [--only PATTERN] [--predictors ours ...] [--processes 2] [--page docs/accuracy.md]

A row of the table is one device, one split and one predictor; a sweep counts by its layers. The
tables of others' measurements are not ours to ship: where FOLDER lacks one, its devices are left
out. What is where, and what the splits are: `splits.py`; devices that nobody measured:
`left_out.py`. What came out: `bench.csv`.
"""

import argparse
import multiprocessing
import re
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

import left_out
import numpy as np
import pandas as pd
from page import page
from predictors import PREDICTORS
from splits import Split, splits

import jaxcost as jc

_SUMMARY = ("device", "split", "predictor")


def judge(split: Split, names: list[str]) -> pd.DataFrame:
    """Each judged layer's relative error by each predictor, and whether its interval held it."""
    return pd.concat([_judge(split, name) for name in names])


def _judge(split: Split, name: str) -> pd.DataFrame:
    device = jc.Device(name="bench", platform=split.platform)
    begin = time.perf_counter()
    predicted, model = PREDICTORS[name](split.fitted, split.judged, device)
    seconds = time.perf_counter() - begin
    time_s = split.judged["time_s"].to_numpy(float)
    held = np.full(len(time_s), np.nan)
    if "predicted_time_s_lo" in predicted:
        lower, upper = (predicted[f"predicted_time_s_{end}"].to_numpy() for end in ("lo", "hi"))
        held = ((lower <= time_s) & (time_s <= upper)).astype(float)
    error = np.abs(predicted["predicted_time_s"].to_numpy() / time_s - 1)
    place = {"device": split.device, "split": split.kind, "part": split.part, "predictor": name}
    return pd.DataFrame(place | {"model": model, "error": error, "held": held, "seconds": seconds})


def summary(errors: pd.DataFrame) -> pd.DataFrame:
    """One row a device, split and predictor; errors in percent."""

    def row(some: pd.DataFrame) -> pd.Series:
        parts = some.groupby("part")
        return pd.Series(
            {
                "layers": len(some),
                "mean": round(100 * some["error"].mean(), 1),
                "worst part": round(100 * parts["error"].mean().max(), 1),
                "median": round(100 * some["error"].median(), 1),
                "within 10 %": round(100 * (some["error"] <= 0.1).mean()),
                "inside 90 %": round(100 * some["held"].mean(), 1),
                "least inside": round(100 * parts["held"].mean().min(), 1),
                "seconds": round(parts["seconds"].first().mean(), 1),
                "models": " ".join(f"{m}:{n}" for m, n in _models(parts).items()),
            }
        )

    by = errors.groupby(list(_SUMMARY), sort=False)
    return by.apply(row, include_groups=False).reset_index()


def _models(parts: "pd.api.typing.DataFrameGroupBy") -> dict[str, int]:
    return parts["model"].first().value_counts().to_dict()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    parser.add_argument("--only", default="", help="a pattern of device, split and sweep")
    parser.add_argument("--predictors", nargs="+", choices=PREDICTORS, default=list(PREDICTORS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--page", type=Path, metavar="FILE.md", help="the table to be read")
    asked = parser.parse_args()
    wanted = [
        s for s in splits(asked.data) if re.search(asked.only, f"{s.device} {s.kind} {s.part}")
    ]
    unmeasured = [
        table
        for table in left_out.tables(asked.data)
        if re.search(asked.only, f"{table[0].of} {left_out.KIND}")
    ]
    errors: list[pd.DataFrame] = []
    fresh = multiprocessing.get_context("spawn")  # JAX's threads do not survive a fork
    with ProcessPoolExecutor(asked.processes, fresh) as pool:
        judged = pool.map(partial(judge, names=asked.predictors), wanted)
        for found in chain(judged, pool.map(left_out.judge, unmeasured)):
            errors.append(found)
            print(summary(found).to_string(index=False, header=len(errors) == 1), flush=True)
    table = summary(pd.concat(errors))
    table.to_csv(asked.out, index=False)
    print(table.to_string(index=False))
    if asked.page:
        asked.page.write_text(page(table))


if __name__ == "__main__":
    main()

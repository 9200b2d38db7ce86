"""How long the zoo's models take on this machine, and what XLA says of them.

    python experiments/zoo/zoo_times.py --out measured.csv [--models NAME ...] [--batches 1 8]

A row is written as soon as it is known, and what is there is not measured again. A model is
compiled once and called until the seconds are over, and four times at least; each call is awaited.
`time_s` is the first quartile of the calls, as in a calibration, since disturbances only add.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from zoo_models import TIMED, build, runnable, sample

LEAST_CALLS = 4


def time_one(name: str, batch: int, seconds: float) -> dict[str, float]:
    """Latency of a compiled model, in s, and XLA's own count of its FLOPs and bytes."""
    x = sample(name, batch)
    run, values = runnable(build(name), x)
    compiled = jax.jit(run).lower(values, x).compile()
    xla = compiled.cost_analysis() or {}
    jax.block_until_ready(compiled(values, x))
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < LEAST_CALLS:
        begin = time.perf_counter()
        jax.block_until_ready(compiled(values, x))
        taken.append(time.perf_counter() - begin)
    low, middle = np.quantile(taken, [0.25, 0.5])
    return {
        "time_s": float(low), "median_s": float(middle), "least_s": min(taken),
        "calls": len(taken), "xla_flops": float(xla.get("flops", np.nan)),
        "xla_bytes": float(xla.get("bytes accessed", np.nan)),
    }  # fmt: skip


def time_all(names: list[str], batches: list[int], out: Path, seconds: float) -> None:
    """Times every model at every batch size."""
    whole = out.with_name(f"{out.name}.part")  # renamed, so that no reader sees half a table
    rows = pd.read_csv(out).to_dict("records") if out.exists() else []
    done = {(row["model"], row["batch"]) for row in rows}
    for name in names:
        for batch in batches:
            if (name, batch) not in done:
                rows.append({"model": name, "batch": batch, **time_one(name, batch, seconds)})
                print(rows[-1], flush=True)
                pd.DataFrame(rows).to_csv(whole, index=False)
                whole.replace(out)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=list(TIMED))
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    time_all(given.models, given.batches, given.out, given.seconds)


if __name__ == "__main__":
    main()

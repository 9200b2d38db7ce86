"""How fast `jaxcost predict` is on Parquet, and the most memory it takes.

    python experiments/speed/predict_parquet.py --out experiments/speed/predict_parquet.json

The table is made anew: layers of convolutional networks and dense ones in usual sizes, drawn at
random, of which 190,000 are different. CPU seconds are of all threads of the command together;
what it takes on the clock depends on who else is on the cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

_WIDTHS = (
    *(16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512),
    *(640, 768, 1024, 1280, 1536, 2048),
)
_PART = 1_000_000


def layers(rows: int, seed: int) -> pd.DataFrame:
    """A table of layers, and of which network each is."""
    rng = np.random.default_rng(seed)
    conv = rng.random(rows) < 0.6
    side = np.where(conv, rng.choice([7, 14, 28, 56, 112], rows), 1)
    kernel = np.where(conv, rng.choice([1, 3, 5, 7], rows, p=[0.5, 0.35, 0.1, 0.05]), 1)
    sizes = {
        "batch": rng.choice([1, 2, 4, 8, 16, 32, 64, 128], rows), "in_h": side, "in_w": side,
        "c_in": rng.choice(_WIDTHS, rows), "c_out": rng.choice(_WIDTHS, rows), "k_h": kernel,
        "k_w": kernel, "stride": np.where(conv, rng.choice([1, 2], rows, p=[0.8, 0.2]), 1),
    }  # fmt: skip
    op = np.where(conv, "conv2d", "dense")
    network = seed * rows // 50 + np.arange(rows) // 50
    fixed = {"padding": "same", "groups": 1, "dtype": "float32", "network": network}
    return pd.DataFrame({"op": op} | sizes | fixed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--calibration", default="amd-epyc")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder, "layers.parquet"), Path(folder, "predicted.parquet")
        different = make(table, given.rows)
        command = ["-m", "jaxcost", "predict", given.calibration, str(table), "--out", str(out)]
        before = time.monotonic()
        process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        clock = time.monotonic() - before
        if status or pq.read_metadata(out).num_rows != given.rows:
            raise SystemExit("the prediction failed")
    cpu = used.ru_utime + used.ru_stime
    found = {
        "rows": given.rows, "different_layers": different, "calibration": given.calibration,
        "cpu_s": round(cpu, 1), "clock_s": round(clock, 1), "load": os.getloadavg()[0],
        "cores": os.cpu_count(), "rows_per_cpu_s": round(given.rows / cpu),
        "peak_bytes": used.ru_maxrss * 1024,
    }  # fmt: skip
    print(found)
    given.out.write_text(json.dumps(found, indent=2) + "\n")


def make(path: Path, rows: int) -> int:
    """Writes the table; returns how many different layers it has."""
    seen = pd.DataFrame()
    with pq.ParquetWriter(path, pa.Table.from_pandas(layers(1, 0)).schema) as writer:
        for seed, start in enumerate(range(0, rows, _PART)):
            part = layers(min(_PART, rows - start), seed)
            writer.write_table(pa.Table.from_pandas(part, preserve_index=False))
            part = part.drop(columns="network").drop_duplicates()
            seen = pd.concat([seen, part]).drop_duplicates()
    return len(seen)


if __name__ == "__main__":
    main()

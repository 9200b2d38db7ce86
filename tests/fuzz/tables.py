"""Tables of layers and of training runs with odd cells, columns, separators and encodings."""

import csv
import io
from pathlib import Path
from random import Random

import draws
import judge
import pandas as pd

_LAYERS = [
    {"op": "dense", "batch": 8, "in_h": 1, "in_w": 1, "c_in": c, "c_out": 16, "k_h": 1, "k_w": 1,
     "stride": 1, "padding": "same", "groups": 1, "dtype": "float32", "time_s": 1e-5}
    for c in (8, 64, 512)
]  # fmt: skip
_RUNS = [
    {"n_observations": 600, "n_features": 20, "n_labels": 2, "batch_size": 8, "widths": w,
     "energy_per_epoch_j": 1.5}
    for w in ("20 64 2", "20 32 2", "20 8 2")
]  # fmt: skip
_COUNTS = ("batch", "in_h", "in_w", "c_in", "c_out", "k_h", "stride", "groups", "n_features")


def draw(random: Random, folder: Path) -> draws.Input:
    """`predict` on a table with something odd in it."""
    rows, preset = random.choice(((_LAYERS, "quadro-t2000"), (_RUNS, "butter-e-gpu")))
    rows = [dict(row) for row in rows]
    column = random.choice(list(rows[0]))
    cell = draws.text(random)
    random.choice(rows)[column] = cell
    must_fail = column in _COUNTS and not judge.is_count(cell)
    header = list(rows[0])
    fate = random.random()
    if fate < 0.1:
        header.remove(random.choice(header))
        must_fail = False
    elif fate < 0.2:
        header.append(random.choice(header))
        must_fail = False
    separator = random.choice(",,,,;\t|")
    encoding = random.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerows([header, *([row[name] for name in header] for row in rows)])
    content = out.getvalue().encode(encoding, "replace")
    words = f"{column} = {cell!r}, {separator!r}, {encoding}, columns {','.join(header)}"
    return draws.Input(words, lambda: _predicted(folder, preset, content), must_fail)


def _predicted(folder: Path, preset: str, content: bytes) -> object:
    table, out = folder / "table.csv", folder / "out.csv"
    table.write_bytes(content)
    out.unlink(missing_ok=True)
    ended = judge.command("predict", preset, table, "--out", out)
    if ended.status != 0:
        return ended
    # What was predicted is judged as numbers are.
    return pd.read_csv(out).filter(regex="^predicted_").to_numpy(float)

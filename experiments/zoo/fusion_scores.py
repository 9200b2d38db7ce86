"""What XLA's CPU backend is predicted to fuse, against the programs that it makes on this machine.

    python experiments/zoo/fusion_scores.py --out fusion_scores.csv [--models NAME ...]

Bytes are those of all kernels, products too. A kernel is found where one of XLA's reads and writes
as much, within 2 %; of kernels that move 64 KiB or more. The rules were written by the programs of
the models in CHOSEN; the others judge them. Nothing is run.
"""

import argparse
import collections
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import pandas as pd
from training_steps import step_of
from xla_kernels import kernels
from zoo_models import TIMED, build, runnable, sample

import jaxcost as jc

CHOSEN = (
    "MobileNet", "ResNet50", "DenseNet121", "EfficientNetB0", "GPT-2, Equinox",
    "BERT-Base, Flax Linen",
)  # fmt: skip
_LEAST = 64 << 10  # bytes
_ALIKE = 0.02


def compared(name: str, batch: int) -> list[dict[str, Any]]:
    """A row for a forward pass and one for a training step: bytes, and kernels found."""
    x = sample(name, batch)
    run, values = runnable(build(name), x)
    rows = []
    for kind, function in (("forward", run), ("step", step_of(run))):
        text = jax.jit(function).lower(values, x).compile().as_text()
        theirs, ours = kernels(text), jc.count(function, values, x).groups
        moved = [sum(k.bytes_moved for k in theirs), sum(g.times * g.bytes_moved for g in ours)]
        rows.append(
            {"model": name, "batch": batch, "pass": kind, "chosen": name in CHOSEN}
            | {"xla_bytes": moved[0], "predicted_bytes": moved[1], "ratio": moved[1] / moved[0]}
            | found(((k.read, k.written) for k in theirs), ((g.read, g.written) for g in ours))
        )
    return rows


def found(
    theirs: Iterable[tuple[float, float]], ours: Iterable[tuple[float, float]]
) -> dict[str, float]:
    """Kernels of both, and the shares of ours and of theirs that the other has."""
    counted = [
        collections.Counter(_alike(pair) for pair in each if sum(pair) >= _LEAST)
        for each in (theirs, ours)
    ]
    both = sum((counted[0] & counted[1]).values())
    xla, predicted = (sum(each.values()) for each in counted)
    shares = {"precision": both / max(predicted, 1), "recall": both / max(xla, 1)}
    return {"xla_kernels": xla, "predicted_kernels": predicted} | shares


def _alike(pair: tuple[float, float]) -> tuple[int, ...]:
    return tuple(round(math.log(max(size, 1024.0)) / _ALIKE) for size in pair)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Errors of bytes by pass, of the models that chose the rules and of the others."""
    error = (table.ratio - 1).abs()
    each = table.assign(error=error, near=error <= 0.1).groupby(["pass", "chosen"])
    return pd.DataFrame(
        {
            "models": each.size(),
            "median": each.error.median(),
            "worst": each.error.max(),
            "within 10 %": each.near.mean(),
            "precision": each.precision.median(),
            "recall": each.recall.median(),
        }
    ).round(3)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=list(TIMED))
    parser.add_argument("--batch", type=int, default=4)
    given = parser.parse_args()
    rows = []
    for name in given.models:
        rows += compared(name, given.batch)
        pd.DataFrame(rows).to_csv(given.out, index=False, float_format="%.5g")
        print(name, [round(row["ratio"], 3) for row in rows[-2:]], flush=True)
    print(summary(pd.DataFrame(rows)).to_string())


if __name__ == "__main__":
    main()

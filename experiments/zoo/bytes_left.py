"""How many of the bytes of what is no product a compiled program is left to move, by XLA's account.

    python experiments/zoo/bytes_left.py --out experiments/zoo/bytes_left.csv [--models NAME ...]

Counted are operands and results of every operation of the traced program, each once; left are those
of every instruction of the program that XLA makes of it on this machine, whose fusions read and
write what is between them. Products, and the fusions that hold one, are left out of both. Nothing
is run. The share of a backward pass is that of what a training step has beyond the forward pass.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from training_steps import step_of
from zoo_models import build, runnable, sample

import jaxcost as jc

MODELS = (
    "MobileNet", "MobileNetV2", "DenseNet121", "ResNet50", "EfficientNetB0", "InceptionV3",
    "ResNet-50, Flax NNX", "ViT-S/16, Equinox", "BERT-Base, Flax Linen", "GPT-2, Equinox",
)  # fmt: skip
_ITEMS = {"pred": 1, "bf16": 2, "f16": 2, "f32": 4, "s32": 4, "u32": 4, "f64": 8, "s64": 8}
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\]")
_INSTRUCTION = re.compile(r"\s*(?:ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)")
_NAME = re.compile(r"%([\w.\-]+)")
_PRODUCT = re.compile(r"ynn|dot|convolution|custom-call|matmul")
_NOTHING = ("parameter", "constant", "bitcast", "tuple", "get-tuple-element")


def left(hlo_text: str) -> float:
    """Bytes that the instructions of an optimised module move which are no product."""
    entry = hlo_text[hlo_text.index("\nENTRY") :].split("\n}")[0]
    sizes: dict[str, float] = {}
    moved = 0.0
    for line in entry.splitlines():
        if not (match := _INSTRUCTION.match(line)):
            continue
        name, types, opcode, rest = match.groups()
        sizes[name] = sum(map(_bytes, _ARRAY.findall(types)))
        if opcode not in _NOTHING and not _PRODUCT.search(f"{name} {opcode}"):
            operands = set(_NAME.findall(rest.split("), ")[0]))
            moved += sizes[name] + sum(sizes.get(operand, 0.0) for operand in operands)
    return moved


def _bytes(array: tuple[str, str]) -> float:
    kind, extents = array
    return _ITEMS.get(kind, 0) * float(np.prod([int(n) for n in extents.split(",") if n]))


def counted(found: jc.Counts) -> float:
    """Bytes of all operations of a traced program that are no product."""
    return sum(o.repeat * o.bytes_moved for o in found.operations if o.work.sizes is None)


def compared(name: str, batch: int) -> dict[str, Any]:
    """A row: bytes counted and left of both passes of a model, and their ratios."""
    x = sample(name, batch)
    run, values = runnable(build(name), x)
    row: dict[str, Any] = {"model": name, "batch": batch}
    for kind, function in (("forward", run), ("step", step_of(run))):
        compiled = jax.jit(function).lower(values, x).compile()
        row[f"{kind}_counted"] = counted(jc.count(function, values, x))
        row[f"{kind}_left"] = left(compiled.as_text())
    row["forward_share"] = row["forward_left"] / row["forward_counted"]
    more = {end: row[f"step_{end}"] - row[f"forward_{end}"] for end in ("left", "counted")}
    return row | {"backward_share": more["left"] / more["counted"]}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--batch", type=int, default=4)
    given = parser.parse_args()
    table = pd.DataFrame([compared(name, given.batch) for name in given.models])
    table.to_csv(given.out, index=False, float_format="%.5g")
    shares = table[["forward_share", "backward_share"]]
    print(table[["model", *shares]].round(2).to_string(index=False))
    print("geometric means:", np.exp(np.log(shares).mean()).round(3).to_dict())


if __name__ == "__main__":
    main()

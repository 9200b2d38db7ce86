"""Layers in words: what kind one is, and what its sizes are."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost.workload.gradients import CONV2D_GRADIENTS
from jaxcost.workload.memory_bound import OPERATIONS

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("dense", "conv 1×1", "conv K×K", "depthwise", "grouped", "memory-bound", "gradient")


def kinds(table: "pd.DataFrame") -> np.ndarray:
    """The kind of each row of a table of layers, one of `KINDS`, shape `(rows,)`."""
    grouped = table["groups"] > 1
    depthwise = grouped & (table["groups"] == table["c_in"])
    pointwise = table["k_h"] * table["k_w"] == 1
    other, gradient = (table["op"].isin(ops) for ops in (OPERATIONS, CONV2D_GRADIENTS))
    chosen = [other, gradient, table["op"] == "dense", depthwise, grouped, pointwise]
    named = [KINDS[place] for place in (5, 6, 0, 3, 4, 1)]
    return np.select(chosen, named, KINDS[2])


def describe(layer: Mapping[str, Any]) -> str:
    """A layer's sizes: `8×14×14×64 → 128, 3×3, stride 2`, batch first, then pixels and channels."""
    if layer["op"] == "dense":
        sizes = f"{layer['batch']}×{layer['c_in']} → {layer['c_out']}"
    else:
        pixels = f"{layer['batch']}×{layer['in_h']}×{layer['in_w']}×{layer['c_in']}"
        sizes = f"{pixels} → {layer['c_out']}, {layer['k_h']}×{layer['k_w']}"
    named = [] if layer["op"] in ("conv2d", "dense") else [str(layer["op"]).replace("_", " ")]
    return ", ".join([*named, sizes, *_particulars(layer)])


def _particulars(layer: Mapping[str, Any]) -> list[str]:
    words = [f"{n} {layer[n]}" for n in ("stride", "groups", "dilation") if layer.get(n, 1) != 1]
    if layer["padding"] == "valid":
        words.append("valid")
    return words if layer["dtype"] == "float32" else [*words, layer["dtype"]]

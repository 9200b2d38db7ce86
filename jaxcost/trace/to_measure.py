"""Which layers to measure, so that a program is estimated from its own."""

import dataclasses
from typing import Any

from jaxcost.measure.designs.presets import PROGRAM
from jaxcost.measure.layers import DTYPE_BYTES, LayerSpec
from jaxcost.trace.counts import Counts
from jaxcost.trace.records import Operation
from jaxcost.workload.gradients import CONV2D_GRADIENTS

_STRIDES = range(1, 17)
_MOST_AXES = 4  # of an image with its batch and channels; layers of volumes are not measured
_GRADIENTS = dict(enumerate(("conv2d", *CONV2D_GRADIENTS)))
_SIZES = ("batch", "in_h", "in_w", "c_in", "c_out", "k_h", "k_w", "groups", "dilation")


def layers_of(found: Counts) -> tuple[list[LayerSpec], float]:
    """The distinct products of a program as layers to be measured, and what share they are.

    Args: found: as from `jaxcost.count`.
    Returns: the layers, in the program's order, and their share of the FLOPs of all products, from
        0 to 1; a convolution whose padding is neither `same` nor `valid`, one of more than two
        dimensions, and a precision that is not measured are left out.
    """
    products = [o for o in found.operations if o.work.sizes is not None and o.macs > 0]
    layers = [layer_of(operation) for operation in products]
    of_all = sum(o.repeat * o.flops for o in products)
    known = sum(o.repeat * o.flops for o, layer in zip(products, layers) if layer is not None)
    distinct = list(dict.fromkeys(layer for layer in layers if layer is not None))
    return distinct, known / of_all if of_all else 0.0


def layer_of(operation: Operation) -> LayerSpec | None:
    """A product as a layer; None where no layer of the table is like it."""
    sizes: dict[str, Any] = dict(operation.work.sizes or {})
    whole = {name: sizes.get(name, 1.0) for name in _SIZES}
    if operation.dtype not in DTYPE_BYTES or any(size % 1 or size < 1 for size in whole.values()):
        return None
    if any(len(shape) > _MOST_AXES for shape in operation.outputs) and not sizes["is_dense"]:
        return None
    op = "dense" if sizes["is_dense"] else _GRADIENTS[int(sizes.get("gradient", 0))]
    extents: dict[str, Any] = {name: int(size) for name, size in whole.items()}
    layer = LayerSpec(op=op, sweep=PROGRAM, dtype=operation.dtype, **extents)
    if op == "dense":
        return layer
    return _placed(layer, (int(sizes["out_h"]), int(sizes["out_w"])))


def _placed(layer: LayerSpec, out: tuple[int, int]) -> LayerSpec | None:
    """A convolution with the padding and stride by which its results are so many."""
    for padding in ("same", "valid"):
        for stride in _STRIDES:
            try:
                placed = dataclasses.replace(layer, padding=padding, stride=stride)
            except ValueError:  # a kernel beyond the image
                break
            if (placed.out_h, placed.out_w) == out:
                return placed
    return None

"""Dot products: of matrices, batched, ragged; what einsum and attention are made of.

macs = batch * rows * contracted * columns; a complex multiply-add is four real ones.
"""

import math
from typing import Any

from jaxcost.trace.work import (
    Site,
    Work,
    counted,
    is_complex,
    is_real,
    item_bytes,
    shape,
    size,
    total_bytes,
)  # fmt: skip

_COMPLEX_MACS = 4


def product(site: Site, macs: float, sizes: dict[str, float], op: str) -> Work:
    """The work of a product of two operands, its sizes those of a layer that does as much."""
    left, right = site.inputs[0], site.inputs[1]
    out = site.outputs[0]
    if not (is_real(left) or is_real(right) or is_real(out)):
        # Integers multiply and add as well; only a quantised network says they are its products.
        return Work(macs=macs, sizes=_with_bytes(site, sizes), op=op)
    many = _COMPLEX_MACS if is_complex(left) or is_complex(right) else 1
    return Work(macs=macs * many, sizes=_with_bytes(site, sizes), op=op)


def _with_bytes(site: Site, sizes: dict[str, float]) -> dict[str, float]:
    """The sizes with the item's bytes, and the bytes that they do not say, as `other_bytes`."""
    each = {"batch": 1.0, "in_h": 1.0, "in_w": 1.0, "out_h": 1.0, "out_w": 1.0}
    each |= {"k_h": 1.0, "k_w": 1.0, "groups": 1.0} | sizes
    item = item_bytes(site.inputs[0])
    inputs = each["batch"] * each["in_h"] * each["in_w"] * each["c_in"]
    weights = each["k_h"] * each["k_w"] * each["c_in"] / each["groups"] * each["c_out"]
    outputs = each["batch"] * each["out_h"] * each["out_w"] * each["c_out"]
    said = item * (inputs + weights + outputs)
    moved = total_bytes((*site.inputs[:2], *site.outputs))
    return each | {"item_bytes": float(item), "other_bytes": max(moved - said, 0.0)}


def dot_sizes(site: Site, dimension_numbers: Any) -> tuple[float, dict[str, float]]:
    """Multiply-adds of a dot product, and its sizes as a dense layer with groups.

    Weights have a row for each output where they stand first, as in Equinox' `weight @ x`.
    """
    (contracted, _), (batch, _) = dimension_numbers
    left = shape(site.inputs[0])
    together = math.prod(left[axis] for axis in contracted)
    side_by_side = math.prod(left[axis] for axis in batch)
    taken = max(together * side_by_side, 1)
    rows, columns = math.prod(left) // taken, size(site.inputs[1]) // taken
    if site.weights_first:
        rows, columns = columns, rows
    macs = float(side_by_side * rows * columns * together)
    return macs, {
        "batch": float(rows),
        "c_in": float(together * side_by_side),
        "c_out": float(columns * side_by_side),
        "groups": float(max(side_by_side, 1)),
        "is_dense": 1.0,
    }


@counted("dense", "dot_general")
def _dot(site: Site) -> Work:
    macs, sizes = dot_sizes(site, site.params["dimension_numbers"])
    return product(site, macs, sizes, "dense")


@counted("dense", "ragged_dot_general")
def _ragged(site: Site) -> Work:
    """Each row meets one of the groups' matrices; in the weights' gradient each group its rows."""
    numbers = site.params["ragged_dot_dimension_numbers"]
    (contracted, _), _ = numbers.dot_dimension_numbers
    left, ragged = shape(site.inputs[0]), set(numbers.lhs_ragged_dimensions)
    together = math.prod(left[axis] for axis in contracted)
    out = size(site.outputs[0])
    # A contracted ragged dimension is shared out between the groups of the result.
    groups = shape(site.inputs[2])[-1] if ragged & set(contracted) else 1
    macs = out * together / max(groups, 1)
    rows = max(size(site.inputs[0]) // max(together, 1), 1)
    sizes = {"batch": float(rows), "c_in": float(together), "c_out": out / rows / max(groups, 1)}
    return product(site, float(macs), sizes | {"is_dense": 1.0}, "dense")


@counted("dense", "scaled_dot", "scaled_matmul", "scaled_matmul_wrapper")
def _scaled(site: Site) -> Work:
    """A product whose operands have scales by block; multiplying by these is left out."""
    numbers = site.params.get("dimension_numbers", (((2,), (2,)), ((0,), (0,))))
    macs, sizes = dot_sizes(site, numbers)
    moved = float(total_bytes((*site.inputs, *site.outputs)))
    return Work(
        macs=macs,
        sizes=sizes | {"item_bytes": float(item_bytes(site.inputs[0]))},
        op="dense",
        bytes_moved=moved,
    )

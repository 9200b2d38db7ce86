"""What XLA makes of products and convolutions: matrices, and images with channels last."""

import math
from collections.abc import Sequence
from typing import Any

from jaxcost.trace.fusion.build import Builder
from jaxcost.trace.fusion.graph import Node
from jaxcost.trace.fusion.primitives import Places, hashable, lowers, result


@lowers("dot_general")
def _dot(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    (left_sums, right_sums), (left_batch, right_batch) = equation.params["dimension_numbers"]
    left, left_folded, left_free = _matrix(b, operands[0], left_batch, left_sums, False)
    right, right_folded, right_free = _matrix(b, operands[1], right_batch, right_sums, True)
    node = result(equation)
    batch = [b.shape(operands[0])[i] for i in left_batch]
    shape = (*batch, math.prod(left_free), math.prod(right_free))
    found = b.make("dot", shape, node, (left, right), left=left_folded, right=right_folded)
    return [b.bitcast(found, node.shape)]


def _matrix(
    b: Builder, place: int, batch: Sequence[int], sums: Sequence[int], sums_first: bool
) -> tuple[int, bool, list[int]]:
    """An operand of a product as matrices side by side, whether the product reads them
    transposed, and the extents that are not summed over.

    Matrices whose two axes are only in the wrong order are read so; else they are laid out anew.
    """
    shape = b.shape(place)
    free = [i for i in range(len(shape)) if i not in batch and i not in sums]
    left = [shape[i] for i in free]
    order = [*batch, *sums, *free] if sums_first else [*batch, *free, *sums]
    extents = [math.prod(left), math.prod(shape[i] for i in sums)]
    matrix = [*(shape[i] for i in batch), *(reversed(extents) if sums_first else extents)]
    found = b.bitcast(b.transpose(place, order), matrix)
    node, last = b.nodes[found], len(matrix) - 1
    if node.op == "transpose" and node.params["order"] == (*range(last - 1), last, last - 1):
        return node.operands[0], True, left
    return found, False, left


@lowers("conv_general_dilated")
def _convolution(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    """With channels last, and operands laid out anew where they are not so."""
    params = equation.params
    numbers = params["dimension_numbers"]
    batch, channels, *places = numbers.lhs_spec
    out, into, *taps = numbers.rhs_spec
    x = b.transpose(operands[0], (batch, *places, channels))
    kernel = b.transpose(operands[1], (*taps, into, out))
    x = _unpadded(b, x)
    node, spec = result(equation), numbers.out_spec
    order = (spec[0], *spec[2:], spec[1])
    shape = [node.shape[i] for i in order]
    plain = all(d == 1 for d in params["lhs_dilation"])
    if params["batch_group_count"] > 1:
        back = [order.index(i) for i in range(len(order))]
        return [b.transpose(_of_each_channel(b, x, kernel, node, shape), back)]
    found = b.make("convolution", shape, node, (x, kernel), library=plain, **hashable(params))
    back = [order.index(i) for i in range(len(order))]
    return [b.transpose(found, back)]


def _of_each_channel(b: Builder, x: int, kernel: int, node: Node, shape: list[int]) -> int:
    """The gradient of a grouped convolution by its weights: that of one without groups, of which
    all but the groups' own blocks are masked, and summed away."""
    groups, taps = shape[-1], shape[1:-1]
    whole = (b.shape(x)[0], *taps, groups)
    found = b.make("convolution", whole, node, (x, kernel), library=True)
    order = (*range(1, len(taps) + 1), 0, len(taps) + 1)
    turned = b.transpose(found, order)
    square = b.shape(turned)
    index = Node("", (square[-2],), "int32", 4.0)
    rows = b.make("iota", index.shape, index, ())
    columns = b.make("iota", (groups,), index, ())
    lines = [b.broadcast(p, square[-2:], (i,)) for i, p in enumerate((rows, columns))]
    mask = b.make("compare", square[-2:], Node("", (), "bool", 1.0), lines, direction="eq")
    mask = b.broadcast(mask, square, (len(taps), len(taps) + 1))
    kept = b.make("select", square, node, (mask, turned, b.filled(0.0, square, found)))
    known = {"kind": "add", "library": True}
    part = b.make("reduce-window", (*taps, math.prod(shape) // math.prod(taps) // groups, groups),
                  node, (kept,), **known)  # fmt: skip
    return b.bitcast(part, shape)


def _unpadded(b: Builder, place: int) -> int:
    """What was padded with zeros: a convolution pads by itself."""
    node = b.nodes[place]
    if node.op != "pad" or b.value(node.operands[1]) != 0:
        return place
    wider = all(low >= 0 and high >= 0 and not inner for low, high, inner in node.params["config"])
    return node.operands[0] if wider else place

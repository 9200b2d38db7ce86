"""Says of operations that compute far more than they move that only their bytes have a price."""

import math

import numpy as np

from jaxcost.trace.counts import Counts
from jaxcost.trace.records import Operation
from jaxcost.trace.whole_program import Costs

# How many times as long as their bytes such operations took, at most: twelve programs on two cores.
_TIMES = {
    "linear algebra": 700.0,
    "Fourier transform": 100.0,
    "sort": 500.0,
    "random numbers": 20.0,
    "running sums": 25.0,
    "large windows": 800.0,
}
_LARGE_WINDOW = 16  # elements; what networks pool by is smaller
_COULD_BE = 0.05  # share of the time that an operation may come to before it is worth a line


def priced_by_bytes(found: Counts, costs: Costs) -> list[str]:
    """A line that names these operations, where the estimate may be far too low for them."""
    kinds = [_kind(operation) for operation in found.operations]
    runs = np.array([operation.repeat for operation in found.operations])
    times = np.array([_TIMES.get(kind, 0.0) for kind in kinds])
    each = costs.each[: len(kinds)] * runs / max(costs.total, 1e-300)
    if each @ times < _COULD_BE:
        return []
    named = list(dict.fromkeys(kind for kind in kinds if kind))
    most = max(_TIMES[kind] for kind in named)
    share = float(each[times > 0].sum())
    line = (
        f"{', '.join(named)} ({share:.1%} of the time) are priced by the bytes they move, though "
        f"they compute far more: such took up to {most:.0f} times as long; try --measure"
    )
    return [line]


def _kind(operation: Operation) -> str:
    """Of which of these kinds an operation is; '' of none."""
    if operation.primitive.startswith("cum"):
        return "running sums"
    if operation.op == "pooling":
        outputs = sum(math.prod(shape) for shape in operation.outputs)
        window = operation.elementwise_flops / max(outputs, 1)
        return "large windows" if window > _LARGE_WINDOW else ""
    return operation.op if operation.op in _TIMES else ""

"""Says of what computes far more than it moves that only its bytes have a price; and of
convolutions in three dimensions, that they are priced as if in two; and of programs that would
take no time to start."""

import math
from collections.abc import Iterator

import numpy as np

from jaxcost._support.text import quantity
from jaxcost.calibrate.fitted import Fitted
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
_HALF = 0.5  # of the smallest layer's time: products come below it by what their neighbours say
_COULD_BE = 0.05  # share of the time that an operation may come to before it is worth a line
_NOTED = 0.01  # share of the time of convolutions in three dimensions that is worth a line

# Of elementwise work, in evaluations of exp: functions of 2**20 numbers, and chains of ten and a
# hundred of them, took up to 50 times their bytes for each evaluation a byte, on two cores.
_ARITHMETIC = "long elementwise arithmetic"
_TIMES_BY_INTENSITY = 50.0
_LONG = 0.5  # evaluations a byte; activations, softmax and optimizers have fewer
_FLOP = 0.05
_SLOW = (
    *("sin", "cos", "tan", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh"),
    *("pow", "cbrt", "lgamma", "digamma"),
)
_SERIES = ("igamma", "igammac", "igamma_grad_a", "random_gamma_grad", "polygamma", "zeta")
_WEIGHTS = dict.fromkeys(_SLOW, 5.0) | dict.fromkeys(_SERIES, 150.0)
_WEIGHTS |= {"rsqrt": 1.0, "asin": 15.0, "acos": 15.0, "regularized_incomplete_beta": 300.0}


def priced_by_bytes(found: Counts, costs: Costs, platform: str | None) -> list[str]:
    """A line that names these operations, where the estimate may be far too low for them.

    Args: platform: of the device, such as `cpu`; others compute elements faster than they move
        them, unless there are thousands of operations on each.
    """
    kinds = [_kind(operation) for operation in found.operations]
    runs = np.array([operation.repeat for operation in found.operations])
    times = np.array([_TIMES.get(kind, 0.0) for kind in kinds])
    for place, intensity in _long_arithmetic(found) if platform == "cpu" else ():
        if not kinds[place]:
            kinds[place], times[place] = _ARITHMETIC, _TIMES_BY_INTENSITY * intensity
    each = costs.each[: len(kinds)] * runs / max(costs.total, 1e-300)
    if each @ times < _COULD_BE:
        return []
    named = list(dict.fromkeys(kind for kind in kinds if kind))
    share = float(each[times > 0].sum())
    line = (
        f"{', '.join(named)} ({share:.1%} of the time) are priced by the bytes they move, though "
        f"they compute far more: such took up to {times.max():.0f} times as long; try --measure"
    )
    return [line]


def without_a_start(costs: Costs, fitted: Fitted) -> list[str]:
    """A line where a program would take less than any kernel takes to start."""
    floors = [float(p.model.floor) for p in fitted.parts.values() if hasattr(p.model, "floor")]
    if not floors or costs.total > _HALF * min(floors):
        return []
    line = (
        f"{quantity(costs.total, 's')} is less than the smallest layer takes on this device, "
        f"{quantity(min(floors), 's')}: what is no product is priced by its bytes, without the "
        "start of a kernel; try --measure"
    )
    return [line]


def priced_as_flat(found: Counts, costs: Costs) -> list[str]:
    """A line on convolutions in three dimensions, of which no calibration measures any."""
    solid = np.array([o.op == "conv2d" and len(o.outputs[0]) > 4 for o in found.operations], float)
    runs = np.array([operation.repeat for operation in found.operations])
    share = float((costs.each[: len(runs)] * runs) @ solid) / max(costs.total, 1e-300)
    if share < _NOTED:
        return []
    line = (
        f"{solid.sum():.0f} convolutions in three dimensions ({share:.0%} of the time) are priced "
        "as if in two: on a CPU they took more than ten times as long; try --measure"
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


def _long_arithmetic(found: Counts) -> Iterator[tuple[int, float]]:
    """Operations in whose kernels there is much elementwise work, and that work in evaluations of
    exp a byte. An operation may be computed in several kernels."""
    members: dict[int, set[int]] = {}
    moved: dict[int, float] = {}
    for group in found.groups:
        if not group.product:
            members.setdefault(group.owner, set()).update(group.members)
            moved[group.owner] = moved.get(group.owner, 0.0) + group.bytes_moved
    for owner, places in members.items():
        work = sum(_evaluations(found.operations[place]) for place in places)
        if (intensity := work / max(moved[owner], 1.0)) > _LONG:
            yield owner, intensity


def _evaluations(o: Operation) -> float:
    of_functions = o.transcendentals * _WEIGHTS.get(o.primitive, 1.0)
    return of_functions + o.elementwise_flops * _WEIGHTS.get(o.primitive, _FLOP)

"""The most memory that a program's values take at once, from its jaxpr."""

import math
from collections.abc import Sequence
from typing import Any

from jax.extend.core import Literal

from jaxcost.trace import work
from jaxcost.trace.liveness import Liveness, Step

# What a compiler fuses with what makes its operands; anything else reads them from memory.
_FUSED = ("elementwise", "reduction", "free", "movement")
_UNFUSED = ("gather", "dynamic_update_slice", "scatter", "pad", "concatenate")


def peak_bytes(jaxpr: Any, liveness: Liveness | None = None) -> float:
    """The most bytes that are alive at once, run in the program's order.

    A value lives from the operation that makes it to the last that reads it; inputs and results
    live throughout. What a compiler fuses away is counted, and so are copies in another layout of
    what a convolution takes and makes. Rounding by an allocator, and copies in another type (of
    bfloat16 on a CPU), are not; nor that XLA orders operations anew and keeps several copies at
    once. So it is an estimate and no upper bound: XLA's CPU backend asks for a fifth more for a
    convolution with normalisation, or the gradient of several, and a seventh more for the gradient
    of a block of attention.
    """
    held = work.total_bytes(v.aval for v in (*jaxpr.invars, *jaxpr.constvars))
    return float(held + _results(jaxpr) + _temporaries(jaxpr, None, liveness or Liveness()))


def _results(jaxpr: Any) -> int:
    return work.total_bytes(v.aval for v in jaxpr.outvars)


def _temporaries(jaxpr: Any, used: Sequence[bool] | None, liveness: Liveness) -> int:
    """The most bytes alive at once that are neither inputs nor results."""
    steps = liveness.of(jaxpr, used).steps
    owners = _owners(steps)
    sizes = _sizes(jaxpr, steps, owners)
    last = {owners.get(id(v), id(v)): i for i, step in enumerate(steps) for v in step.operands}
    ends: dict[int, int] = {}  # bytes that are free after a step
    alive, peak = 0, 0
    for index, step in enumerate(steps):
        for out in step.equation.outvars:
            own = sizes.get(id(out), 0)
            end = last.get(id(out), index)
            ends[end] = ends.get(end, 0) + own
            alive += own
        peak = max(peak, alive + _inside(step, liveness))
        alive -= ends.pop(index, 0)
    return peak


def _owners(steps: Sequence[Step]) -> dict[int, int]:
    """The value in whose memory each view lies."""
    owners: dict[int, int] = {}
    for step in steps:
        equation = step.equation
        rule = work.rule_of(equation.primitive.name)
        is_view = rule.kind == "free" and rule.view and not _is_virtual(step)
        if is_view and equation.invars and not isinstance(equation.invars[0], Literal):
            base = id(equation.invars[0])
            owners.update((id(out), owners.get(base, base)) for out in equation.outvars)
    return owners


def _sizes(jaxpr: Any, steps: Sequence[Step], owners: dict[int, int]) -> dict[int, int]:
    """Bytes of each value that is no input, result or view, and that is in memory at all."""
    results = {owners.get(id(v), id(v)) for v in jaxpr.outvars}
    read = {owners.get(id(v), id(v)) for step in steps if not _fuses(step) for v in step.operands}
    sizes = {}
    for step in steps:
        for out, used in zip(step.equation.outvars, step.used):
            unseen = id(out) in owners or id(out) in results or (step.bodies and not used)
            if not (unseen or (_is_virtual(step) and id(out) not in read)):
                sizes[id(out)] = work.value_bytes(out.aval)
    return sizes


def _is_virtual(step: Step) -> bool:
    """Whether the result is made where it is read, unless something unfused reads it."""
    rule = work.rule_of(step.equation.primitive.name)
    made = step.equation.primitive.name == "broadcast_in_dim"
    return not step.bodies and rule.kind == "free" and (made or not rule.view)


def _fuses(step: Step) -> bool:
    name = step.equation.primitive.name
    unfused = any(name.startswith(prefix) for prefix in _UNFUSED)
    return not step.bodies and work.rule_of(name).family in _FUSED and not unfused


def _inside(step: Step, liveness: Liveness) -> int:
    """The most bytes alive within an operation beside its operands and results.

    A loop makes its next state beside the last one.
    """
    within = _scratch(step)
    for body in step.bodies:
        beside = 0 if body.same_results else _results(body.jaxpr)
        within = max(within, beside + _temporaries(body.jaxpr, body.used, liveness))
    return within


def _scratch(step: Step) -> int:
    """What XLA holds beside operands and results: of a convolution all three in another layout,
    spread out where they are dilated; of a running sum its partial ones; of the gradient of a
    maximum in windows the place of each element, twice along each axis."""
    equation = step.equation
    name, params = equation.primitive.name, equation.params
    operands = [work.value_bytes(v.aval) for v in equation.invars]
    results = sum(work.value_bytes(v.aval) for v in equation.outvars)
    if name == "conv_general_dilated":
        spread = math.prod(params["lhs_dilation"]), math.prod(params["rhs_dilation"])
        return results + operands[0] * spread[0] + operands[1] * spread[1]
    if name.startswith("cum"):
        return results
    if name.startswith("select_and_"):
        return 2 * len(params["window_dimensions"]) * max(operands)
    return 0

"""The most memory that a program's values take at once, from its jaxpr."""

import collections
import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from jax.extend.core import Literal

from jaxcost.trace import work
from jaxcost.trace.control import Body
from jaxcost.trace.liveness import Liveness, Step
from jaxcost.trace.names import NO_NAME, Names
from jaxcost.trace.program import Program

Held = collections.Counter[str]  # bytes by layer
_INPUTS, _RESULTS = "(inputs)", "(results)"

# What a compiler fuses with what makes its operands; anything else reads them from memory.
_FUSED = ("elementwise", "reduction", "free", "movement")
_UNFUSED = ("gather", "dynamic_update_slice", "scatter", "pad", "concatenate")


@dataclasses.dataclass(frozen=True)
class Peak:
    """The most bytes that are alive at once, and by layer what they are of then, largest first."""

    bytes: float
    layers: dict[str, float]


def peak(program: Program, liveness: Liveness | None = None) -> Peak:
    """The most bytes that are alive at once, run in the program's order.

    A value lives from the operation that makes it to the last that reads it; inputs and results
    live throughout, a result in a donated input of its shape and type where the program is one
    `jax.jit`. What a compiler fuses away is counted, and so are copies in another layout of
    what a convolution takes and makes. Rounding by an allocator, and copies in another type (of
    bfloat16 on a CPU), are not; nor that XLA orders operations anew and keeps several copies at
    once. So it is an estimate and no upper bound: XLA's CPU backend asks for a fifth more for a
    convolution with normalisation, or the gradient of several, and a seventh more for the gradient
    of a block of attention.
    """
    jaxpr, memory = program.jaxpr, _Memory(liveness or Liveness(), Names(program.root))
    held = collections.Counter({_RESULTS: _results(jaxpr) - _in_donated(jaxpr)})
    for place, value in enumerate((*jaxpr.invars, *jaxpr.constvars)):
        leaf = program.leaves.get(place)
        held[(leaf.layer or NO_NAME) if leaf else _INPUTS] += work.value_bytes(value.aval)
    held += memory.held(jaxpr, None, "")
    return Peak(float(held.total()), {name: float(size) for name, size in held.most_common()})


def _results(jaxpr: Any) -> int:
    return work.total_bytes(v.aval for v in jaxpr.outvars)


def _in_donated(jaxpr: Any) -> int:
    """Bytes of results that take the place of inputs, as of `jax.jit` with `donate_argnums`.

    Within a larger program donations are not heeded.
    """
    if len(jaxpr.eqns) != 1:
        return 0
    (equation,) = jaxpr.eqns
    inputs, results = set(map(id, jaxpr.invars)), set(map(id, jaxpr.outvars))
    donated = zip(equation.invars, equation.params.get("donated_invars", ()))
    given = [v for v, is_donated in donated if is_donated and id(v) in inputs - results]
    free = collections.Counter(_kind(v) for v in given)
    own = collections.Counter(_kind(v) for v in equation.outvars if id(v) in results)
    sizes = {_kind(v): work.value_bytes(v.aval) for v in given}
    return sum(sizes[kind] * times for kind, times in (free & own).items())


def _kind(value: Any) -> tuple[Any, ...]:
    return value.aval.shape, value.aval.dtype


class _Memory:
    """What is alive in programs that hold one another, of which each is looked at once a use."""

    def __init__(self, liveness: Liveness, names: Names):
        self.liveness = liveness
        self.names = names
        self._known: dict[tuple[int, Sequence[bool] | None], tuple[int, int]] = {}

    def most(self, jaxpr: Any, used: Sequence[bool] | None) -> tuple[int, int]:
        """The most bytes alive at once that are neither inputs nor results; after which step."""
        key = id(jaxpr), used
        if key not in self._known:
            self._known[key] = self._most(jaxpr, used)
        return self._known[key]

    def _most(self, jaxpr: Any, used: Sequence[bool] | None) -> tuple[int, int]:
        steps, sizes, last = self._lives(jaxpr, used)
        ends: dict[int, int] = {}  # bytes that are free after a step
        alive, most = 0, (0, -1)
        for index, step in enumerate(steps):
            for out in step.equation.outvars:
                own = sizes.get(id(out), 0)
                end = last.get(id(out), index)
                ends[end] = ends.get(end, 0) + own
                alive += own
            most = max(most, (alive + self._within(step)[0], index), key=lambda found: found[0])
            alive -= ends.pop(index, 0)
        return most

    def held(self, jaxpr: Any, used: Sequence[bool] | None, outer: str) -> Held:
        """Those bytes by the layer whose operations hold them."""
        steps, sizes, last = self._lives(jaxpr, used)
        _, busiest = self.most(jaxpr, used)
        found: Held = collections.Counter()
        for index, step in enumerate(steps[: busiest + 1]):
            name = self.names.of(step.equation, outer) or NO_NAME
            outs = [out for out in step.equation.outvars if last.get(id(out), index) >= busiest]
            found[name] += sum(sizes.get(id(out), 0) for out in outs)
        if busiest >= 0:
            scope = self.names.of(steps[busiest].equation, outer)
            within, body = self._within(steps[busiest])
            if body is not None:
                inside = self.held(body.jaxpr, body.used, scope)
                found += inside
                within -= inside.total()
            found[scope or NO_NAME] += within
        return found

    def _lives(
        self, jaxpr: Any, used: Sequence[bool] | None
    ) -> tuple[Sequence[Step], dict[int, int], dict[int, int]]:
        """The steps, the bytes of what they make, and after which step each is read last."""
        steps = self.liveness.of(jaxpr, used).steps
        owners = _owners(steps)
        last = {owners.get(id(v), id(v)): i for i, step in enumerate(steps) for v in step.operands}
        return steps, _sizes(jaxpr, steps, owners), last

    def _within(self, step: Step) -> tuple[int, Body | None]:
        """The most bytes alive within an operation beside its operands and results, and the
        program in which, if any. A loop makes its next state beside the last one.
        """
        most: tuple[int, Body | None] = (_scratch(step), None)
        for body in step.bodies:
            beside = 0 if body.same_results else _results(body.jaxpr)
            inside = beside + self.most(body.jaxpr, body.used)[0]
            most = max(most, (inside, body), key=lambda found: found[0])
        return most


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

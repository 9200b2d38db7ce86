"""Walking a jaxpr: every operation that runs, how often, and in which layer."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from jaxcost.trace import work
from jaxcost.trace.control import Body
from jaxcost.trace.liveness import Liveness, Step
from jaxcost.trace.names import RECOMPUTED, Names
from jaxcost.trace.records import Branches, Leaf, Operation, Unknown

# Importing them registers their rules.
from jaxcost.trace.rules import convolutions as convolutions
from jaxcost.trace.rules import elementwise as elementwise
from jaxcost.trace.rules import linear_algebra as linear_algebra
from jaxcost.trace.rules import movement as movement
from jaxcost.trace.rules import opaque
from jaxcost.trace.rules import products as products
from jaxcost.trace.rules import random_numbers as random_numbers
from jaxcost.trace.rules import reductions as reductions
from jaxcost.trace.rules.collectives import COLLECTIVES, exchange
from jaxcost.trace.sharding import manual_axes


@dataclasses.dataclass
class Found:
    """What a program does, in its order; `owners` says which operation uses a parameter first."""

    operations: list[Operation] = dataclasses.field(default_factory=list)
    unknown: list[Unknown] = dataclasses.field(default_factory=list)
    branches: list[Branches] = dataclasses.field(default_factory=list)
    owners: dict[int, int] = dataclasses.field(default_factory=dict)

    def add(self, other: "Found") -> None:
        """Appends what another part of the program does."""
        before = len(self.operations)
        self.operations += other.operations
        self.unknown += other.unknown
        self.branches += other.branches
        for leaf, operation in other.owners.items():
            self.owners.setdefault(leaf, before + operation)

    def flops(self) -> float:
        """FLOPs of every kind, to tell which of several branches is the largest."""
        return sum(o.repeat * (o.flops + o.elementwise_flops) for o in self.operations)


@dataclasses.dataclass
class _Frame:
    """Where the walk is: the layer's name, how often it runs, what is known of its values.

    `leaves` has the parameter that a value is, or is a view of; `lean` the bytes that reading a
    value takes where these are fewer than it would have in memory; `axes` the extents of the axes
    of devices that the program is written for one of; `backward` that gradients are computed,
    `recomputed` that it is for them again; `flipped` has the values that are reversed;
    `path` leads here.
    """

    scope: str
    times: float
    leaves: dict[int, int]
    lean: dict[int, float]
    axes: dict[str, int] = dataclasses.field(default_factory=dict)
    backward: bool = False
    recomputed: bool = False
    flipped: set[int] = dataclasses.field(default_factory=set)
    path: tuple[int, ...] = ()


class Walk:
    """A walk over one program.

    Args:
        leaves: the parameters, by number.
        trips: of each `while` in turn, or of all.
        liveness: what of the program is used.
        root: the scope of the whole model, which no name has.
    """

    def __init__(
        self,
        leaves: Mapping[int, Leaf],
        trips: float | Sequence[float] | None,
        liveness: Liveness | None = None,
        root: str = "",
    ):
        self.leaves = leaves
        self.trips = trips
        self.liveness = liveness or Liveness()
        self.names = Names(root)
        self.loops = 0

    def program(self, jaxpr: Any, of_inputs: Mapping[int, int]) -> Found:
        """What a whole program does; `of_inputs` says which of its inputs is which parameter."""
        known = {id(jaxpr.invars[place]): leaf for place, leaf in of_inputs.items()}
        return self._inside(jaxpr, _Frame("", 1, known, {}))

    def _inside(self, jaxpr: Any, frame: _Frame, used: Sequence[bool] | None = None) -> Found:
        found = Found()
        for step in self.liveness.of(jaxpr, used).steps:
            name = step.equation.primitive.name
            if not step.bodies:
                self._operation(step.equation, frame, found)
            elif name == "cond":
                self._branch(step, frame, found)
            elif name == "while":
                self._loop(step, frame, found)
            else:
                for body in step.bodies:
                    found.add(self._enter(step.equation, body, frame))
        return found

    def _enter(self, equation: Any, body: Body, frame: _Frame, times: float = 1) -> Found:
        inputs = body.jaxpr.invars
        pairs = list(zip(inputs, body.operands)) if len(inputs) == len(body.operands) else []
        leaves = {id(i): frame.leaves[id(o)] for i, o in pairs if id(o) in frame.leaves}
        lean = {id(i): frame.lean[id(o)] for i, o in pairs if id(o) in frame.lean}
        scope = self.names.of(equation, frame.scope)
        times = frame.times * body.times * times
        axes = frame.axes | manual_axes(equation)
        path = (*frame.path, id(equation), id(body.jaxpr))
        of = _of_gradients(equation, frame)
        inner = _Frame(scope, times, leaves, lean, axes, *of, path=path)
        found = self._inside(body.jaxpr, inner, body.used)
        if body.same_results and len(body.jaxpr.outvars) == len(equation.outvars):
            self._pass_out(body.jaxpr, equation, inner, frame)
        return found

    def _pass_out(self, jaxpr: Any, equation: Any, inner: _Frame, outer: _Frame) -> None:
        """What is known of the results of a call is known of the operation's."""
        for inside, outside in zip(jaxpr.outvars, equation.outvars):
            if id(inside) in inner.leaves:
                outer.leaves[id(outside)] = inner.leaves[id(inside)]
            if id(inside) in inner.lean:
                outer.lean[id(outside)] = inner.lean[id(inside)]

    def _branch(self, step: Step, frame: _Frame, found: Found) -> None:
        choices = [self._enter(step.equation, body, frame) for body in step.bodies]
        each = tuple(choice.flops() for choice in choices)
        largest = max(range(len(each)), key=each.__getitem__)
        scope = self.names.of(step.equation, frame.scope)
        if len(choices) > 1:
            found.branches.append(Branches(scope, each, largest))
        found.add(choices[largest])

    def _loop(self, step: Step, frame: _Frame, found: Found) -> None:
        trips, equation = self._trips(), step.equation
        known = 1.0 if trips is None else trips
        condition, body = step.bodies
        if trips is None:
            shapes = tuple(work.shape(v.aval) for v in equation.outvars)
            scope = self.names.of(equation, frame.scope)
            why = "its number of trips is not known, and one was counted; say how many"
            found.unknown.append(Unknown("while", scope, shapes, frame.times, why))
        found.add(self._enter(equation, condition, frame, known + (trips is not None)))
        found.add(self._enter(equation, body, frame, known))

    def _trips(self) -> float | None:
        turn, self.loops = self.loops, self.loops + 1
        if self.trips is None or isinstance(self.trips, int | float):
            return self.trips
        if turn >= len(self.trips):
            allowed = "give one for each while loop, or one number for all"
            raise ValueError(f"trips has {len(self.trips)} values; {allowed}")
        return self.trips[turn]

    def _operation(self, equation: Any, frame: _Frame, found: Found) -> None:
        name = equation.primitive.name
        rule = work.rule_of(name)
        operands = [v for v in equation.invars if not isinstance(v, jax.extend.core.Literal)]
        if rule.view and operands and id(operands[0]) in frame.leaves:
            for out in equation.outvars:
                frame.leaves[id(out)] = frame.leaves[id(operands[0])]
        if rule.kind == "free":
            self._lean(equation, rule, frame)
            return
        inputs = tuple(v.aval for v in equation.invars)
        outputs = tuple(v.aval for v in equation.outvars)
        flipped = any(id(operand) in frame.flipped for operand in operands)
        if name == "rev" or (flipped and name == "convert_element_type"):
            frame.flipped.update(map(id, equation.outvars))
        owned = [id(operand) in frame.leaves for operand in equation.invars[:2]]
        site = work.Site(name, inputs, outputs, equation.params, flipped, owned == [True, False])
        scope = self.names.of(equation, frame.scope)
        done = opaque.declared_cost(site) if rule.kind == "unknown" else rule.count(site)
        if done is None:
            reason = rule.reason if name not in COLLECTIVES else exchange(site, frame.axes)
            shapes = tuple(map(work.shape, (*inputs, *outputs)))
            if reason:
                found.unknown.append(Unknown(name, scope, shapes, frame.times, reason))
            return
        self._record(site, done, rule, scope, operands, frame, found)
        last = found.operations[-1]
        last.backward, last.recomputed = _of_gradients(equation, frame)
        last.path = (*frame.path, id(equation))

    def _record(
        self, site: work.Site, done: work.Work, rule: work.Rule, scope: str,
        operands: list[Any], frame: _Frame, found: Found,
    ) -> None:  # fmt: skip
        moved = done.bytes_moved
        if moved is None:
            moved = work.total_bytes(site.outputs)
            for operand in {id(v): v for v in operands}.values():
                moved += frame.lean.get(id(operand), work.value_bytes(operand.aval))
        held = set() if rule.view else {
            frame.leaves[id(v)] for v in operands if id(v) in frame.leaves
        }  # fmt: skip
        new = [leaf for leaf in held if leaf not in found.owners]
        for leaf in new:
            found.owners[leaf] = len(found.operations)
        if held and (self.leaves[min(held)].by_path or not scope):
            scope = self.leaves[min(held)].layer
        shapes = tuple(map(work.shape, site.inputs)), tuple(map(work.shape, site.outputs))
        found.operations.append(
            Operation(
                scope,
                site.primitive,
                done.op or rule.family,
                frame.times,
                done,
                float(moved),
                *shapes,
                dtype=work.dtype_name(site.inputs),
            )
        )

    def _lean(self, equation: Any, rule: work.Rule, frame: _Frame) -> None:
        """What a free operation makes is read as what it was made from."""
        if not rule.view:
            frame.lean.update((id(out), 0.0) for out in equation.outvars)
            return
        if len(equation.outvars) == 1 and equation.invars:
            operand = equation.invars[0]
            made = equation.primitive.name == "broadcast_in_dim"
            if made or id(operand) in frame.lean:
                own = frame.lean.get(id(operand), work.value_bytes(operand.aval))
                frame.lean[id(equation.outvars[0])] = float(own)


def _of_gradients(equation: Any, frame: _Frame) -> tuple[bool, bool]:
    """Whether an operation is of a backward pass, or within one; and computes again for it."""
    stack = str(equation.source_info.name_stack)
    backward = frame.backward or "transpose(" in stack
    return backward, frame.recomputed or RECOMPUTED in stack

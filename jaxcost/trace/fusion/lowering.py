"""From a program to what XLA is left with before it fuses: a graph, and one for each loop."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jax.extend.core import Literal

from jaxcost.trace import work
from jaxcost.trace.control import Body
from jaxcost.trace.fusion import products as products  # registers what becomes of them
from jaxcost.trace.fusion.build import Builder
from jaxcost.trace.fusion.graph import Graph, Node
from jaxcost.trace.fusion.primitives import LOWERED, other
from jaxcost.trace.liveness import Liveness, Step

_REMAT = ("checkpoint", "remat", "remat2")
Path = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Part:
    """A graph of a program, and how often it runs."""

    graph: Graph
    times: float


def lowered(jaxpr: Any, liveness: Liveness, places: Mapping[Path, int]) -> list[Part]:
    """The graphs of a program: its own, then those of its loops.

    Args:
        jaxpr: the program.
        liveness: what of it is used.
        places: of each operation that was counted, by the equations that lead to it.
    """
    lowering = _Lowering(liveness, places)
    lowering.program(jaxpr, None, 1.0, ())
    return lowering.parts


class _Lowering:
    def __init__(self, liveness: Liveness, places: Mapping[Path, int]):
        self.liveness = liveness
        self.places = places
        self.parts: list[Part] = []
        self.builder = Builder()

    def program(
        self, jaxpr: Any, used: tuple[bool, ...] | None, times: float, path: Path,
        sliced: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """Lowers what runs by itself; `sliced` are the lengths of what inputs are slices of."""
        before, self.builder = self.builder, Builder()
        builder = self.builder
        inputs = []
        for place, variable in enumerate(jaxpr.invars):
            length = sliced[place] if place < len(sliced) else 0
            inputs.append(self._input(variable.aval, length))
        results = self._run(jaxpr, used, inputs, times, path)
        place = len(self.parts)
        self.parts.append(Part(Graph([], []), times))
        builder.outputs += [r for r in results if r is not None]
        self.parts[place] = Part(builder.graph(), times)
        self.builder = before

    def _input(self, aval: Any, length: int) -> int:
        node = typed(aval)
        if not length:
            return self.builder.new("parameter", node)
        whole = dataclasses.replace(node, shape=(length, *node.shape))
        read = self.builder.new("parameter", whole)
        part = self.builder.make("dynamic-slice", (1, *node.shape), node, (read,))
        return self.builder.bitcast(part, node.shape)

    def _run(
        self,
        jaxpr: Any,
        used: Sequence[bool] | None,
        inputs: Sequence[int | None],
        times: float,
        path: Path,
    ) -> list[int | None]:
        known = {id(v): p for v, p in zip(jaxpr.invars, inputs) if p is not None}
        known |= {id(v): self.builder.new("parameter", typed(v.aval)) for v in jaxpr.constvars}

        def read(variable: Any) -> int:
            if isinstance(variable, Literal):
                value = np.asarray(variable.val)
                return self.builder.constant(_number(value), typed(variable.aval))
            return known[id(variable)]

        for step in self.liveness.of(jaxpr, used).steps:
            equation = step.equation
            here = (*path, id(equation))
            operands = [read(v) if isinstance(v, Literal) or id(v) in known else None
                        for v in equation.invars]  # fmt: skip
            if step.bodies:
                results = self._within(step, operands, read, times, here)
            else:
                self.builder.owner = self.places.get(here, -1)
                rule = LOWERED.get(equation.primitive.name, other)
                results = rule(self.builder, equation, operands)
            known.update((id(v), place) for v, place in zip(equation.outvars, results)
                         if place is not None)  # fmt: skip
        alive = used or [True] * len(jaxpr.outvars)
        return [
            read(v) if is_used and (isinstance(v, Literal) or id(v) in known) else None
            for v, is_used in zip(jaxpr.outvars, alive)
        ]

    def _within(
        self, step: Step, operands: Sequence[int | None], read: Any, times: float, path: Path
    ) -> list[int | None]:
        equation, name = step.equation, step.equation.primitive.name
        if name in ("scan", "while"):
            for body in step.bodies:
                lengths, inside = _lengths(equation, body), (*path, id(body.jaxpr))
                self.program(body.jaxpr, body.used, times * body.times, inside, lengths)
            given = [place for place in operands if place is not None]
            return [self.builder.new("loop", typed(v.aval), given) for v in equation.outvars]
        body = self._taken(step, path)
        where = dict(zip(map(id, equation.invars), operands))
        inputs = [read(v) if isinstance(v, Literal) else where[id(v)] for v in body.operands]
        if name == "cond" or (name in _REMAT and equation.params.get("prevent_cse")
                              and equation.params.get("differentiated")):  # fmt: skip
            new, nodes = self.builder.new, self.builder.nodes
            inputs = [p if p is None else new("barrier", nodes[p], (p,)) for p in inputs]
        return self._run(body.jaxpr, body.used, inputs, times * body.times, (*path, id(body.jaxpr)))

    def _taken(self, step: Step, path: Path) -> Body:
        """Of several branches the one that was counted."""
        if len(step.bodies) > 1:
            for body in step.bodies:
                start = (*path, id(body.jaxpr))
                if any(known[: len(start)] == start for known in self.places):
                    return body
        return step.bodies[0]


def typed(aval: Any) -> Node:
    """A node without an operation, of the type of a value."""
    name = str(getattr(aval, "dtype", ""))
    return Node("", work.shape(aval), name, work.item_bytes(aval))


def _number(value: np.ndarray) -> Any:
    if value.shape or value.dtype.kind not in "fiub":
        return None
    return float(value) if value.dtype.kind == "f" else int(value)


def _lengths(equation: Any, body: Body) -> list[int]:
    """Of each input of a loop's body, how many slices it is one of; 0: it is whole."""
    if equation.primitive.name != "scan":
        return []
    params = equation.params
    whole = params["num_consts"] + params["num_carry"]
    return [0] * whole + [params["length"]] * (len(body.jaxpr.invars) - whole)

"""What of a program is used: compilers remove the rest, and so it is neither run nor counted."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from jaxcost.trace.control import Body, bodies, carried

# Reading, and naming an axis of devices, are effects that change nothing outside.
_HARMLESS = {"ReadEffect", "NamedAxisEffect", "InternalMutableArrayEffect"}


@dataclasses.dataclass(frozen=True)
class Step:
    """An operation that runs: which of its results are used, and of the programs that it holds.

    It holds none where `bodies` is empty; `operands` are those that are read.
    """

    equation: Any
    used: tuple[bool, ...]
    bodies: Sequence[Body]
    operands: Sequence[Any]


@dataclasses.dataclass(frozen=True)
class Live:
    """What of a program runs: its operations, in order, and which of its inputs are read."""

    jaxpr: Any
    steps: list[Step]
    inputs: tuple[bool, ...]


class Liveness:
    """What is used of a program and of the programs inside; each is looked at once a use."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, tuple[bool, ...]], Live] = {}

    def of(self, jaxpr: Any, used: Sequence[bool] | None = None) -> Live:
        """What runs where these results are used; None for all of them."""
        results = tuple(used) if used is not None else (True,) * len(jaxpr.outvars)
        key = id(jaxpr), results
        if key not in self._known:
            self._known[key] = self._live(jaxpr, results)
        return self._known[key]

    def _live(self, jaxpr: Any, used: tuple[bool, ...]) -> Live:
        wanted = {id(v) for v, u in zip(jaxpr.outvars, used, strict=True) if u}
        steps = []
        for equation in reversed(jaxpr.eqns):
            results = tuple(id(v) in wanted for v in equation.outvars)
            if any(results) or acts(equation):
                step = self._step(equation, results)
                steps.append(step)
                wanted.update(map(id, step.operands))
        steps.reverse()
        return Live(jaxpr, steps, tuple(id(v) in wanted for v in jaxpr.invars))

    def _step(self, equation: Any, used: tuple[bool, ...]) -> Step:
        inner = bodies(equation)
        if inner is None:
            return Step(equation, used, (), equation.invars)
        settled = self._settled(inner, used, carried(equation))
        held = [dataclasses.replace(b, used=_of_body(b, settled)) for b in inner]
        return Step(equation, settled, held, self._operands(equation, held))

    def _settled(
        self, inner: Sequence[Body], used: tuple[bool, ...], state: int
    ) -> tuple[bool, ...]:
        """The results that are used, outside or by a later trip of a loop: the least such set."""
        while state:
            read = [self.of(b.jaxpr, _of_body(b, used)).inputs[b.state :][:state] for b in inner]
            grown = tuple(map(any, zip(used[:state], *read))) + used[state:]
            if grown == used:
                break
            used = grown
        return used

    def _operands(self, equation: Any, held: Sequence[Body]) -> list[Any]:
        """What the programs inside read, what a loop starts from, and the index of a branch."""
        state = carried(equation)
        wanted = list(equation.invars[:1]) if equation.primitive.name == "cond" else []
        for body in held:
            if len(body.operands) != len(body.jaxpr.invars):
                return list(equation.invars)
            read = list(self.of(body.jaxpr, body.used).inputs)
            if state and not body.is_condition:
                kept = body.used[:state] if body.used else (True,) * state
                read[body.state : body.state + state] = kept
            wanted += [operand for operand, is_read in zip(body.operands, read) if is_read]
        return wanted


def acts(equation: Any) -> bool:
    """Whether an operation does something besides its results, such as print."""
    return any(type(effect).__name__ not in _HARMLESS for effect in equation.effects)


def _of_body(body: Body, used: tuple[bool, ...]) -> tuple[bool, ...] | None:
    """Which results of a program inside are used; None, for all, where they are not known."""
    return used if len(used) == len(body.jaxpr.outvars) and not body.is_condition else None

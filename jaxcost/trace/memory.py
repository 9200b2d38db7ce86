"""The most memory that a program's values take at once, from its jaxpr."""

from typing import Any

from jax.extend.core import Literal

from jaxcost.trace import work
from jaxcost.trace.control import bodies, branches, live, loop


def peak_bytes(jaxpr: Any) -> float:
    """The most bytes that are alive at once, inputs included, run in the program's order.

    A value lives from the operation that makes it to the last that reads it; inputs and results
    live throughout. What a compiler fuses away is counted, so this is an upper bound of what is
    needed, and no allocator's rounding is.
    """
    return _held(jaxpr) + _beyond(jaxpr)


def _held(jaxpr: Any) -> float:
    return float(sum(work.value_bytes(v.aval) for v in (*jaxpr.invars, *jaxpr.constvars)))


def _beyond(jaxpr: Any) -> float:
    """The most bytes alive at once that are no inputs."""
    equations = live(jaxpr)
    last = {id(v): i for i, e in enumerate(equations) for v in e.invars}
    last |= {id(v): len(equations) for v in jaxpr.outvars}
    owners: dict[int, int] = {}  # the value in whose memory a view lies
    sizes: dict[int, int] = {}
    until: dict[int, int] = {}
    alive, peak = 0, 0.0
    ends: dict[int, list[int]] = {}
    for index, equation in enumerate(equations):
        made = 0
        for out in equation.outvars:
            owner = _viewed(equation, owners)
            if owner is not None:
                owners[id(out)] = owner
                if owner in until:
                    until[owner] = max(until[owner], last.get(id(out), index))
                    ends.setdefault(until[owner], []).append(owner)
                continue
            owners[id(out)] = id(out)
            sizes[id(out)] = 0 if _virtual(equation) else work.value_bytes(out.aval)
            until[id(out)] = last.get(id(out), index)
            ends.setdefault(until[id(out)], []).append(id(out))
            made += sizes[id(out)]
        alive += made
        peak = max(peak, alive + _inside(equation))
        for value in ends.pop(index, ()):
            if until.get(value) == index:
                alive -= sizes[value]
                del until[value]
    return peak


def _viewed(equation: Any, owners: dict[int, int]) -> int | None:
    """The value that a free operation's result is a view of."""
    rule = work.rule_of(equation.primitive.name)
    if rule.kind != "free" or not rule.view or _virtual(equation) or not equation.invars:
        return None
    operand = equation.invars[0]
    return None if isinstance(operand, Literal) else owners.get(id(operand), id(operand))


def _virtual(equation: Any) -> bool:
    """Whether the result is made where it is read, and never in memory."""
    rule = work.rule_of(equation.primitive.name)
    made = equation.primitive.name == "broadcast_in_dim"
    return rule.kind == "free" and (made or not rule.view)


def _inside(equation: Any) -> float:
    """The most bytes alive within an operation beside its operands and results."""
    name = equation.primitive.name
    if name == "cond":
        inner = branches(equation)
    elif name == "while":
        inner = list(loop(equation))
    else:
        inner = bodies(equation) or []
    own = sum(work.value_bytes(v.aval) for v in equation.outvars)
    return max((max(_beyond(body.jaxpr) - own, 0.0) for body in inner), default=0.0)

"""The groups of channels of a model that can be left out together, found from its trace."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from jaxcost.optimize.slimming.axes import Axes
from jaxcost.optimize.slimming.rules import RULES, Labels, fresh, unknown

_INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # of programs that run once, as they stand
_ONCE = {
    "pjit", "jit", "closed_call", "core_call", "remat", "remat2", "checkpoint", "custom_jvp_call",
    "custom_vjp_call", "custom_vjp_call_jaxpr", "custom_lin",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Member:
    """Where a group's channels lie along an axis of one of the model's arrays.

    Channel c of the group takes, in each of `outer` repetitions of the axis's part that begins at
    `start` and has `length` numbers, the `inner` numbers from c * inner on.
    """

    path: str
    axis: int
    start: int
    inner: int
    outer: int


@dataclasses.dataclass(frozen=True)
class Group:
    """Channels that only go together: `size` of them, in all its `members`.

    Attributes: name: of its first member, as `layers[0].weight axis 0`; kept: why they cannot be
        left out; None where they can.
    """

    name: str
    size: int
    members: tuple[Member, ...]
    kept: str | None = None


def find_groups(model: Any, args: tuple[Any, ...], call: Callable[..., Any]) -> list[Group]:
    """All groups, in the order of the model's arrays."""
    arrays, rest = eqx.partition(model, eqx.is_array)
    leaves, structure = jax.tree_util.tree_flatten_with_path(arrays)

    def run(values: list[Any], given: Any) -> Any:
        whole = eqx.combine(jax.tree.unflatten(structure, values), rest)
        return eqx.filter(call(whole, *given), eqx.is_array)

    given, fixed = eqx.partition(
        args, lambda x: eqx.is_array(x) or isinstance(x, jax.ShapeDtypeStruct)
    )
    traced = jax.make_jaxpr(lambda v, g: run(v, eqx.combine(g, fixed)))(
        [v for _, v in leaves], given
    )
    paths = [jax.tree_util.keystr(path) for path, _ in leaves]
    choices: dict[int, int] = {}
    while True:
        axes, labels = _labelled(traced, [leaf for _, leaf in leaves], choices)
        if not (other := axes.other_choices()):
            return _groups(axes, paths, labels)
        choices |= other


def _labelled(
    traced: ClosedJaxpr, leaves: list[Any], choices: dict[int, int]
) -> tuple[Axes, list[Labels]]:
    """What the program says of its axes, and those of the leaves, with such choices made."""
    axes = Axes(choices)
    of_each = {id(leaf): fresh(axes, leaf.shape) for leaf in leaves}
    labels = [of_each[id(leaf)] for leaf in leaves]  # what is tied has the same
    inputs = traced.in_avals[len(leaves) :]
    ends = _walk(
        axes, traced, [*labels, *(fresh(axes, a.shape, "an input has it") for a in inputs)]
    )
    for label in (label for out in ends for label in out if label):
        axes.keep(label, "the output has it")
    return axes, labels


def _walk(axes: Axes, closed: ClosedJaxpr, inputs: list[Labels]) -> list[Labels]:
    jaxpr = closed.jaxpr
    known: dict[Any, Labels] = dict(zip(jaxpr.invars, inputs))
    for variable in jaxpr.constvars:
        known[variable] = fresh(axes, variable.aval.shape, "a constant has it")

    def of(atom: Any) -> Labels:
        if isinstance(atom, Literal):
            return fresh(axes, np.shape(atom.val), "a constant has it")
        return known[atom]

    for equation in jaxpr.eqns:
        given = [of(atom) for atom in equation.invars]
        inner = next((equation.params[k] for k in _INNER if k in equation.params), None)
        name = equation.primitive.name
        if name == "scan":
            found = _scanned(axes, equation, given)
        elif name in _ONCE and inner is not None:
            closed_inner = inner if hasattr(inner, "consts") else ClosedJaxpr(inner, ())
            found = _walk(axes, closed_inner, given[-len(closed_inner.jaxpr.invars) :])
        else:
            found = RULES.get(name, unknown)(axes, equation, given)
        known.update(zip(equation.outvars, found))
    return [of(atom) for atom in jaxpr.outvars]


def _scanned(axes: Axes, equation: Any, given: list[Labels]) -> list[Labels]:
    """A loop's body once: what is carried is of the same channels before and after."""
    params = equation.params
    first, carried = params["num_consts"], params["num_carry"]
    why = "a loop runs over it"
    for labels in given[first + carried :]:
        if labels[0] is not None:
            axes.keep(labels[0], why)
    each = [labels[1:] for labels in given[first + carried :]]
    found = _walk(axes, params["jaxpr"], [*given[: first + carried], *each])
    for before, after in zip(given[first:], found[:carried]):
        for one, other in zip(before, after):
            axes.unite(one, other)
    stacked = [[*fresh(axes, [params["length"]], why), *labels] for labels in found[carried:]]
    return [*found[:carried], *stacked]


def _groups(axes: Axes, paths: list[str], labels: list[Labels]) -> list[Group]:
    members: dict[int, list[Member]] = {}
    for path, each in zip(paths, labels):
        for axis, label in enumerate(each):
            start = 0
            for segment in axes.find(label) if label is not None else ():
                node, inner, outer = segment
                members.setdefault(node, []).append(Member(path, axis, start, inner, outer))
                start += axes.length((segment,))
    summed = {segment.node for label in axes.summed for segment in axes.find(label)}
    for node in members.keys() - summed:
        axes.reasons.setdefault(node, "no product sums over it")
    return [
        Group(_name(some[0]), axes.size(node), tuple(some), axes.reasons.get(node))
        for node, some in members.items()
    ]


def _name(first: Member) -> str:
    start = f" from {first.start}" if first.start else ""
    return f"{first.path.lstrip('.')} axis {first.axis}{start}"

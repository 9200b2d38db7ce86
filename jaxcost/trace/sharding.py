"""Programs of several devices: of how many one is, and what is then counted."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax

from jaxcost.trace.control import bodies
from jaxcost.trace.records import Unknown

_SHARDINGS = ("in_shardings", "out_shardings", "sharding", "dst_sharding", "devices", "mesh")


@dataclasses.dataclass(frozen=True)
class Spread:
    """Over how many devices a program runs; `shard_map` writes what one of `parts` of them does,
    and the compiler splits the rest."""

    devices: int = 1
    parts: int = 1

    @property
    def together(self) -> int:
        """Of how many devices together the counts are: all, or one where all is in `shard_map`."""
        return self.devices // self.parts

    def unseen(self) -> list[Unknown]:
        """What the compiler's own splitting adds, which the program does not show."""
        if self.together == 1:
            return []
        reason = f"the compiler splits the program over {self.together} devices, and adds how they"
        return [Unknown("communication", "", (), 1, f"{reason} exchange what they have")]

    def warnings(self) -> list[str]:
        """What the reader of a count of several devices must mind."""
        if self.devices == 1:
            return []
        of = "all" if self.parts == 1 else "one" if self.together == 1 else str(self.together)
        words = f"the program runs on {self.devices} devices; what is counted is of {of} of them"
        words += " together" if self.together > 1 else ""
        return [words + (", but all of what is outside shard_map" if self.parts > 1 else "")]


def spread(jaxpr: Any, arguments: Any) -> Spread:
    """By a program's `shard_map`s, by the shardings of its `jit`s, constraints and inputs, and by
    those of the arrays among the arguments."""
    inputs = [*jax.tree.leaves(arguments), *(v.aval for v in jaxpr.invars)]
    extents = [_extent(getattr(value, "sharding", None)) for value in inputs]
    parts = 1
    for equation in _equations(jaxpr):
        for name in _SHARDINGS:
            extents += map(_extent, _several(equation.params.get(name)))
        parts = max(parts, math.prod(manual_axes(equation).values()))
    return Spread(max(extents, default=1), parts)


def manual_axes(equation: Any) -> dict[str, int]:
    """The axes of devices, with their extents, along which a `shard_map` runs its program."""
    if equation.primitive.name != "shard_map":
        return {}
    params = equation.params
    extents = dict(params["mesh"].shape)
    manual = params.get("newly_manual_axes") or params.get("manual_axes") or extents
    return {str(axis): int(extents[axis]) for axis in manual}


def participants(params: Mapping[str, Any], axes: Mapping[str, int]) -> int | None:
    """How many devices exchange something with each other; None where an axis is not known."""
    groups = params.get("axis_index_groups")
    if groups:
        return max(map(len, groups))
    named = [n for n in _several(params.get("axes", params.get("axis_name"))) if n is not None]
    extents = [axes.get(str(name)) for name in named if not isinstance(name, int)]
    return None if not named or None in extents else math.prod(filter(None, extents))


def _several(found: Any) -> Iterable[Any]:
    return found if isinstance(found, tuple | list | frozenset) else (found,)


def _extent(sharding: Any) -> int:
    """Devices of a sharding or mesh; 1 of anything else."""
    mesh = getattr(sharding, "mesh", sharding)
    if hasattr(mesh, "axis_names"):
        return math.prod(dict(mesh.shape).values())
    return len(getattr(sharding, "device_set", (None,)))


def _equations(jaxpr: Any) -> Iterator[Any]:
    for equation in jaxpr.eqns:
        yield equation
        for body in bodies(equation) or ():
            yield from _equations(body.jaxpr)

"""What changed between two programs, or one on two devices: in total, and by layer."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxcost.trace.by_layer import by_layer
from jaxcost.trace.counts import Counts
from jaxcost.trace.estimate import ProgramEstimate
from jaxcost.trace.saved import read_saved, saved

COUNTED = ("flops", "macs", "parameters", "bytes_moved", "peak_bytes", "latency_s", "energy_j")
OF_LAYERS = ("flops", "parameters", "bytes_moved", "latency_s", "energy_j")
_MAIN = ("latency_s", "energy_j", "flops", "bytes_moved", "parameters")  # the first that is known
_ALIKE = 1e-9  # relative: sums of the same numbers in another order

Program = Counts | ProgramEstimate | Mapping[str, Any] | str | Path


class Change(NamedTuple):
    """A quantity before and after; None is not known."""

    before: float | None
    after: float | None

    @property
    def by(self) -> float | None:
        """How much more it is after; None where either is not known."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before

    @property
    def is_one(self) -> bool:
        """Whether there is a difference, beyond rounding."""
        if self.before is None or self.after is None:
            return self.before is not self.after
        return abs(self.after - self.before) > _ALIKE * max(self.before, self.after)


@dataclasses.dataclass(frozen=True)
class LayerChange:
    """A layer that is not as it was.

    Attributes:
        name: of the layer; all its operations and runs are together.
        what: `appeared`, `vanished`, `grew` or `shrank` by what layers are compared by; `changed`
            where that is as it was and something else is not.
        quantities: by name, FLOPs, parameters, bytes, s and J in all runs; 0 of a layer that is
            not there.
    """

    name: str
    what: str
    quantities: Mapping[str, Change]


@dataclasses.dataclass(frozen=True)
class Difference:
    """What changed from one program to another.

    Attributes:
        totals: by name, as `jaxcost count --json` and `estimate --json` have them.
        by: what layers are compared by: the first that both know of latency_s, energy_j, flops,
            bytes_moved and parameters with a total above 0.
        layers: those that changed, by how much, the largest first.
        unknown: how many operations of each program are not known, which no total holds.
    """

    totals: Mapping[str, Change]
    by: str
    layers: tuple[LayerChange, ...]
    unknown: Change

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "totals": {name: _record(change) for name, change in self.totals.items()},
            "unknown": _record(self.unknown),
            "by": self.by,
            "layers": [
                {"name": layer.name, "what": layer.what}
                | {name: _record(change) for name, change in layer.quantities.items()}
                for layer in self.layers
            ],
        }


def diff(before: Program, after: Program) -> Difference:
    """What changed from one program to another, in total and by layer.

    Layers are taken for the same where they have the same name.

    Args:
        before, after: each from `jaxcost.count` or `jaxcost.estimate`, its `record()`, or a file
            that `jaxcost count --json` or `jaxcost estimate --json` wrote. Of one model on two
            devices, the estimates of both.
    Returns: a `Difference`, in FLOP, MAC, bytes, s and J.
    Raises: ValueError: a file or a record that is none.
    Example:
        >>> import jax.numpy as jnp, jaxcost as jc
        >>> x, w, wide = jnp.ones((8, 64)), jnp.ones((64, 32)), jnp.ones((64, 48))
        >>> found = jc.diff(jc.count(jnp.dot, x, w), jc.count(jnp.dot, x, wide))
        >>> found.totals["macs"], found.layers[0].what
        (Change(before=16384.0, after=24576.0), 'grew')
    """
    first, second = _of(before), _of(after)
    totals = {name: Change(first[name], second[name]) for name in COUNTED}
    main = next((name for name in _MAIN if all(r[name] for r in (first, second))), "flops")
    each = {
        name: (by_layer(first["layers"], name), by_layer(second["layers"], name))
        for name in OF_LAYERS
    }
    names = [{name: None for side in each.values() for name in side[place]} for place in (0, 1)]
    found = []
    for name in names[0] | names[1]:
        there = [name in names[place] for place in (0, 1)]
        quantities = {quantity: _change(sides, name, there) for quantity, sides in each.items()}
        if any(change.is_one for change in quantities.values()):
            found.append(LayerChange(name, _what(there, quantities[main]), quantities))
    found.sort(key=lambda layer: -abs(layer.quantities[main].by or 0))
    unknown = Change(len(first["unknown"]), len(second["unknown"]))
    return Difference(totals, main, tuple(found), unknown)


def _of(program: Program) -> dict[str, Any]:
    if isinstance(program, str | Path):
        return read_saved(program)
    return saved(program if isinstance(program, Mapping) else program.record())


def _change(sides: tuple[Mapping[str, float], ...], name: str, there: list[bool]) -> Change:
    """A layer's quantity on both sides: 0 where it is not there, None where it is not known."""
    return Change(
        *(side.get(name, None if is_there else 0.0) for side, is_there in zip(sides, there))
    )


def _what(there: list[bool], main: Change) -> str:
    if not all(there):
        return "vanished" if there[0] else "appeared"
    if not main.is_one or main.by is None:
        return "changed"
    return "grew" if main.by > 0 else "shrank"


def _record(change: Change) -> dict[str, float | None]:
    return change._asdict() | {"change": change.by}

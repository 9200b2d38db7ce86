"""What parent and worker say to one another, and what the store keeps: records as plain JSON."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from jaxcost.measure.clock.gates import Block, Usage
from jaxcost.measure.clock.proofs import Doubling
from jaxcost.measure.clock.timing import TimingRules
from jaxcost.measure.layers import LayerSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class Visit:
    """What one visit of one process to one layer brought; times in s.

    Args:
        status: "" when blocks were timed, else why the layer is over: as `Track.status`, or
            "timeout" where the process did not answer.
        error: in one line.
        work, compile_s, memory_bytes, steps: as in `Track`.
        loops, calls: the blocks of this visit alone.
        doubling: all pairs that this process has timed of the layer.
        settled: whether this process's interval is narrow enough.
        wall_s: what the visit took with everything around it, compilation included.
        energy: what was read of power, or the reason why nothing was.
        state: of the machine at the end of the visit, by name; what is unknown is not in it.
        hlo_hash: of the optimised loop, SHA-256 in hexadecimal; empty if not compiled.
    """

    status: str = ""
    error: str = ""
    work: str | None = None
    compile_s: float = math.nan
    memory_bytes: int = 0
    steps: int = 0
    loops: tuple[Block, ...] = ()
    calls: tuple[Block, ...] = ()
    doubling: Doubling = dataclasses.field(default_factory=Doubling)
    settled: bool = False
    wall_s: float = math.nan
    energy: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    state: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    hlo_hash: str = ""


def dump(message: Mapping[str, Any]) -> str:
    """One line of JSON; a NaN becomes null."""
    return json.dumps(_without_nan(message), allow_nan=False, separators=(",", ":"))


def layer_to_json(layer: LayerSpec) -> dict[str, Any]:
    """A layer as plain values; equal layers give equal ones."""
    return layer.row()


def layer_from_json(fields: Mapping[str, Any]) -> LayerSpec:
    """The layer that `layer_to_json` was given."""
    return LayerSpec(**fields)


def rules_from_json(fields: Mapping[str, Any]) -> TimingRules:
    """Rules from `dataclasses.asdict`; an endless limit was written as null."""
    values: dict[str, Any] = {k: math.inf if v is None else v for k, v in fields.items()}
    return TimingRules(**values)


def rules_to_json(rules: TimingRules) -> dict[str, Any]:
    """Rules as plain values."""
    fields = dataclasses.asdict(rules)
    return {k: None if v == math.inf else v for k, v in fields.items()}


def visit_to_json(visit: Visit) -> dict[str, Any]:
    """A visit as plain values."""
    fields = {f.name: getattr(visit, f.name) for f in dataclasses.fields(visit)}
    doubling = {"ratios": list(visit.doubling.ratios), "accepted": list(visit.doubling.accepted)}
    return fields | {
        "loops": blocks_to_json(visit.loops),
        "calls": blocks_to_json(visit.calls),
        "doubling": doubling,
        "energy": dict(visit.energy),
        "state": dict(visit.state),
    }


def visit_from_json(fields: Mapping[str, Any]) -> Visit:
    """The visit that `visit_to_json` was given."""
    doubling = fields["doubling"]
    return Visit(
        **dict(fields)
        | {
            "compile_s": number(fields["compile_s"]),
            "wall_s": number(fields["wall_s"]),
            "loops": blocks_from_json(fields["loops"]),
            "calls": blocks_from_json(fields["calls"]),
            "doubling": Doubling(tuple(doubling["ratios"]), tuple(doubling["accepted"])),
        }
    )


def blocks_to_json(blocks: Iterable[Block]) -> list[dict[str, Any]]:
    """Blocks with what the machine did meanwhile; what is unknown is left out."""
    return [
        {"steps": b.steps, "duration_s": b.duration_s}
        | ({} if math.isnan(b.shortest_s) else {"shortest_s": b.shortest_s})
        | {k: v for k, v in dataclasses.asdict(b.usage).items() if v is not None}
        for b in blocks
    ]


def blocks_from_json(rows: Iterable[Mapping[str, Any]]) -> tuple[Block, ...]:
    """The blocks that `blocks_to_json` was given."""
    own = ("steps", "duration_s", "shortest_s")
    return tuple(
        Block(
            steps=row["steps"],
            duration_s=row["duration_s"],
            shortest_s=row.get("shortest_s", math.nan),
            usage=Usage(**{k: v for k, v in row.items() if k not in own}),
        )
        for row in rows
    )


def number(value: float | None) -> float:
    """A number that was written as null because it was NaN."""
    return math.nan if value is None else value


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value

"""What a program computes, for a person to read and for files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxcost._support import text
from jaxcost.app.report.tables import Table
from jaxcost.trace.counts import CONVENTION
from jaxcost.trace.names import NO_NAME

if TYPE_CHECKING:
    from jaxcost.trace.counts import Counts

BY = ("layer", "module", "op")

_SUMMED = ("flops", "macs", "elementwise_flops", "transcendentals", "bytes_moved", "parameters")


def layers(found: Counts, by: str = "layer") -> Table:
    """A row a layer, a module (the first level of names below the model) or a kind of operation.

    Layers that are neither a product nor have parameters are one row at the end.
    """
    rows = _grouped(found, by)
    total = max(found.flops, 1.0)
    return Table(
        (by, "op", "output", "parameters", "MACs", "FLOPs", "bytes", "share"),
        tuple(_cells(row, total) for row in rows),
        (False, False, False, *(True,) * 5),
    )


def peak_words(found: Counts) -> str:
    """What `Counts.peak_bytes` is: XLA's CPU backend asked for up to 2.7 times as much for five
    programs in bfloat16 and float16, which it computes in float32."""
    of_products = {o.dtype for o in found.operations if o.macs}
    halves = sorted(of_products & {"bfloat16", "float16"})
    copies = f" (on a CPU, without copies of {halves[0]} in float32)" if halves else ""
    return f"peak memory, unfused, estimated{copies}"


def totals(found: Counts) -> Table:
    """What is counted in all, and how."""
    rows = (
        ("FLOPs", text.quantity(found.flops, "FLOP")),
        ("multiply-adds", text.quantity(found.macs, "MAC")),
        ("parameters", f"{found.parameters:,}"),
        ("elementwise FLOPs", text.quantity(found.elementwise_flops, "FLOP")),
        ("transcendental functions", _amount(found.transcendentals)),
        ("integer operations", _amount(found.integer_ops)),
        ("bytes moved", text.storage(found.bytes_moved)),
        (peak_words(found), text.storage(found.peak_bytes)),
    )
    return Table(("", ""), rows, (False, True), note=CONVENTION)


def unknown(found: Counts) -> Table:
    """What is not known, and why."""
    rows = tuple(
        (
            u.primitive,
            u.name or NO_NAME,
            _times(u.count),
            " ".join(map(shape_words, u.shapes)),
            u.reason,
        )
        for u in found.unknown
    )
    return Table(
        ("primitive", "layer", "count", "shapes", "why"), rows, (False, False, True, False, False)
    )


def as_csv(found: Counts) -> str:
    """The layers as a table, numbers for one run of `repeat`."""
    return str(found.to_frame().to_csv(index=False, lineterminator="\n"))


def _grouped(found: Counts, by: str) -> list[dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    rows = found.layers()
    for row, name in zip(rows, keys(rows, by)):
        into = groups.setdefault(
            name, {"name": name, "ops": {}, "output": (), "repeat": row["repeat"]}
        )
        into["ops"][row["op"]] = into["ops"].get(row["op"], 0) + row["operations"]
        into["output"] = row["output"]
        into["repeat"] = max(into["repeat"], row["repeat"])
        for name in _SUMMED:
            into[name] = into.get(name, 0) + row["repeat"] * row[name]
    if by != "layer":
        return list(groups.values())
    plain = [r for r in groups.values() if not r["macs"] and not r["flops"] and not r["parameters"]]
    kept = [row for row in groups.values() if row not in plain]
    return kept + _others(plain)


def keys(rows: list[dict[str, Any]], by: str) -> list[str]:
    """What each row is grouped by: one of `BY`."""
    level = _level([row["name"] for row in rows if row["name"]])
    names = [row["name"] or NO_NAME for row in rows]
    modules = [_module(name.split("/"), level) for name in names]
    return {"layer": names, "module": modules, "op": [row["op"] for row in rows]}[by]


def _module(parts: list[str], level: int) -> str:
    """The module's part of a name, with its place where it is one of a list: `blocks/0`."""
    place = level < len(parts) and parts[level].isdecimal()
    return "/".join(parts[: level + place])


def _level(names: list[str]) -> int:
    """Of the names' parts, how many name a module: two where all are of one, the whole model."""
    first = {name.split("/")[0] for name in names}
    return 2 if len(first) == 1 and any("/" in name for name in names) else 1


def _others(plain: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for the layers that neither multiply nor have parameters."""
    if not plain:
        return []
    ops: dict[str, int] = {}
    for row in plain:
        for op, many in row["ops"].items():
            ops[op] = ops.get(op, 0) + many
    name = plain[0]["name"] if len(plain) == 1 else f"{len(plain)} others"
    summed = {quantity: sum(row[quantity] for row in plain) for quantity in _SUMMED}
    return [{"name": name, "ops": ops, "output": (), "repeat": 1} | summed]


def _cells(row: dict[str, Any], total: float) -> tuple[str, ...]:
    ops = [op for op in row["ops"] if op in ("conv2d", "dense")] or list(row["ops"])
    repeated = f" (× {_times(row['repeat'])})" if row["repeat"] != 1 else ""
    return (
        row["name"] + repeated,
        ops[0] + (" …" if len(ops) > 1 else ""),
        shape_words(row["output"]) if row["output"] else text.NONE,
        f"{row['parameters']:,.0f}",
        _amount(row["macs"]),
        _amount(row["flops"]),
        text.storage(row["bytes_moved"]),
        f"{100 * row['flops'] / total:.1f} %",
    )


def _amount(value: float) -> str:
    """A number with its prefix: `1.23 G`."""
    return text.quantity(value, "") if value else "0"


def _times(value: float) -> str:
    return f"{value:g}"


def shape_words(shape: Any) -> str:
    """Extents as a person reads them: `1×224×224×3`."""
    return "×".join(map(str, shape)) or "1"

"""The kernels of a program that XLA has compiled, and the bytes that each reads and writes.

From the text of the optimised module: each operand and result once; of an operand that a kernel
takes parts of, those parts; what is updated in place, as much as is updated. Loops count as often
as the module says that they run, and once where it does not.
"""

import dataclasses
import math
import re
from collections.abc import Iterator

_ITEMS = {
    "pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "f32": 4, "s32": 4,
    "u32": 4, "f64": 8, "s64": 8, "u64": 8, "c64": 8, "c128": 16,
}  # fmt: skip
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\]")
_COMMENT = re.compile(r"/\*.*?\*/")
_INSTRUCTION = re.compile(
    r"\s*(ROOT )?%?([\w.\-]+) = (\((?:[^()]|\([^()]*\))*\)|\S+) ([\w\-]+)\((.*)$"
)
_COMPUTATION = re.compile(r"(ENTRY )?%?([\w.\-]+) (?:\(.*)?\{\s*$")
_NAME = re.compile(r"%([\w.\-]+)")
_CALLED = re.compile(r"(calls|to_apply|body)=%?([\w.\-]+)")
_TRIPS = re.compile(r'known_trip_count":\{"n":"(\d+)"')
_FREE = ("parameter", "constant", "bitcast", "tuple", "get-tuple-element", "after-all",
         "opt-barrier", "conditional")  # fmt: skip
_TAKES = ("slice", "dynamic-slice", "gather")
_PRODUCTS = ("dot", "convolution", "custom-call")


@dataclasses.dataclass(frozen=True)
class Kernel:
    """What runs at once: its name, the operations in it, bytes of one of `times` runs."""

    name: str
    operations: tuple[str, ...]
    read: float
    written: float
    times: float

    @property
    def product(self) -> bool:
        """Whether a product is among its operations."""
        return any(op in _PRODUCTS for op in self.operations)

    @property
    def bytes_moved(self) -> float:
        """Bytes read and written in all runs."""
        return self.times * (self.read + self.written)


@dataclasses.dataclass(frozen=True)
class _Instruction:
    name: str
    op: str
    operands: tuple[str, ...]
    number: str
    rest: str
    bytes: float
    root: bool

    def called(self, how: str) -> str:
        return next((name for key, name in _CALLED.findall(self.rest) if key == how), "")


_Computation = dict[str, _Instruction]


def kernels(text: str) -> list[Kernel]:
    """Those of an optimised module."""
    computations, entry = _parsed(text)
    return list(_run(computations, entry, 1.0))


def _parsed(text: str) -> tuple[dict[str, _Computation], str]:
    found: dict[str, _Computation] = {}
    entry, current = "", None
    for line in _COMMENT.sub("", text).splitlines():
        if current is None:
            opened = _COMPUTATION.match(line)
            if opened and not line.startswith("HloModule"):
                current = found.setdefault(opened[2], {})
                entry = opened[2] if opened[1] else entry
        elif line.startswith("}"):
            current = None
        elif match := _INSTRUCTION.match(line):
            root, name, kind, op, rest = match.groups()
            inside, after = _arguments(rest)
            size = sum(map(_bytes, _ARRAY.findall(kind)))
            current[name] = _Instruction(
                name, op, tuple(_NAME.findall(inside)), inside.strip(), after, size, bool(root)
            )
    return found, entry


def _arguments(rest: str) -> tuple[str, str]:
    depth = 0
    for place, letter in enumerate(rest):
        depth += (letter in "({[") - (letter in ")}]")
        if depth < 0:
            return rest[:place], rest[place:]
    return rest, ""


def _bytes(array: tuple[str, str]) -> float:
    kind, extents = array
    return _ITEMS.get(kind, 0) * float(math.prod(int(n) for n in extents.split(",") if n))


def _run(computations: dict[str, _Computation], name: str, times: float) -> Iterator[Kernel]:
    computation = computations[name]
    for each in computation.values():
        if each.op == "while":
            trips = _TRIPS.search(each.rest)
            yield from _run(
                computations, each.called("body"), times * (float(trips[1]) if trips else 1)
            )
        elif each.op == "call":
            yield from _run(computations, each.called("to_apply"), times)
        elif each.op not in _FREE:
            yield _kernel(computations, computation, each, times)


def _kernel(
    computations: dict[str, _Computation], around: _Computation, each: _Instruction, times: float
) -> Kernel:
    inside = computations[each.called("calls")] if each.op == "fusion" else {each.name: each}
    fused = list(_all_of(computations, inside))
    operations = tuple(one.op for one, _ in fused if one.op != "parameter")
    moved = next((_scattered(one, where) for one, where in fused if one.op == "scatter"
                  and one.operands[-1] in where), None)  # fmt: skip
    if moved is None and each.op == "scatter":
        moved = _scattered(each, around)
    if moved is None and each.op == "fusion":
        moved = _read_by_fusion(computations, each, around), _written(inside)
    if moved is None:
        moved = _read_alone(each, around), _written({each.name: each}, around)
    return Kernel(each.name, operations, *moved, times)


def _all_of(
    computations: dict[str, _Computation], inside: _Computation
) -> Iterator[tuple[_Instruction, _Computation]]:
    for each in inside.values():
        yield each, inside
        if each.op == "fusion":
            yield from _all_of(computations, computations[each.called("calls")])


def _scattered(scatter: _Instruction, where: _Computation) -> tuple[float, float]:
    _, indices, updates = (where[name].bytes for name in scatter.operands[:3])
    return 2 * updates + indices, updates


def _written(inside: _Computation, around: _Computation | None = None) -> float:
    known = {**(around or {}), **inside}
    root = next((each for each in inside.values() if each.root), next(iter(inside.values())))
    results = [known[o] for o in root.operands] if root.op == "tuple" else [root]
    return sum(_of_result(each, known) for each in results)


def _of_result(each: _Instruction, known: _Computation) -> float:
    while each.op == "bitcast" and each.operands[0] in known:
        each = known[each.operands[0]]
    if each.op == "dynamic-update-slice":
        return known[each.operands[1]].bytes
    return each.bytes


def _read_alone(each: _Instruction, around: _Computation) -> float:
    total = 0.0
    for place, name in enumerate(dict.fromkeys(each.operands)):
        if place or each.op not in (*_TAKES, "dynamic-update-slice"):
            total += around[name].bytes if name in around else 0.0
        elif each.op in _TAKES:
            total += each.bytes
    return total


def _read_by_fusion(
    computations: dict[str, _Computation], fusion: _Instruction, around: _Computation
) -> float:
    inside = computations[fusion.called("calls")]
    parameters = {int(p.number): p for p in inside.values() if p.op == "parameter"}
    most: dict[str, float] = {}
    for place, name in enumerate(fusion.operands):
        amount = _taken(inside, parameters[place], parameters[place].bytes)
        most[name] = max(most.get(name, 0.0), amount)
    return sum(most.values())


def _taken(inside: _Computation, value: _Instruction, whole: float) -> float:
    """Bytes that are read of a value: parts of it, where nothing else is."""
    total = 0.0
    for user in inside.values():
        if value.name not in user.operands:
            continue
        first = user.operands[0] == value.name
        if first and user.op in _TAKES:
            total += user.bytes
        elif first and user.op == "bitcast":
            total += _taken(inside, user, whole)
        elif not (first and user.op == "dynamic-update-slice"):
            return whole
    return min(total, whole)

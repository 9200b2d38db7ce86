"""What a compiled program runs, a kernel at a time, and the bytes that each reads and writes."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from jaxcost.trace.fusion.graph import Fused, Graph
from jaxcost.trace.fusion.library import leave_to_library
from jaxcost.trace.fusion.loops import fuse_loops
from jaxcost.trace.fusion.lowering import Path, lowered
from jaxcost.trace.liveness import Liveness

PRODUCTS = ("dot", "convolution")
_FREE = ("parameter", "constant", "bitcast", "barrier", "loop")  # nothing is moved
_TAKES = ("slice", "dynamic-slice", "gather")  # reads of its first operand what it makes


@dataclasses.dataclass(frozen=True)
class Group:
    """Operations of a program that are computed in one kernel.

    Attributes:
        owner: the place of the operation that it is named after: the last of them, or the product
            for which an operand is laid out anew, or the one before where none of them was counted.
        members: places of all of them.
        operations: what they are called in HLO, in order.
        read, written: bytes from and to memory, each operand and result once.
        product: whether a product is among them.
        times: that it runs.
    """

    owner: int
    members: tuple[int, ...]
    operations: tuple[str, ...]
    read: float
    written: float
    product: bool
    times: float

    @property
    def bytes_moved(self) -> float:
        """Bytes read and written."""
        return self.read + self.written


def groups_on_cpu(jaxpr: Any, liveness: Liveness, places: Mapping[Path, int]) -> list[Group]:
    """The kernels that XLA's CPU backend makes of a program, by XLA's own rules.

    Args: jaxpr, liveness, places: as in `jaxcost.trace.fusion.lowering.lowered`.
    """
    found: list[Group] = []
    for part in lowered(jaxpr, liveness, places):
        leave_to_library(part.graph)
        fuse_loops(part.graph)
        found += groups(part.graph, part.times)
    return found


def groups(graph: Graph, times: float = 1.0) -> list[Group]:
    """The kernels of a graph, with operations that were fused with none."""
    found, last = [], 0
    for place in graph.alive():
        kernel = graph.fused.get(place) or Fused(place, {place}, list(_distinct(graph, place)), "")
        if all(graph.nodes[m].op in _FREE for m in kernel.members):
            continue
        group = _group(graph, kernel, times)
        last = group.owner if group.owner >= 0 else last
        found.append(dataclasses.replace(group, owner=last))
    return found


def _distinct(graph: Graph, place: int) -> Iterable[int]:
    return dict.fromkeys(graph.nodes[place].operands)


def _group(graph: Graph, kernel: Fused, times: float) -> Group:
    members = sorted(kernel.members)
    nodes = [graph.nodes[member] for member in members]
    read, written = _moved(graph, kernel)
    owners = [node.owner for node in nodes if node.owner >= 0]
    root = graph.nodes[kernel.root].owner
    return Group(
        owner=root if root >= 0 else max(owners, default=-1),
        members=tuple(dict.fromkeys(owners)),
        operations=tuple(node.op for node in nodes),
        read=read,
        written=written,
        product=any(node.op in PRODUCTS for node in nodes),
        times=times,
    )


def _moved(graph: Graph, kernel: Fused) -> tuple[float, float]:
    """Bytes that a kernel reads and writes."""
    for member in kernel.members:
        node = graph.nodes[member]
        if node.op == "scatter":  # in place: what is updated is read, and written
            _, indices, updates = (graph.nodes[operand] for operand in node.operands[:3])
            return 2 * updates.bytes + indices.bytes, updates.bytes
    root = graph.nodes[kernel.root]
    if root.op == "part":
        return 0.0, root.bytes
    if root.op == "dynamic-update-slice":  # in place
        written = graph.nodes[root.operands[1]].bytes
    else:
        written = root.bytes
    users: dict[int, list[int]] = {}
    for member in kernel.members:
        for operand in _distinct(graph, member):
            users.setdefault(operand, []).append(member)
    return sum(_read(graph, kernel, users, operand) for operand in kernel.operands), written


def _read(graph: Graph, kernel: Fused, users: Mapping[int, list[int]], operand: int) -> float:
    """Bytes that a kernel reads of an operand: of one that it takes parts of, those parts."""
    whole, total = graph.nodes[operand].bytes, 0.0
    for place in users.get(operand, ()):
        node = graph.nodes[place]
        first = node.operands[0] == operand
        if first and node.op in _TAKES:
            total += node.bytes
        elif first and node.op == "bitcast" and place != kernel.root:
            total += _read(graph, kernel, users, place)
        elif not (first and node.op == "dynamic-update-slice"):
            return whole
    return min(total, whole)

"""A program as a compiler sees it while it fuses: operations, and who reads which."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any


@dataclasses.dataclass(eq=False)
class Node:
    """An operation as XLA's HLO has it; its value is one array.

    Attributes:
        op: the operation's name in HLO.
        shape: of its value.
        dtype: of its value, such as `float32`.
        operands: places of what it reads, in the graph.
        params: what else is to be known of it, such as the axes that a reduction sums over.
        owner: the place of the program's operation that it comes from; -1: of none.
    """

    op: str
    shape: tuple[int, ...]
    dtype: str
    item_bytes: float
    operands: tuple[int, ...] = ()
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    owner: int = -1

    @property
    def size(self) -> int:
        """Elements of its value."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> float:
        """Bytes of its value."""
        return self.size * self.item_bytes


@dataclasses.dataclass(eq=False)
class Fused:
    """Operations that run as one kernel, and have the value of the last, `root`.

    `operands` are read from memory. `kind` is `loop` for what the compiler writes itself, and
    `library` for what it leaves to one.
    """

    root: int
    members: set[int]
    operands: list[int]
    kind: str


class Graph:
    """Operations in order, and the kernels that they have been fused to so far.

    A kernel is known by the place of its root. An operation may be of several kernels, each of
    which computes it; one that nothing reads any more is gone.
    """

    def __init__(self, nodes: Iterable[Node], outputs: Iterable[int]):
        self.nodes = list(nodes)
        self.outputs = set(outputs)
        self.fused: dict[int, Fused] = {}
        self.readers: list[dict[int, None]] = [{} for _ in self.nodes]
        for place, node in enumerate(self.nodes):
            for operand in node.operands:
                self.readers[operand][place] = None
        self.gone: set[int] = set()
        for place in range(len(self.nodes) - 1, -1, -1):
            self._bury(place)

    def operands(self, place: int) -> tuple[int, ...] | list[int]:
        """What an operation, or the kernel that it is the root of, reads."""
        fused = self.fused.get(place)
        return fused.operands if fused else self.nodes[place].operands

    def alive(self) -> list[int]:
        """Operations and kernels that are left, in the program's order."""
        return [place for place in range(len(self.nodes)) if place not in self.gone]

    def start(self, place: int, kind: str) -> Fused:
        """A kernel of one operation."""
        operands = list(dict.fromkeys(self.nodes[place].operands))
        self.fused[place] = Fused(place, {place}, operands, kind)
        return self.fused[place]

    def absorb(self, kernel: Fused, operand: int) -> None:
        """Computes an operand within a kernel; it stays what it is for others that read it."""
        kernel.members.add(operand)
        kernel.operands.remove(operand)
        del self.readers[operand][kernel.root]
        for read in dict.fromkeys(self.nodes[operand].operands):
            self._read_too(kernel, read)
        self._bury(operand)

    def absorb_kernel(self, kernel: Fused, operand: int) -> None:
        """The same of an operand that is a kernel, and read by nothing else."""
        other = self.fused.pop(operand)
        kernel.members |= other.members
        kernel.operands.remove(operand)
        del self.readers[operand][kernel.root]
        for read in other.operands:
            self.readers[read].pop(operand, None)
            self._read_too(kernel, read)
        self.gone.add(operand)

    def extend(self, kernel: Fused, reader: int) -> None:
        """Computes the only reader of a kernel within it, and so makes that its root."""
        old = kernel.root
        for read in kernel.operands:
            del self.readers[read][old]
            self.readers[read][reader] = None
        for read in dict.fromkeys(self.nodes[reader].operands):
            if read != old and read not in kernel.operands:
                kernel.operands.append(read)
        del self.fused[old], self.readers[old][reader]
        self.gone.add(old)
        kernel.members.add(reader)
        kernel.root = reader
        self.fused[reader] = kernel

    def _read_too(self, kernel: Fused, read: int) -> None:
        if read not in kernel.operands:
            kernel.operands.append(read)
        self.readers[read][kernel.root] = None

    def _bury(self, place: int) -> None:
        """Forgets an operation that nothing reads, and what only it reads."""
        if self.readers[place] or place in self.outputs or place in self.gone:
            return
        self.gone.add(place)
        for operand in dict.fromkeys(self.operands(place)):
            self.readers[operand].pop(place, None)
            self._bury(operand)

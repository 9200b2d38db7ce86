"""What XLA's CPU backend leaves to its kernel library, YNNPACK, and what it computes along with it.

A product, a convolution or a reduction starts a kernel; it takes in, as far as the library knows
them, what it alone reads and what alone reads it. After XLA's `LibraryRewriter` and `YnnMatcher`
(openxla/xla, xla/backends/cpu/transforms).
"""

import collections
from collections.abc import Iterable

from jaxcost.trace.fusion.graph import Fused, Graph, Node

_REDUCTIONS = ("reduce", "reduce-window")
_UNARY = ("abs", "negate", "exponential", "log", "sqrt", "rsqrt", "tanh", "floor", "ceil",
          "round-nearest-even", "sign", "convert", "erf", "cbrt", "cosine", "sine",
          "exponential-minus-one", "log-plus-one")  # fmt: skip
_BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power")
_KNOWN_TYPES = ("float32", "float64", "bfloat16", "int8", "uint8")
_LEAST_ELEMENTS = 4096  # kMinElements of XLA's ynn_support.cc: below it a call is not worth while
# With what it reads: the most in the library's kernels of VGG16, ResNet50 and ResNet101.
_MOST_MEMBERS = 100


def leave_to_library(graph: Graph) -> None:
    """Makes the library's kernels of a graph."""
    taken: set[int] = set()
    starters = [p for p in reversed(graph.alive()) if starts(graph, p)]
    for place in starters:
        if place in taken or place in graph.gone or not known(graph, place):
            continue
        taken.add(place)
        growth = _Growth(graph, graph.start(place, "library"), taken)
        while graph.nodes[place].op in _REDUCTIONS and growth.run():
            pass


def starts(graph: Graph, place: int) -> bool:
    """Whether an operation begins a kernel of the library, if that knows it."""
    return graph.nodes[place].op in ("dot", "convolution", *_REDUCTIONS)


def known(graph: Graph, place: int) -> bool:
    """Whether the library knows an operation."""
    node = graph.nodes[place]
    op, reads = node.op, [graph.nodes[o] for o in node.operands]
    if op == "constant":
        return True
    if op in ("bitcast", "broadcast"):
        return node.dtype in _KNOWN_TYPES
    if op in ("dot", "convolution"):
        return _is_taken(node, by_itself=True)
    if max([node.size, *(r.size for r in reads)]) < _LEAST_ELEMENTS:
        return False
    if op in _REDUCTIONS:
        taken = node.params.get("kind") in ("add", "maximum", "minimum")
        return taken and _is_taken(node, by_itself=op == "reduce")
    if any(each.dtype not in _KNOWN_TYPES for each in (node, *reads)):
        return False
    return (op in _UNARY and len(reads) == 1) or (op in _BINARY and len(reads) == 2)


def _is_taken(node: Node, *, by_itself: bool) -> bool:
    """Whether one in float32 is; `by_itself`: where nothing is noted of it."""
    return node.dtype == "float32" and bool(node.params.get("library", by_itself))


class _Growth:
    """A kernel and the neighbours that it may take in, nearest first."""

    def __init__(self, graph: Graph, kernel: Fused, taken: set[int]):
        self.graph = graph
        self.kernel = kernel
        self.taken = taken
        self.seen: set[int] = set()
        self.queue: collections.deque[tuple[int, bool]] = collections.deque()

    def run(self) -> bool:
        """Takes in what it can; whether there was anything."""
        self.seen, grown = {self.kernel.root}, False
        self._offer_operands(self.kernel.root, self.kernel.operands)
        self._offer_reader()
        while self.queue and self._size(self.kernel) < _MOST_MEMBERS:
            grown |= self._take(*self.queue.popleft())
        return grown

    def _size(self, kernel: Fused) -> int:
        return len(kernel.members) + len(kernel.operands)

    def _offer_operands(self, place: int, operands: Iterable[int]) -> None:
        """What nothing else reads."""
        for operand in operands:
            alone = all(r in (self.kernel.root, place) for r in self.graph.readers[operand])
            if alone and operand not in self.graph.outputs:
                self._offer(operand, True)

    def _offer_reader(self) -> None:
        root = self.kernel.root
        if len(self.graph.readers[root]) == 1 and root not in self.graph.outputs:
            self._offer(next(iter(self.graph.readers[root])), False)

    def _offer(self, place: int, up: bool) -> None:
        if place not in self.seen and (place in self.graph.fused or place not in self.taken):
            self.seen.add(place)
            self.queue.append((place, up))

    def _take(self, place: int, up: bool) -> bool:
        graph, kernel = self.graph, self.kernel
        other = graph.fused.get(place)
        if other is not None:
            if self._size(kernel) + self._size(other) > _MOST_MEMBERS:
                return False
            first, second = (kernel, other) if up else (other, kernel)
            graph.absorb_kernel(first, second.root)
            self.kernel = first
            return True
        if not known(graph, place):
            return False
        self.taken.add(place)
        if up:
            self._offer_operands(place, graph.nodes[place].operands)
            graph.absorb(kernel, place)
        else:
            graph.extend(kernel, place)
            self._offer_reader()
        return True

"""What XLA's CPU backend leaves to its kernel library, YNNPACK, and what it computes along with it.

A product, a convolution or a reduction starts a kernel; it takes in, as far as the library knows
them, what it alone reads and what alone reads it. After XLA's `LibraryRewriter` and `YnnMatcher`
(openxla/xla, xla/backends/cpu/transforms).
"""

import collections

from jaxcost.trace.fusion.graph import Fused, Graph, Node

_REDUCTIONS = ("reduce", "reduce-window")
_UNARY = ("abs", "negate", "exponential", "log", "sqrt", "rsqrt", "tanh", "floor", "ceil",
          "round-nearest-even", "sign", "convert", "erf", "cbrt", "cosine", "sine", "expm1", "log1p",
          "logistic")  # fmt: skip
_BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power")
_KNOWN_TYPES = ("float32", "float64", "bfloat16", "int8", "uint8")
_LEAST_ELEMENTS = 4096  # kMinElements of XLA's ynn_support.cc: below it a call is not worth while
_LEAST_CHANNELS = 17  # of a convolution, there as well
_LEAST_SIDE = 8  # of a product
_MOST_MEMBERS = 100  # with what it reads


def leave_to_library(graph: Graph) -> None:
    """Makes the library's kernels of a graph."""
    taken: set[int] = set()
    starters = [p for p in reversed(graph.alive()) if starts(graph, p)]
    for place in starters:
        if place in taken or place in graph.gone or not known(graph, place):
            continue
        taken.add(place)
        kernel = graph.start(place, "library")
        while graph.nodes[place].op in _REDUCTIONS and _grow(graph, kernel, taken):
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
    if op in ("bitcast", "broadcast", "transpose", "reshape"):
        return node.dtype in _KNOWN_TYPES
    if op == "dot":
        return _knows_product(node)
    if op == "convolution":
        return _knows_convolution(node, reads)
    if max([node.size, *(r.size for r in reads)]) < _LEAST_ELEMENTS:
        return False
    if op in _REDUCTIONS:
        return node.params.get("kind") in ("add", "maximum", "minimum") and _reduces(node, reads)
    if any(each.dtype not in _KNOWN_TYPES for each in (node, *reads)):
        return False
    return (op in _UNARY and len(reads) == 1) or (op in _BINARY and len(reads) == 2)


def _knows_product(node: Node) -> bool:
    return bool(node.params.get("library", True)) and node.dtype == "float32"


def _knows_convolution(node: Node, reads: list[Node]) -> bool:
    return bool(node.params.get("library", True)) and node.dtype == "float32"


def _reduces(node: Node, reads: list[Node]) -> bool:
    return node.dtype == "float32" and node.op == "reduce"


def _grow(graph: Graph, kernel: Fused, taken: set[int]) -> bool:
    """Takes in neighbours, nearest first; whether there was one."""
    queue: collections.deque[tuple[int, bool]] = collections.deque()
    seen = {kernel.root}

    def offer(place: int, up: bool, down: bool) -> None:
        if up:
            for operand in graph.nodes[place].operands:
                inside = all(r in (kernel.root, place) for r in graph.readers[operand])
                if inside and operand not in seen and operand not in taken:
                    seen.add(operand)
                    queue.append((operand, True))
        readers = graph.readers[place]
        if down and len(readers) == 1 and place not in graph.outputs:
            (reader,) = readers
            if reader not in seen and reader not in taken:
                seen.add(reader)
                queue.append((reader, False))

    for member in list(kernel.members):
        offer(member, True, False)
    offer(kernel.root, False, True)
    grown = False
    while queue and len(kernel.members) + len(kernel.operands) < _MOST_MEMBERS:
        place, up = queue.popleft()
        if place in graph.gone or not known(graph, place):
            continue
        if up and any(r != kernel.root for r in graph.readers[place]):
            continue
        taken.add(place)
        if up:
            graph.absorb(kernel, place)
            offer(place, True, False)
        else:
            graph.extend(kernel, place)
            offer(place, False, True)
        grown = True
    return grown

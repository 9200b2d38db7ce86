"""Which operations XLA's CPU backend computes in one loop.

From the last operation to the first, each takes in the operands that it can compute element by
element where it needs them. What costs little is computed once for each reader; what is dear, or
would make a kernel read more than it would otherwise, is made once. After XLA's `InstructionFusion`
and `CpuInstructionFusion` (openxla/xla, xla/service).
"""

from collections.abc import Collection

from jaxcost.trace.fusion.graph import Fused, Graph, Node

_CHEAP = frozenset((
    "add", "and", "bitcast", "bitcast-convert", "broadcast", "ceil", "clamp", "count-leading-zeros",
    "compare", "complex", "concatenate", "constant", "copy", "convert", "dynamic-slice",
    "dynamic-update-slice", "floor", "imag", "iota", "is-finite", "maximum", "minimum", "multiply",
    "negate", "not", "or", "pad", "popcnt", "real", "reduce-precision", "reshape", "reverse",
    "round-nearest-afz", "round-nearest-even", "select", "shift-left", "shift-right-arithmetic",
    "shift-right-logical", "slice", "subtract", "transpose", "xor", "abs", "sign", "cosine", "sine",
    "tan",
))  # fmt: skip
_DEAR = frozenset((
    "divide", "remainder", "acos", "acosh", "asin", "asinh", "atan2", "atanh", "cosh", "sinh",
    "tanh", "cbrt", "power", "rsqrt", "sqrt", "erf", "exponential", "exponential-minus-one", "log",
    "log-plus-one", "logistic",
))  # fmt: skip
ELEMENTWISE = _DEAR | (_CHEAP - {
    "bitcast", "broadcast", "concatenate", "constant", "dynamic-slice", "dynamic-update-slice",
    "iota", "pad", "reshape", "reverse", "slice", "transpose",
})  # fmt: skip
_FUSIBLE = ELEMENTWISE | {
    "bitcast", "broadcast", "concatenate", "constant", "dynamic-slice", "dynamic-update-slice",
    "gather", "iota", "pad", "reduce", "reshape", "reverse", "slice", "transpose",
}  # fmt: skip
_PERMUTES = ("bitcast", "concatenate", "reshape", "reverse", "slice", "transpose")
# Opens a new block of code, in which what was computed before is not known.
_FORGETS = ("concatenate", "dot", "dynamic-update-slice", "pad", "reduce", "reduce-window")
# Constants of cpu_instruction_fusion.cc and fusion_node_indexing_evaluation.cc.
_MOST_CONCATENATED = 8
_LEAST_MINOR = 128
_MOST_REDUCTIONS = 5
_MOST_COPIES = 15


def is_dear(node: Node) -> bool:
    """Whether an operation is not computed anew for each that reads it."""
    if node.op in ("divide", "remainder") and node.dtype.startswith(("int", "uint")):
        return False
    return node.op not in _CHEAP


class _Kernel:
    """What is to be known of a kernel while it grows: what it reads more often than once, and how
    often the code of each operation would be written."""

    def __init__(self, graph: Graph, fused: Fused):
        self.graph = graph
        self.fused = fused
        root = fused.root
        self.reused = set(_reused(graph, root))
        self.users: dict[int, set[int]] = {root: {-1}}
        self.times = {-1: 1}
        self.reductions = 0
        self._count(root)

    def _count(self, place: int) -> None:
        node = self.graph.nodes[place]
        self.times[place] = sum(self.times[user] for user in self.users[place])
        self.reductions += node.op == "reduce"
        for operand in node.operands:
            same = node.op == "transpose" or self.graph.nodes[operand].shape == node.shape
            self.users.setdefault(operand, set()).update(self.users[place] if same else {place})

    def too_long(self, producer: int) -> bool:
        """Whether the code of a kernel with this operation would be too long."""
        op = self.graph.nodes[producer].op
        if op == "broadcast":
            return False
        written = sum(self.times[user] for user in self.users[producer])
        if written > _MOST_COPIES:
            return True
        return op in _FORGETS and (written > 1 or self._readers(producer) > 1)

    def _readers(self, producer: int) -> int:
        return sum(
            sum(producer in self.graph.nodes[m].operands for m in self.fused.members)
            if reader == self.fused.root else 1
            for reader in self.graph.readers[producer]
        )  # fmt: skip

    def add(self, producer: int) -> None:
        """Computes an operand within the kernel."""
        if producer in self.reused:
            self.reused.discard(producer)
            self.reused.update(self.graph.nodes[producer].operands)
        else:
            self.reused.update(_reused(self.graph, producer))
        self.graph.absorb(self.fused, producer)
        self._count(producer)


def _reused(graph: Graph, place: int) -> Collection[int]:
    """The operands of which an operation reads elements more often than once."""
    node = graph.nodes[place]
    if node.op in ELEMENTWISE or node.op in _PERMUTES:
        return ()
    if node.op in ("pad", "reduce", "gather"):
        return node.operands[1:] if node.op != "gather" else ()
    if node.op == "dynamic-update-slice":
        return node.operands[2:]
    return node.operands


class _Loops:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.kernels: dict[int, _Kernel] = {}
        self.once: set[int] = set()
        self.never = {
            place for place, node in enumerate(graph.nodes)
            if node.op not in _FUSIBLE or place in graph.fused or place in graph.outputs
        }  # fmt: skip
        self.once = _made_once(self)

    def may(self, consumer: int, producer: int) -> bool:
        """Whether a kernel or an operation may take in what it reads."""
        graph = self.graph
        node, other = graph.nodes[consumer], graph.nodes[producer]
        kernel = self.kernels.get(consumer)
        if consumer in graph.fused and kernel is None:  # the library's
            return False
        if producer in self.never or producer in graph.fused:
            return False
        if other.op == "constant" and (other.size > 1 or kernel is None):
            return False
        if _unwieldy(other) or (kernel is None and _unwieldy(node)):
            return False
        dear = is_dear(other)
        if dear and producer in (kernel.reused if kernel else _reused(graph, consumer)):
            return False
        if dear and len(graph.readers[producer]) > 1:
            return False
        if kernel:
            if other.op == "reduce" and kernel.reductions > _MOST_REDUCTIONS:
                return False
            return not kernel.too_long(producer)
        return node.op in _FUSIBLE

    def run(self) -> None:
        """Fuses from the last operation to the first."""
        for place in reversed(self.graph.alive()):
            if place not in self.graph.gone:
                while self._step(place):
                    pass

    def _step(self, place: int) -> bool:
        possible = set(self.graph.operands(place)) - self.never - self.once
        for operand in sorted(possible, reverse=True):
            if self.may(place, operand):
                if place not in self.kernels:
                    self.kernels[place] = _Kernel(self.graph, self.graph.start(place, "loop"))
                self.kernels[place].add(operand)
                return True
        return False


def _unwieldy(node: Node) -> bool:
    if node.op != "concatenate":
        return False
    axis = node.params["dimension"]
    minor = len(node.shape) > 1 and axis == len(node.shape) - 1
    return len(node.operands) > _MOST_CONCATENATED or (minor and node.shape[axis] >= _LEAST_MINOR)


def _made_once(loops: _Loops) -> set[int]:
    """Operations that read more than they write and are not computed anew: those that some reader
    could not take in, directly or by way of others."""
    graph = loops.graph
    before = _ancestors(graph)
    once: set[int] = set()
    known: dict[tuple[int, int], bool] = {}

    def on_all_paths(producer: int, consumer: int) -> bool:
        if producer == consumer:
            return True
        key = producer, consumer
        if key not in known:
            known[key] = all(
                operand not in once
                and loops.may(consumer, operand)
                and on_all_paths(producer, operand)
                for operand in dict.fromkeys(graph.operands(consumer))
                if operand == producer or before[operand] >> producer & 1
            )
        return known[key]

    for place in reversed(graph.alive()):
        node = graph.nodes[place]
        if len(graph.readers[place]) < 2 or place in graph.fused or _unary(graph, node):
            continue
        if sum(graph.nodes[o].size for o in set(node.operands)) <= node.size:
            continue
        if not all(on_all_paths(place, reader) for reader in graph.readers[place]):
            once.add(place)
    return once


def _unary(graph: Graph, node: Node) -> bool:
    """Whether it reads one array at most that is not small beside its result, by rank."""
    rank = _rank(node)
    reads = [graph.nodes[operand] for operand in node.operands]
    made = ("broadcast", "iota")
    return sum(other.op not in made and _rank(other) >= max(rank, 1) for other in reads) <= 1


def _rank(node: Node) -> int:
    return sum(extent > 1 for extent in node.shape)


def _ancestors(graph: Graph) -> dict[int, int]:
    """What each operation depends on, a bit each."""
    found: dict[int, int] = {}
    for place in graph.alive():
        bits = 0
        for operand in graph.operands(place):
            bits |= found[operand] | 1 << operand
        found[place] = bits
    return found


def fuse_loops(graph: Graph) -> None:
    """Makes the loops of a graph; kernels of a library stay as they are."""
    _Loops(graph).run()

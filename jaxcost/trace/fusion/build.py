"""Operations as XLA leaves them once it has simplified a program, before it fuses any."""

import math
from collections.abc import Sequence
from typing import Any

from jaxcost.trace.fusion.graph import Graph, Node


class Builder:
    """Makes nodes, each once, and simpler ones where XLA's algebra would.

    Every method returns the place of the value that it makes, which may be an older one.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.outputs: list[int] = []
        self.owner = -1
        self._known: dict[Any, int] = {}

    def graph(self) -> Graph:
        """What was built."""
        return Graph(self.nodes, self.outputs)

    def shape(self, place: int) -> tuple[int, ...]:
        """Extents of a value."""
        return self.nodes[place].shape

    def make(
        self, op: str, shape: Sequence[int], like: int | Node, operands: Sequence[int],
        **params: Any,
    ) -> int:  # fmt: skip
        """An operation, or an equal one that is there already; `like` has the type."""
        typed = self.nodes[like] if isinstance(like, int) else like
        key = (op, tuple(shape), typed.dtype, tuple(operands), tuple(sorted(params.items())))
        if key not in self._known:
            self._known[key] = self.new(op, typed, operands, tuple(shape), **params)
        return self._known[key]

    def new(
        self, op: str, typed: Node, operands: Sequence[int] = (),
        shape: tuple[int, ...] | None = None, **params: Any,
    ) -> int:  # fmt: skip
        """An operation that is never taken for another, such as an input; `typed` has its shape."""
        extents = typed.shape if shape is None else shape
        kind = typed.dtype, typed.item_bytes
        self.nodes.append(Node(op, extents, *kind, tuple(operands), params, self.owner))
        return len(self.nodes) - 1

    def constant(self, value: Any, typed: Node) -> int:
        """A scalar of known value."""
        return self.make("constant", (), typed, (), value=value)

    def value(self, place: int) -> Any:
        """The number that all elements of a value are; None where that is not known."""
        node = self.nodes[place]
        while node.op in ("broadcast", "bitcast", "convert"):
            node = self.nodes[node.operands[0]]
        return node.params.get("value") if node.op == "constant" else None

    def filled(self, value: Any, shape: Sequence[int], like: int) -> int:
        """An array of one number."""
        return self.broadcast(self.constant(value, self.nodes[like]), shape, ())

    def bitcast(self, place: int, shape: Sequence[int]) -> int:
        """The same elements in another shape."""
        node, shape = self.nodes[place], tuple(shape)
        if node.shape == shape:
            return place
        if node.op == "bitcast":
            return self.bitcast(node.operands[0], shape)
        if node.op == "broadcast":
            axes = _kept(node.shape, shape, node.params["axes"])
            if axes is not None:
                return self.broadcast(node.operands[0], shape, axes)
        return self.make("bitcast", shape, place, (place,))

    def broadcast(self, place: int, shape: Sequence[int], axes: Sequence[int]) -> int:
        """An array repeated along the axes that are not its own, and along those of one element."""
        node, shape = self.nodes[place], tuple(shape)
        if math.prod(shape) == node.size:
            return self.bitcast(place, shape)
        wide = [i for i, extent in enumerate(node.shape) if extent > 1]
        if len(wide) < len(node.shape):
            slim = self.bitcast(place, [node.shape[i] for i in wide])
            return self.broadcast(slim, shape, [axes[i] for i in wide])
        if node.op == "broadcast":
            inner = [axes[i] for i in node.params["axes"]]
            return self.broadcast(node.operands[0], shape, inner)
        return self.make("broadcast", shape, place, (place,), axes=tuple(axes))

    def transpose(self, place: int, order: Sequence[int]) -> int:
        """Axes in another order."""
        node, order = self.nodes[place], tuple(order)
        shape = tuple(node.shape[i] for i in order)
        wide = [i for i in order if node.shape[i] > 1]
        if wide == sorted(wide):
            return self.bitcast(place, shape)
        if node.op == "transpose":
            before = node.params["order"]
            return self.transpose(node.operands[0], [before[i] for i in order])
        if node.op == "broadcast":
            axes = [order.index(axis) for axis in node.params["axes"]]
            if axes == sorted(axes):
                return self.broadcast(node.operands[0], shape, axes)
        if node.op == "dot" and order == (1, 0):
            left, right = node.operands
            flags = {"left": not node.params["right"], "right": not node.params["left"]}
            owner, self.owner = self.owner, node.owner  # it is the product still
            found = self.make("dot", shape, place, (right, left), **flags)
            self.owner = owner
            return found
        return self.make("transpose", shape, place, (place,), order=order)

    def unary(self, op: str, place: int) -> int:
        """An elementwise operation on one array."""
        node = self.nodes[place]
        if op == node.op == "negate":
            return node.operands[0]
        if node.op == "broadcast":
            inner = self.unary(op, node.operands[0])
            return self.broadcast(inner, node.shape, node.params["axes"])
        if node.op == "constant" and op == "negate":
            return self.constant(-node.params["value"], node)
        return self.make(op, node.shape, place, (place,))

    def binary(self, op: str, a: int, b: int) -> int:
        """An elementwise operation on two arrays of one shape."""
        x, y = self.value(a), self.value(b)
        shape = self.shape(a)
        if (op == "add" and x == 0) or (op == "multiply" and x == 1):
            return b
        if (op in ("add", "subtract") and y == 0) or (op in ("multiply", "divide") and y == 1):
            return a
        for scattered, onto in ((a, b), (b, a)):
            node = self.nodes[scattered]
            if op == "add" and node.op == "scatter" and self.value(node.operands[0]) == 0:
                return self.new("scatter", node, (onto, *node.operands[1:]))
        if op == "maximum" and -math.inf in (x, y):
            return b if x == -math.inf else a
        if op == "minimum" and math.inf in (x, y):
            return b if x == math.inf else a
        if x is not None and y is not None and isinstance(x, float) and isinstance(y, float):
            found = _computed(op, x, y)
            if found is not None:
                return self.filled(found, shape, a)
        if op == "divide" and self.nodes[a].dtype.startswith(("float", "bfloat")):
            if y:
                return self.binary("multiply", a, self.filled(1 / y, shape, b))
            divisor = self.nodes[b]
            if divisor.op == "broadcast" and x is None:
                inner = divisor.operands[0]
                one = self.filled(1.0, self.shape(inner), b)
                inverse = self.binary("divide", one, inner)
                repeated = self.broadcast(inverse, shape, divisor.params["axes"])
                return self.binary("multiply", a, repeated)
        if op == "minimum" and y is not None and self.nodes[a].op == "maximum":
            inside, low = self.nodes[a].operands
            if self.value(low) is not None and self.value(low) <= y:
                return self.make("clamp", shape, a, (low, inside, b))
        both = self._both_repeated(op, a, b)
        return self.make(op, shape, a, (a, b)) if both is None else both

    def _both_repeated(self, op: str, a: int, b: int) -> int | None:
        """Of two arrays repeated alike, or one and a number, computed before they are repeated."""
        left, right = self.nodes[a], self.nodes[b]
        if left.op != "broadcast" or right.op != "broadcast":
            return None
        if left.params["axes"] == right.params["axes"]:
            inner = self.binary(op, left.operands[0], right.operands[0])
            return self.broadcast(inner, left.shape, left.params["axes"])
        for wide, one, swapped in ((left, b, False), (right, a, True)):
            if self.value(one) is not None and self.nodes[one].params["axes"] == ():
                slim = wide.operands[0]
                number = self.broadcast(self.nodes[one].operands[0], self.shape(slim), ())
                pair = (number, slim) if swapped else (slim, number)
                inner = self.binary(op, *pair)
                return self.broadcast(inner, wide.shape, wide.params["axes"])
        return None

    def reduce(self, kind: str, place: int, axes: Sequence[int]) -> int:
        """A sum, a maximum or the like over some axes."""
        node = self.nodes[place]
        shape = tuple(n for i, n in enumerate(node.shape) if i not in axes)
        wide = tuple(i for i in axes if node.shape[i] > 1)
        if not wide:
            return self.bitcast(place, shape)
        if len(wide) < len(axes):
            slim = [n for i, n in enumerate(node.shape) if i in wide or i not in axes]
            kept = [i for i in range(len(node.shape)) if i in wide or i not in axes]
            return self.reduce(kind, self.bitcast(place, slim), [kept.index(i) for i in wide])
        if node.op == "transpose":
            order = node.params["order"]
            inner = [order[i] for i in axes]
            left = [order[i] for i in range(len(order)) if i not in axes]
            if left == sorted(left):
                return self.reduce(kind, node.operands[0], sorted(inner))
        if node.op == "reduce" and node.params["kind"] == kind:
            inside = self.nodes[node.operands[0]]
            kept = [i for i in range(len(inside.shape)) if i not in node.params["axes"]]
            both = sorted((*node.params["axes"], *(kept[i] for i in axes)))
            return self.reduce(kind, node.operands[0], both)
        repeated = node.op == "broadcast" and not set(axes) & set(node.params["axes"])
        if repeated and kind in ("add", "maximum", "minimum"):
            return self._reduce_repeated(kind, place, shape, axes)
        return self.make("reduce", shape, place, (place,), kind=kind, axes=tuple(axes))

    def _reduce_repeated(
        self, kind: str, place: int, shape: tuple[int, ...], axes: Sequence[int]
    ) -> int:
        """Over axes along which an array is only repeated."""
        node = self.nodes[place]
        left = [i for i in range(len(node.shape)) if i not in axes]
        places = [left.index(i) for i in node.params["axes"]]
        inner = self.broadcast(node.operands[0], shape, places)
        if kind != "add":
            return inner
        times = float(math.prod(node.shape[i] for i in axes))
        return self.binary("multiply", inner, self.filled(times, shape, place))

    def slice(self, place: int, shape: Sequence[int], start: Sequence[int], whole: bool) -> int:
        """A part; `whole` says that it takes every element between its ends."""
        node, shape = self.nodes[place], tuple(shape)
        if shape == node.shape:
            return place
        if node.op == "broadcast" and node.params["axes"] == ():
            return self.broadcast(node.operands[0], shape, ())
        if node.op == "concatenate" and whole:
            axis, at = node.params["dimension"], 0
            for part in node.operands:
                fits = all(s == 0 for i, s in enumerate(start) if i != axis)
                if fits and start[axis] == at and self.shape(part) == shape:
                    return part
                at += self.shape(part)[axis]
        if node.op == "slice" and whole and node.params["whole"]:
            begin = [s + t for s, t in zip(start, node.params["start"])]
            return self.slice(node.operands[0], shape, begin, True)
        return self.make("slice", shape, place, (place,), start=tuple(start), whole=whole)


def _kept(old: tuple[int, ...], new: tuple[int, ...], axes: Sequence[int]) -> list[int] | None:
    """Where the axes of an array that is repeated are after a reshape; None where one is split or
    merged."""
    found: list[int] = []
    ends_old, ends_new = _ends(old), _ends(new)
    for axis in axes:
        try:
            found.append(ends_new.index(ends_old[axis]))
        except ValueError:
            return None
        if new[found[-1]] != old[axis]:
            return None
    return found if len(set(found)) == len(found) else None


def _ends(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Elements before and after each axis."""
    return [(math.prod(shape[:i]), math.prod(shape[i + 1 :])) for i in range(len(shape))]


def _computed(op: str, x: float, y: float) -> float | None:
    if op == "add":
        return x + y
    if op == "subtract":
        return x - y
    if op == "multiply":
        return x * y
    if op == "divide" and y:
        return x / y
    return None

"""What XLA makes of each of JAX's primitives, once it has simplified it."""

from collections.abc import Callable, Sequence
from typing import Any

from jaxcost.trace import work
from jaxcost.trace.fusion.build import Builder
from jaxcost.trace.fusion.graph import Node

Places = Sequence[Any]
Rule = Callable[[Builder, Any, Places], list[int | None]]
LOWERED: dict[str, Rule] = {}

_UNARY = {
    "neg": "negate", "abs": "abs", "sign": "sign", "floor": "floor", "ceil": "ceil",
    "round": "round-nearest-even", "not": "not", "is_finite": "is-finite", "exp": "exponential",
    "exp2": "exponential", "expm1": "exponential-minus-one", "log": "log", "log1p": "log-plus-one",
    "sqrt": "sqrt", "rsqrt": "rsqrt", "cbrt": "cbrt", "tanh": "tanh", "sin": "sine",
    "cos": "cosine", "tan": "tan", "sinh": "sinh", "cosh": "cosh", "asin": "asin", "acos": "acos",
    "atan": "atan2", "asinh": "asinh", "acosh": "acosh", "atanh": "atanh", "erf": "erf",
    "erf_inv": "erf", "lgamma": "power", "digamma": "power",
    "population_count": "popcnt", "clz": "count-leading-zeros",
    "reduce_precision": "reduce-precision", "real": "real", "imag": "imag", "conj": "negate",
}  # fmt: skip
_BINARY = {
    "add": "add", "add_any": "add", "sub": "subtract", "mul": "multiply", "div": "divide",
    "max": "maximum", "min": "minimum", "rem": "remainder", "pow": "power", "atan2": "atan2",
    "and": "and", "or": "or", "xor": "xor", "nextafter": "add", "complex": "complex",
    "shift_left": "shift-left", "shift_right_arithmetic": "shift-right-arithmetic",
    "shift_right_logical": "shift-right-logical",
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "eq_to", "lt_to", "le_to"), "compare"),
}  # fmt: skip
_REDUCED = {
    "reduce_sum": "add", "reduce_max": "maximum", "reduce_min": "minimum",
    "reduce_prod": "multiply", "reduce_and": "and", "reduce_or": "or", "reduce_xor": "xor",
    "argmax": "argmax", "argmin": "argmin",
}  # fmt: skip
_WINDOWS = ("reduce_window", "reduce_window_max", "reduce_window_min", "reduce_window_sum",
            "cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")  # fmt: skip
_SAME = ("copy", "copy_p", "stop_gradient", "name", "sharding_constraint", "reshard", "device_put",
         "layout_constraint", "pvary", "mesh_cast")  # fmt: skip


def lowers(*names: str) -> Callable[[Rule], Rule]:
    """Registers what becomes of some primitives."""

    def register(rule: Rule) -> Rule:
        LOWERED.update(dict.fromkeys(names, rule))
        return rule

    return register


def result(equation: Any, place: int = 0) -> Node:
    """The type of a result."""
    aval = equation.outvars[place].aval
    name = str(getattr(aval, "dtype", ""))
    return Node("", work.shape(aval), name, work.item_bytes(aval))


def other(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    """An operation that nothing is fused with; it reads its operands and writes its results."""
    reads = [place for place in operands if place is not None]
    name = equation.primitive.name
    if work.rule_of(name).kind == "free" and reads and len(equation.outvars) == 1:
        node = result(equation)
        return [b.bitcast(reads[0], node.shape)] if node.size == b.nodes[reads[0]].size else [
            b.make(name, node.shape, node, reads)
        ]  # fmt: skip
    if not equation.outvars:
        return []
    first = b.new(name, result(equation), reads)
    rest = [b.new("part", result(equation, i), (first,)) for i in range(1, len(equation.outvars))]
    return [first, *rest]


def _spread(b: Builder, place: int, shape: tuple[int, ...]) -> int:
    own = b.shape(place)
    return place if own == shape else b.broadcast(place, shape, range(len(own)))


@lowers(*_UNARY)
def _unary(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    return [b.unary(_UNARY[equation.primitive.name], operands[0])]


@lowers(*_BINARY)
def _binary(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    node, name = result(equation), equation.primitive.name
    left, right = (_spread(b, place, node.shape) for place in operands)
    op = _BINARY[name]
    if op == "compare":
        return [b.make("compare", node.shape, node, (left, right), direction=name)]
    return [b.binary(op, left, right)]


@lowers("square")
def _square(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    return [b.binary("multiply", operands[0], operands[0])]


@lowers("integer_pow")
def _power(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    power = int(equation.params["y"])
    square, found = operands[0], None
    for digit in reversed(bin(abs(power))[2:]):
        if digit == "1":
            found = square if found is None else b.binary("multiply", found, square)
        square = b.binary("multiply", square, square)
    one = b.filled(1.0, b.shape(operands[0]), operands[0])
    found = one if found is None else found
    return [b.binary("divide", one, found) if power < 0 else found]


@lowers("logistic")
def _logistic(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    """1 / (1 + exp(-x)), as XLA writes it out."""
    x = operands[0]
    one = b.filled(1.0, b.shape(x), x)
    grown = b.binary("add", b.unary("exponential", b.unary("negate", x)), one)
    return [b.binary("divide", one, grown)]


@lowers("erfc")
def _erfc(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    """Written out: near 0 a polynomial, and beyond an exponential by a fraction."""
    x = operands[0]

    def number(value: float) -> int:
        return b.filled(value, b.shape(x), x)

    def polynomial(of: int, terms: int) -> int:
        found = number(0.5)
        for term in range(terms):
            found = b.binary("add", b.binary("multiply", found, of), number(term + 0.25))
        return found

    def chosen(limited: int, limit: float, inside: int, outside: int) -> int:
        typed = Node("", b.shape(x), "bool", 1.0)
        less = b.make("compare", typed.shape, typed, (limited, number(limit)), direction="lt")
        return b.make("select", typed.shape, x, (less, inside, outside))

    size, squared = b.unary("abs", x), b.binary("multiply", x, x)
    near = b.binary("subtract", number(1.0), b.binary("multiply", x, polynomial(squared, 6)))
    fallen, inverse = b.unary("negate", squared), b.binary("divide", number(1.0), size)
    of = b.binary("multiply", inverse, inverse)
    fraction = chosen(size, 2.0, polynomial(of, 8), polynomial(of, 7))
    far = b.binary("multiply", b.unary("exponential", fallen), inverse)
    far = b.binary("multiply", far, fraction)
    far = chosen(fallen, -88.7, number(0.0), far)
    far = chosen(x, 0.0, b.binary("subtract", number(2.0), far), far)
    return [chosen(size, 1.0, near, far)]


@lowers("convert_element_type")
def _convert(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    node, read = result(equation), b.nodes[operands[0]]
    if node.dtype == read.dtype:
        return [operands[0]]
    if read.op == "broadcast":
        inner = b.make("convert", b.shape(read.operands[0]), node, (read.operands[0],))
        return [b.broadcast(inner, node.shape, read.params["axes"])]
    return [b.make("convert", node.shape, node, (operands[0],))]


@lowers("select_n")
def _select(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    node = result(equation)
    reads = [_spread(b, place, node.shape) for place in operands]
    return [b.make("select", node.shape, node, reads)]


@lowers("clamp")
def _clamp(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    node = result(equation)
    return [b.make("clamp", node.shape, node, [_spread(b, p, node.shape) for p in operands])]


@lowers("broadcast_in_dim")
def _broadcast(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    params = equation.params
    return [b.broadcast(operands[0], params["shape"], params["broadcast_dimensions"])]


@lowers("reshape", "squeeze", "expand_dims")
def _reshape(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    return [b.bitcast(operands[0], result(equation).shape)]


@lowers("transpose")
def _transpose(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    return [b.transpose(operands[0], equation.params["permutation"])]


@lowers("rev")
def _reverse(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    axes = [i for i in equation.params["dimensions"] if b.shape(operands[0])[i] > 1]
    if not axes:
        return [operands[0]]
    shape = b.shape(operands[0])
    return [b.make("reverse", shape, operands[0], (operands[0],), axes=tuple(axes))]


@lowers(*_SAME)
def _same(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    return list(operands)


@lowers("optimization_barrier")
def _barrier(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    return [b.new("barrier", b.nodes[place], (place,)) for place in operands]


@lowers("iota")
def _iota(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    node, axis = result(equation), equation.params["dimension"]
    line = b.make("iota", (node.shape[axis],), node, ())
    return [b.broadcast(line, node.shape, (axis,))]


@lowers("concatenate")
def _concatenate(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    if len(operands) == 1:
        return [operands[0]]
    node, axis = result(equation), equation.params["dimension"]
    return [b.make("concatenate", node.shape, node, operands, dimension=axis)]


@lowers("pad")
def _pad(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    node, config = result(equation), tuple(map(tuple, equation.params["padding_config"]))
    if not any(any(each) for each in config):
        return [operands[0]]
    return [b.make("pad", node.shape, node, operands, config=config)]


@lowers("slice")
def _slice(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    params = equation.params
    whole = not params["strides"] or all(s == 1 for s in params["strides"])
    return [b.slice(operands[0], result(equation).shape, params["start_indices"], whole)]


@lowers("split")
def _split(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    axis, at = equation.params["axis"], 0
    found: list[int | None] = []
    for place, size in enumerate(equation.params["sizes"]):
        shape = result(equation, place).shape
        start = [at if i == axis else 0 for i in range(len(shape))]
        found.append(b.slice(operands[0], shape, start, True))
        at += size
    return found


@lowers("dynamic_slice", "gather", "dynamic_update_slice")
def _part(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    node = result(equation)
    return [b.make(equation.primitive.name.replace("_", "-"), node.shape, node, operands)]


@lowers("scatter", "scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max")
def _scatter(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    return [b.new("scatter", result(equation), operands)]


@lowers(*_REDUCED)
def _reduce(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    kind = _REDUCED[equation.primitive.name]
    found = b.reduce(kind, operands[0], equation.params["axes"])
    return [found]


@lowers(*_WINDOWS)
def _window(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    node, params, name = result(equation), equation.params, equation.primitive.name
    sizes, steps = params.get("window_dimensions", ()), params.get("window_strides", (0,))
    padded = any(map(any, params.get("padding", ())))
    side_by_side = tuple(sizes) == tuple(steps) and not padded
    kind = {"max": "maximum", "min": "minimum", "sum": "add"}.get(name.split("_")[-1], name)
    known = {"kind": kind, "library": side_by_side, **hashable(params)}
    return [b.make("reduce-window", node.shape, node, operands, **known)]


def hashable(params: Any) -> dict[str, Any]:
    """Parameters by which two operations are told apart."""
    return {name: str(value) for name, value in params.items()}


@lowers("select_and_scatter_add")
def _select_and_scatter(b: Builder, equation: Any, operands: Places) -> list[int | None]:
    """The place of each maximum by a reduction of one array of indices an axis, then a scatter."""
    source, x = operands
    node, whole = b.nodes[source], b.nodes[x]
    index = Node("", whole.shape, "int32", 4.0)
    lines = [b.new("iota", index) for _ in whole.shape]
    first = b.new("reduce-window", node, (x, *lines))
    of_source = Node("", node.shape, "int32", 4.0)
    found = [b.new("part", of_source, (first,)) for _ in lines]
    joined = Node("", (node.size, len(lines)), "int32", 4.0)
    column = [b.bitcast(place, (node.size, 1)) for place in found]
    indices = b.make("concatenate", joined.shape, joined, column, dimension=1)
    zeros = b.filled(0.0, whole.shape, x)
    return [b.new("scatter", whole, (zeros, indices, source))]

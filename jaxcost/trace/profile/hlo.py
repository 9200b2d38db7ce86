"""The compiled programs that a profile holds: which products each kernel computes, of what sizes.

Field numbers are those of xplane.proto, hlo.proto and xla_data.proto, which never change.
Source: https://github.com/openxla/xla (tsl/profiler/protobuf/xplane.proto, service/hlo.proto)
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping

from jaxcost._support.protobuf import integers, of, text

_METADATA = "/host:metadata"
_CONTAINERS = ("while", "conditional", "call")  # whose time is that of what they run
_PRODUCTS = ("dot", "convolution")
REAL = {10: "float16", 11: "float32", 12: "float64", 16: "bfloat16"}
REAL |= {19: "float8_e5m2", 20: "float8_e4m3fn"}  # of xla_data.proto's PrimitiveType
_LIBRARIES = ("gemm", "matmul", "conv")  # in the target of a custom call: a product of a library


@dataclasses.dataclass(frozen=True)
class Product:
    """A product within a kernel.

    Attributes:
        op_name: where it was traced, such as `jit(net)/layer0/dot_general`.
        operands: numbers of elements of its two operands, the smaller first.
        result: number of elements of its result.
    """

    op_name: str
    operands: tuple[int, ...]
    result: int


@dataclasses.dataclass(frozen=True)
class Instruction:
    """What runs under one name of `hlo_op`.

    Attributes:
        opcode: XLA's.
        products: that it computes, by itself or within its fusion.
        operands: the instructions whose results it takes, by name.
    """

    opcode: str
    products: tuple[Product, ...] = ()
    operands: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether its time is that of other instructions, which are counted by themselves."""
        return self.opcode in _CONTAINERS


Modules = Mapping[str, Mapping[str, Instruction]]


def modules(profile: bytes) -> Modules:
    """The instructions of each program by name; programs as a profile calls them, `jit_net(6)`, and
    without the number where there is one of the name.

    Args: profile: the content of an `.xplane.pb`.
    Raises: ValueError: what is no such file.
    """
    found: dict[str, dict[str, Instruction]] = {}
    plain: dict[str, list[str]] = {}
    for name, module in _protos(profile):
        found[name] = _instructions(module)
        plain.setdefault(text(module, 1), []).append(name)
    return found | {name: found[each[0]] for name, each in plain.items() if len(each) == 1}


def real_inputs(profile: bytes, module: str) -> set[str]:
    """The real types that a program of a profile takes, such as `float32`.

    Args: module: as `modules` calls it.
    """
    shapes = [
        shape
        for name, proto in _protos(profile)
        if module in (name, text(proto, 1))
        for program_shape in of(proto, 4)
        for shape in of(program_shape, 1)
    ]
    leaves = [leaf for shape in shapes for leaf in of(shape, 4) or [shape]]
    return {REAL[number] for leaf in leaves for number in integers(leaf, 2) if number in REAL}


def _protos(profile: bytes) -> Iterator[tuple[str, bytes]]:
    """The programs as messages, each with what the profile calls it."""
    planes = [plane for plane in of(profile, 1) if text(plane, 2) == _METADATA]
    events = [event for plane in planes for entry in of(plane, 4) for event in of(entry, 2)]
    for event in events:
        for proto in (value for stat in of(event, 5) for value in of(stat, 6)):
            yield from ((text(event, 2), module) for module in of(proto, 1))


def _instructions(module: bytes) -> dict[str, Instruction]:
    computations = {_number(c, 5): _Computation.of(c) for c in of(module, 3)}
    return {
        text(each, 1): _instruction(each, computation, computations)
        for computation in computations.values()
        for each in computation.instructions.values()
    }


@dataclasses.dataclass(frozen=True)
class _Computation:
    """The instructions of a computation, by id, as messages."""

    instructions: Mapping[int, bytes]

    @classmethod
    def of(cls, message: bytes) -> "_Computation":
        return cls({_number(each, 35): each for each in of(message, 2)})


def _instruction(
    message: bytes, within: _Computation, computations: Mapping[int, _Computation]
) -> Instruction:
    opcode = text(message, 2)
    takes = (within.instructions.get(number, b"") for number in integers(message, 36))
    products = () if opcode in _CONTAINERS else _products(message, within, computations)
    return Instruction(opcode, tuple(products), tuple(text(each, 1) for each in takes))


def _products(
    message: bytes, within: _Computation, computations: Mapping[int, _Computation]
) -> list[Product]:
    """Those of an instruction itself and of the computations that it calls, as a fusion does."""
    if _is_product(message):
        operands = [within.instructions[i] for i in integers(message, 36)][:2]
        sizes = tuple(sorted(_elements(_shape(each)) for each in operands))
        return [Product(_op_name(message), sizes, _elements(_shape(message)))]
    called = [computations[number] for number in integers(message, 38)]
    return [
        product
        for computation in called
        for each in computation.instructions.values()
        for product in _products(each, computation, computations)
    ]


def _is_product(message: bytes) -> bool:
    opcode = text(message, 2)
    if opcode == "custom-call":
        target = text(message, 28).lower()
        return any(word in target for word in _LIBRARIES)
    return opcode in _PRODUCTS


def _op_name(message: bytes) -> str:
    return next((text(metadata, 2) for metadata in of(message, 7)), "")


def _shape(message: bytes) -> bytes:
    """An instruction's shape; of a tuple, as libraries return with their workspace, the first."""
    shape = next(iter(of(message, 3)), b"")
    return next(iter(of(shape, 4)), shape)


def _elements(shape: bytes) -> int:
    return math.prod(integers(shape, 3))


def _number(message: bytes, field: int) -> int:
    return next(iter(integers(message, field)), 0)

"""What one operation of a program does, and the registry of rules that say so by primitive."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jaxcost.workload import item_sizes

_KEY_BYTES = 8  # of a random key, whose type has no size of its own


@dataclasses.dataclass(frozen=True)
class Work:
    """What an operation does once.

    Attributes:
        macs: multiply-adds of products.
        other_flops: FLOPs of linear algebra and Fourier transforms, by textbook counts.
        elementwise_flops: real additions, multiplications, divisions, roots, comparisons.
        transcendentals: evaluations of exp, log, tanh and their like.
        integer_ops: the same on integers and booleans; bits and indices.
        bytes_moved: bytes read and written; None for every operand and result once.
        sizes: leaves of `jaxcost.Workload` where the operation is one product; else None.
        op: `conv2d`, `dense`, or the family; empty for the rule's own.
    """

    macs: float = 0.0
    other_flops: float = 0.0
    elementwise_flops: float = 0.0
    transcendentals: float = 0.0
    integer_ops: float = 0.0
    bytes_moved: float | None = None
    sizes: Mapping[str, float] | None = None
    op: str = ""

    @property
    def flops(self) -> float:
        """FLOPs of products (2 a multiply-add), linear algebra and Fourier transforms."""
        return 2 * self.macs + self.other_flops


@dataclasses.dataclass(frozen=True)
class Site:
    """Where a primitive is applied: its name, the types of operands and results, parameters.

    `flipped` says that an operand was reversed just before, as kernels are in gradients, and
    `weights_first` that the first of two operands is a parameter and the second is none.
    """

    primitive: str
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    params: Mapping[str, Any]
    flipped: bool = False
    weights_first: bool = False


Counter = Callable[[Site], Work]


@dataclasses.dataclass(frozen=True)
class Rule:
    """How a primitive is treated: `counted`, `free` or `unknown`; `reason` for the last two.

    A view, such as a reshape, passes its operand on: a parameter belongs to whoever uses it.
    """

    kind: str
    family: str
    count: Counter
    reason: str = ""
    view: bool = False


RULES: dict[str, Rule] = {}


def counted(family: str, *names: str, view: bool = False) -> Callable[[Counter], Counter]:
    """Registers a function as the rule of some primitives."""

    def register(count: Counter) -> Counter:
        for name in names:
            RULES[name] = Rule("counted", family, count, view=view)
        return count

    return register


def free(reason: str, *names: str, view: bool = True) -> None:
    """Declares primitives that neither compute nor move anything, and why."""
    for name in names:
        RULES[name] = Rule("free", "free", lambda site: Work(bytes_moved=0.0), reason, view)


def unknown(reason: str, *names: str) -> None:
    """Declares primitives whose work cannot be seen from outside, and why."""
    for name in names:
        RULES[name] = Rule("unknown", "unknown", lambda site: Work(), reason)


NOT_KNOWN = Rule("unknown", "unknown", lambda site: Work(), "no rule for this primitive")


def rule_of(primitive: str) -> Rule:
    """The rule of a primitive; one that nobody wrote a rule for is unknown, never free."""
    return RULES.get(primitive, NOT_KNOWN)


def size(aval: Any) -> int:
    """Elements of a value; 0 of one that is no array, such as a token."""
    return math.prod(shape(aval))


def shape(aval: Any) -> tuple[int, ...]:
    """Extents of a value; of one that is no array, `(0,)`.

    Raises: ValueError: an extent that is not known when the program is traced.
    """
    extents = getattr(getattr(aval, "inner_aval", aval), "shape", (0,))
    for extent in extents:
        if not isinstance(extent, int):
            raise ValueError(f"shape {extents} is dynamic ({extent}); give inputs of fixed sizes")
    return tuple(extents)


def dtype_name(avals: Sequence[Any]) -> str:
    """The type of the first of some values, such as `float32`; '' where none has one."""
    named = (str(v.dtype) for v in avals if hasattr(v, "dtype"))
    return next(named, "")


def item_bytes(aval: Any) -> float:
    """Bytes of one element of a value; of a type that has no size of its own, those of a key."""
    dtype = getattr(aval, "dtype", None)
    return item_sizes.item_bytes(dtype) if hasattr(dtype, "itemsize") else _KEY_BYTES


def value_bytes(aval: Any) -> int:
    """Bytes of a value; one of an odd number of half bytes ends in half a byte of nothing."""
    return math.ceil(size(aval) * item_bytes(aval))


def total_bytes(avals: Iterable[Any]) -> int:
    """Bytes of several values."""
    return sum(map(value_bytes, avals))


def is_real(aval: Any) -> bool:
    """Whether a value is of real or complex floating numbers."""
    return kind(aval) in ("f", "c")


def is_complex(aval: Any) -> bool:
    """Whether a value is complex."""
    return kind(aval) == "c"


def kind(aval: Any) -> str:
    """`f` real, `c` complex, or `i` for anything else; small floats are real, too."""
    dtype = getattr(aval, "dtype", None)
    letter = getattr(dtype, "kind", "i")
    if letter in ("f", "c"):
        return str(letter)
    return "f" if "float" in str(getattr(dtype, "name", "")) else "i"


def arithmetic(aval: Any, amount: float, **more: Any) -> Work:
    """`amount` operations, on real numbers or on integers as the type of `aval` says."""
    if is_real(aval):
        return Work(elementwise_flops=amount, **more)
    return Work(integer_ops=amount, **more)

"""Reading a pickle that may hold plain containers and arrays of numbers, and nothing else.

A pickle is a program: it names callables, calls them, and sets their state. Here none of numpy's
own is ever called: what a file says of an array is held, checked, and only then made one. numpy's
would build an array of objects, and take bytes of the file for pointers.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    MemoryError,
    OverflowError,
    RecursionError,
)
_NUMERIC = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|c(8|16))")
_ORDERS = ("<", ">", "=", "|")
_PLAIN = (str, bytes, int, float, complex, type(None))
_REFUSED_OPCODES = {
    *("PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"),
    *("NEXT_BUFFER", "READONLY_BUFFER", "EMPTY_SET", "ADDITEMS", "FROZENSET"),
}


def read_array_pickle(path: str | Path) -> Any:
    """Read a pickle of dicts, lists, tuples, text, numbers and numpy arrays of numbers.

    Args:
        path: the file; written by numpy 1 or 2, any pickle protocol.

    Returns:
        What the file holds.

    Raises:
        ValueError: the file is damaged, holds an array of anything but booleans, integers, floats
            or complex numbers, or names anything but numpy's array constructors, which is then
            neither imported nor called.

    Example:
        >>> import pickle, tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "arrays.pickle"
        >>> _ = path.write_bytes(pickle.dumps({"a": np.arange(3)}))
        >>> read_array_pickle(path)
        {'a': array([0, 1, 2])}
    """
    content = Path(path).read_bytes()
    try:
        _check_opcodes(content)
        return _released(_ArrayUnpickler(io.BytesIO(content)).load(), {})
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path}: not a pickle of plain arrays: {reason}; fetch the file anew from its source"
        ) from None


def _check_opcodes(content: bytes) -> None:
    """Refuse, before anything is run, what no pickle of plain arrays says.

    A memo index beyond the file's length would have the unpickler reserve memory up to it.
    """
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in _REFUSED_OPCODES:
            raise _refusal(f"the opcode {opcode.name}")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument or 0) > len(content):
            raise _refusal(f"memo entry {argument} in {len(content)} bytes")


def _refusal(what: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f"it asks for {what}, which is refused")


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # numpy 2 renamed numpy.core to numpy._core: files of both are about.
        modern = re.sub(r"^numpy\.core\.", "numpy._core.", module)
        if (modern, name) not in _ADMITTED:
            raise _refusal(f"{module}.{name}")
        return _Named(_ADMITTED[modern, name])


class _Held:
    """What stands for something of numpy while the file is read; a key of no dict."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __setstate__(self, state: Any) -> None:
        raise _refusal("state where none belongs")


class _Named(_Held):
    """A name in the file, which may be called and not changed."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)


class _Type(_Held):
    """A numeric type; its state is the order of its bytes."""

    __slots__ = ("found",)

    def __init__(self, name: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(name, str) or not _NUMERIC.fullmatch(name):
            raise pickle.UnpicklingError(f"an array of {name!r} is refused: only numbers are read")
        self.found = np.dtype(name)

    def __setstate__(self, state: Any) -> None:
        _, order, *rest = state
        if order not in _ORDERS or rest[:3] != [None, None, None]:
            raise pickle.UnpicklingError("an array of a composed type is refused")
        self.found = self.found.newbyteorder(order)


class _Array(_Held):
    """An array, or the place of one whose state is still to come."""

    __slots__ = ("value",)

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        self.value = _array(content, kind, shape, "F" if fortran else "C")


def _array(content: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    """An array of its own memory, of exactly the bytes that the file has for it."""
    if not isinstance(kind, _Type) or not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError("an array whose content is no bytes of numbers is refused")
    if any(type(extent) is not int or extent < 0 for extent in shape):
        raise pickle.UnpicklingError(f"an array of shape {shape!r} is refused")
    if math.prod(shape) * kind.found.itemsize != len(content):
        raise pickle.UnpicklingError(f"{len(content)} bytes for an array of shape {shape!r}")
    return np.ndarray(shape, kind.found, bytes(content), order=order).copy(order="K")


def _scalar(kind: Any, content: Any) -> _Array:
    return _Array(_array(content, kind, (), "C")[()])


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any, axes: Any = None) -> _Array:
    """As numpy 2 writes an array in protocol 5; `axes` are of one in neither C's nor F's order."""
    found = _array(content, kind, shape, "C" if axes is not None else order)
    return _Array(found if axes is None else found.transpose(axes))


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    return _Array()


def _array_itself(*_: Any) -> Any:
    raise _refusal("numpy.ndarray by itself")


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise _refusal(f"the codec {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _array_itself,
    ("numpy", "dtype"): _Type,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _latin1,
    ("__builtin__", "bytes"): _no_bytes,  # the content of an array without elements
}


def _released(value: Any, done: dict[int, tuple[Any, Any]]) -> Any:
    """The same with the arrays themselves; what is in several places stays one."""
    if id(value) in done:
        return done[id(value)][1]
    if isinstance(value, _Array) and value.value is not None:
        return value.value
    if isinstance(value, list | dict):
        done[id(value)] = value, value
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            value[key] = _released(inner, done)
        return value
    if isinstance(value, tuple):
        found = tuple(_released(inner, done) for inner in value)
        done[id(value)] = value, found  # the first keeps its id from being given again
        return found
    if isinstance(value, _PLAIN):
        return value
    raise pickle.UnpicklingError("it holds a name of numpy where a value belongs")

"""Reading a pickle that may hold plain containers and numpy arrays, and nothing else.

A pickle is a program: it names callables and calls them. Here the few names that numpy needs to
rebuild an array are looked up in a fixed table, and any other name stops the reading.
"""

from __future__ import annotations

import io
import pickle
import re
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
)


def read_array_pickle(path: str | Path) -> Any:
    """Read a pickle of dicts, lists, tuples, text, numbers and numpy arrays of any shape.

    Args:
        path: the file; written by numpy 1 or 2, any pickle protocol.

    Returns:
        What the file holds.

    Raises:
        ValueError: the file is damaged, or names anything but numpy's array constructors, which
            is then neither imported nor called.

    Example:
        >>> import pickle, tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "arrays.pickle"
        >>> _ = path.write_bytes(pickle.dumps({"a": np.arange(3)}))
        >>> read_array_pickle(path)
        {'a': array([0, 1, 2])}
    """
    try:
        return _ArrayUnpickler(io.BytesIO(Path(path).read_bytes())).load()
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path}: not a pickle of plain arrays: {reason}; fetch the file anew from its source"
        ) from None


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # numpy 2 renamed numpy.core to numpy._core: files of both are about.
        modern = re.sub(r"^numpy\.core\.", "numpy._core.", module)
        if (modern, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return _ADMITTED[modern, name]


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}, which is refused")
    return text.encode("latin1")


# numpy's constructors are private, but every array says which one rebuilds it.
_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy._core.multiarray", "_reconstruct"): np.zeros(1).__reduce__()[0],
    ("numpy._core.multiarray", "scalar"): np.float64(0).__reduce__()[0],
    ("numpy._core.numeric", "_frombuffer"): np.zeros(1).__reduce_ex__(5)[0],
    ("_codecs", "encode"): _latin1,
}

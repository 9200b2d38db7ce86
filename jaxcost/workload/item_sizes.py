"""What one number of a type occupies; the one place that says so."""

import re
from typing import Any

_BITS = re.compile(r"(?:bfloat|float|u?int|complex)(\d+)")


def item_bytes(dtype: Any) -> float:
    """Bytes of one element of an array: half a byte of `int4`, a quarter of `int2`; whole as int.

    Types of less than 8 bits are packed, as XLA packs them, whatever `itemsize` says of them.

    Args: dtype: a NumPy or JAX type, or the name of one of numbers.
    Example:
        >>> item_bytes("bfloat16"), item_bytes("int4")
        (2, 0.5)
    """
    found = _BITS.match(str(getattr(dtype, "name", dtype)))
    if found is None:
        return int(dtype.itemsize)
    bits = int(found[1])
    return bits / 8 if bits % 8 else bits // 8

"""Fields of a message in Protocol Buffers' wire format, for files whose schema is known and stable.

Source: https://protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The number and value of each field, in the file's order: an integer, or bytes.

    Raises: ValueError: what is no such message.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind not in (_FIXED64, _BYTES, _FIXED32):
            raise ValueError(f"a field of wire type {kind} at byte {at}")
        size, at = _varint(message, at) if kind == _BYTES else (8 if kind == _FIXED64 else 4, at)
        if at + size > len(message):
            raise ValueError(f"a field that ends beyond its message at byte {at}")
        yield number, message[at : at + size]
        at += size


def of(message: bytes, number: int) -> list[bytes]:
    """The messages (or strings) of one field."""
    return [value for n, value in fields(message) if n == number and isinstance(value, bytes)]


def text(message: bytes, number: int) -> str:
    """A field that is a string; '' where it is not set."""
    return next(iter(of(message, number)), b"").decode("utf-8", "replace")


def integers(message: bytes, number: int) -> list[int]:
    """A field of integers, packed or not."""
    found: list[int] = []
    for n, value in fields(message):
        if n == number:
            found += [value] if isinstance(value, int) else _packed(value)
    return found


def _packed(values: bytes) -> list[int]:
    found, at = [], 0
    while at < len(values):
        value, at = _varint(values, at)
        found.append(value)
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError(f"an integer that does not end at byte {at}")

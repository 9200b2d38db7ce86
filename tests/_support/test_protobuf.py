"""The wire format's own examples, from https://protobuf.dev/programming-guides/encoding."""

import pytest

from jaxcost._support.protobuf import fields, integers, of, text


def test_the_examples_of_the_formats_own_guide():
    assert list(fields(bytes.fromhex("089601"))) == [(1, 150)]
    testing = bytes.fromhex("120774657374696e67")
    assert text(testing, 2) == "testing"
    assert text(testing, 3) == ""
    (nested,) = of(bytes.fromhex("1a03089601"), 3)
    assert integers(nested, 1) == [150]
    assert integers(bytes.fromhex("3206038e029ea705"), 6) == [3, 270, 86942]
    assert integers(bytes.fromhex("0801080208ac02"), 1) == [1, 2, 300]


def test_fixed_fields_are_passed_over():
    message = b"\x09" + bytes(8) + b"\x15" + bytes(4) + b"\x18\x05"
    assert [number for number, _ in fields(message)] == [1, 2, 3]
    assert integers(message, 3) == [5]


@pytest.mark.parametrize("damaged", ["0a05ab", "08ff", "0b", "08" + "ff" * 11])
def test_what_is_no_message_is_refused(damaged):
    with pytest.raises(ValueError, match="at byte"):
        list(fields(bytes.fromhex(damaged)))

import builtins
import contextlib
import os
import pickle
import pickletools
import random
import struct
import tracemalloc

import numpy as np
import pytest

from jaxcost.papers.alpha_flops.array_pickle import read_array_pickle

CONTENT = {
    "lines": [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.ones((2, 2), dtype=np.float32))],
    "text": [(0.5, 1, "label")],
    "limit": None,
    "scalar": np.float64(2.5),
    "kinds": [np.arange(3).astype(kind) for kind in ("?", "i1", "<u8", ">f4", "f2", "c16")],
    "axes": np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
    "none": np.zeros((0, 3)),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_come_back_whatever_the_protocol(tmp_path, protocol):
    path = tmp_path / "data.pickle"
    path.write_bytes(pickle.dumps(CONTENT, protocol=protocol))
    found = read_array_pickle(path)
    for expected, line in zip(CONTENT["lines"], found["lines"], strict=True):
        np.testing.assert_array_equal(line, expected)
        assert line.dtype == expected.dtype
    assert found["scalar"] == 2.5
    for name in ("kinds", "axes", "none"):
        for expected, line in zip(CONTENT[name], found[name], strict=True):
            np.testing.assert_array_equal(line, expected)
            assert line.dtype == expected.dtype
    assert type(found["lines"][0]) is np.ndarray
    found["lines"][0][0, 0] = 7.0  # its memory is its own
    assert found["text"] == CONTENT["text"]
    assert found["limit"] is None


def test_files_of_numpy_1_are_read(tmp_path):
    modern = pickle.dumps(CONTENT, protocol=2)
    old = modern.replace(b"numpy._core.", b"numpy.core.")
    assert old != modern
    path = tmp_path / "data.pickle"
    path.write_bytes(old)
    np.testing.assert_array_equal(read_array_pickle(path)["lines"][0], CONTENT["lines"][0])


class _Calls:
    """Pickles as a call of `function`: what an attacker writes."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch {}",)),
        (builtins.eval, ("open({!r}, 'w')",)),
        (builtins.exec, ("open({!r}, 'w')",)),
        (builtins.open, ("{}", "w")),
        (np.save, ("{}", 1)),
        (np.ones((2,)).__class__.tofile, ()),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_call_is_refused_and_not_made(tmp_path, function, arguments, protocol):
    mark = tmp_path / "mark"
    call = _Calls(function, *(a.format(str(mark)) if isinstance(a, str) else a for a in arguments))
    path = tmp_path / "evil.pickle"
    path.write_bytes(pickle.dumps({"plots": [call]}, protocol=protocol))
    with pytest.raises(ValueError, match=r"asks for [\w.]+, which is refused") as error:
        read_array_pickle(path)
    assert not mark.exists()
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_the_attack_would_have_worked(tmp_path):
    """Without the restriction the same file does harm: the test above tests something."""
    mark = tmp_path / "mark"
    attack = pickle.dumps(_Calls(builtins.open, str(mark), "w"))
    opcodes = [opcode.name for opcode, _, _ in pickletools.genops(attack)]
    assert "REDUCE" in opcodes
    pickle.Unpickler.load(pickle.Unpickler(__import__("io").BytesIO(attack))).close()
    assert mark.exists()


def _part(value):
    """What pushes a value, as a part of a pickle of protocol 2."""
    return pickle.dumps(value, 2)[2:-1]


def _written(folder, content):
    path = folder / "data.pickle"
    path.write_bytes(content)
    return path


MULTI = b"cnumpy._core.multiarray\n"
F8 = b"cnumpy\ndtype\n(" + _part("f8") + b"tR"
OBJECTS = F8.replace(_part("f8"), _part("O"))
SECRET = ["an object of this process"]
POINTER = struct.pack("<Q", id(SECRET))
EMPTY = MULTI + b"_reconstruct\n(cnumpy\nndarray\n" + _part((0,)) + _part("b") + b"tR"
FROM_BUFFER = b"cnumpy._core.numeric\n_frombuffer\n("


@pytest.mark.parametrize(
    "program",
    [
        b"cnumpy\nndarray\n(" + _part((1,)) + _part("O") + _part(POINTER) + b"tR",
        MULTI + b"scalar\n(" + OBJECTS + _part(POINTER) + b"tR",
        FROM_BUFFER + _part(POINTER) + OBJECTS + _part((1,)) + _part("C") + b"tR",
        EMPTY + b"(" + _part(1) + _part((1,)) + OBJECTS + _part(False) + _part(POINTER) + b"tb",
        EMPTY + b"(" + _part(1) + _part((1,)) + OBJECTS + _part(False) + _part(SECRET) + b"tb",
        # A plain type that a state turns into a composed one, with an object in it.
        FROM_BUFFER + _part(POINTER) + F8
        + b"(" + _part(3) + _part("|") + _part(("O", (1,))) + _part(None) * 2
        + _part(8) + _part(8) + _part(0) + b"tb" + _part((1,)) + _part("C") + b"tR",
    ],
    ids=["ndarray", "scalar", "buffer", "bytes as state", "list as state", "composed"],
)  # fmt: skip
def test_bytes_of_a_file_never_become_pointers(tmp_path, program):
    with pytest.raises(ValueError, match="refused") as error:
        read_array_pickle(_written(tmp_path, b"\x80\x02" + program + b"."))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, "a", None], dtype=object),
        np.array(["a", "bc"]),
        np.array([b"a"]),
        np.zeros(2, dtype=[("x", "f8"), ("y", "i4")]),
        np.zeros(2, dtype="V8"),
        np.zeros(2, dtype=[("x", "O")]),
        np.array(["2020-01-01"], dtype="M8[D]"),
    ],
    ids=lambda array: str(array.dtype),
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_only_arrays_of_numbers_are_read(tmp_path, array, protocol):
    with pytest.raises(ValueError, match="refused") as error:
        read_array_pickle(_written(tmp_path, pickle.dumps({"a": array}, protocol)))
    assert "\n" not in str(error.value)


HUGE = _part((10**6, 10**6))


@pytest.mark.parametrize(
    "program",
    [
        b"cnumpy\nndarray\n(" + HUGE + _part("f8") + b"tR",
        EMPTY.replace(_part((0,)), HUGE),
        EMPTY + b"(" + _part(1) + HUGE + F8 + _part(False) + _part(b"\0" * 8) + b"tb",
        FROM_BUFFER + _part(b"\0" * 8) + F8 + HUGE + _part("C") + b"tR",
        FROM_BUFFER + _part(b"\0" * 8) + F8 + _part((-1,)) + _part("C") + b"tR",
        b"Nr\xff\xff\xff\x7f",  # a memo of two thousand million entries
        b"\x96" + struct.pack("<Q", 2**36) + b"abc",  # a bytearray of 64 GiB
        b"\x8e" + struct.pack("<Q", 2**60) + b"abc",
    ],
)
def test_no_file_makes_the_reader_take_more_memory_than_its_own_size(tmp_path, program):
    path = _written(tmp_path, b"\x80\x05" + program + b".")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="not a pickle of plain arrays"):
            read_array_pickle(path)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


def test_a_file_changes_nothing_of_the_reader(tmp_path):
    """A state set on a name would stay for the files that are read later."""
    for name in (b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"c_codecs\nencode\n"):
        program = name + _part({"_call": 1}) + b"b"
        with pytest.raises(ValueError, match="asks for state where none belongs"):
            read_array_pickle(_written(tmp_path, b"\x80\x02" + program + b"."))
    path = _written(tmp_path, pickle.dumps(np.arange(3), 0))
    assert read_array_pickle(path).tolist() == [0, 1, 2]


def test_cut_short_or_changed_it_is_read_or_refused(tmp_path):
    whole = pickle.dumps(CONTENT, protocol=2)
    draw, read = random.Random(0), 0
    for number in range(400):
        content = bytearray(whole)
        if number % 4 == 0:
            content = content[: draw.randrange(len(whole))]
        else:
            content[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        with contextlib.suppress(ValueError):  # and no other
            read_array_pickle(_written(tmp_path, bytes(content)))
            read += 1
    assert 0 < read < 300  # a changed number is a number; what is cut short is not read


def test_shared_and_circular_values_are_read_once(tmp_path):
    row = [np.arange(2)]
    value = {"a": row, "b": row, "t": (row, (row,))}
    value["self"] = value
    for _ in range(60):
        row = [row, row]  # each half is the same: 2 to the 60 if it were copied
    value["deep"] = row
    found = read_array_pickle(_written(tmp_path, pickle.dumps(value)))
    assert found["a"] is found["b"] is found["t"][0] is found["t"][1][0]
    assert found["self"] is found
    assert found["deep"][0] is found["deep"][1]


@pytest.mark.parametrize(
    "content",
    [
        b"cnumpy\nndarray.tofile\n.",
        b"cnumpy._core.multiarray\nfromfile\n.",
        b"cnumpy.testing\nrunstring\n.",
        b"c_codecs\ndecode\n.",
        b"c_codecs\nencode\n(Vabc\nVzlib_codec\ntR.",
        b"Pidentity\n.",
        b"",
        b"not a pickle",
        pickle.dumps(CONTENT)[:-20],
        b"cnumpy._core.multiarray\n_reconstruct\n(I1\ntR.",
        b"cnumpy\nndarray\n.",
        EMPTY + b".",
        b"(" * 3 + b".",
        b"]" * 5000 + b"a" * 4999 + b".",
    ],
)
def test_anything_else_is_one_clear_line(tmp_path, content):
    path = tmp_path / "data.pickle"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a pickle of plain arrays: .+; fetch") as error:
        read_array_pickle(path)
    assert "\n" not in str(error.value)

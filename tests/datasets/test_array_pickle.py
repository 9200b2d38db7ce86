import builtins
import os
import pickle
import pickletools

import numpy as np
import pytest

from jaxcost.datasets.array_pickle import read_array_pickle

CONTENT = {
    "lines": [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.ones((2, 2), dtype=np.float32))],
    "text": [(0.5, 1, "label")],
    "limit": None,
    "scalar": np.float64(2.5),
    "words": np.array(["a", "bc"]),
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
    assert found["words"].tolist() == ["a", "bc"]
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
    ],
)
def test_anything_else_is_one_clear_line(tmp_path, content):
    path = tmp_path / "data.pickle"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a pickle of plain arrays: .+; fetch") as error:
        read_array_pickle(path)
    assert "\n" not in str(error.value)

import subprocess
import sys

import jax
import pytest

from jaxcost.measure.designs import SWEEPS, check_sweep, sweep_layers
from jaxcost.measure.designs.other_sweeps import OTHER_SWEEPS
from jaxcost.measure.designs.paper_sweeps import PAPER_SWEEPS, paper_sweep
from jaxcost.measure.designs.presets import PRESETS

HEAD = "op,batch,in_h,in_w,c_in,c_out,k_h,k_w,stride,padding,groups,dtype\n"
CONV = "conv2d,1,8,8,4,4,3,3,1,same,1,float32\n"
SUM = "reduction,2,8,8,4,1,1,1,1,same,1,bfloat16\n"


@pytest.fixture
def table(tmp_path):
    """Writes a table and gives its path as text."""

    def write(text):
        path = tmp_path / "mine.csv"
        path.write_text(text)
        return str(path)

    return write


def test_every_sweep_is_in_the_catalogue_with_a_line():
    assert set(SWEEPS) == {*PAPER_SWEEPS, *OTHER_SWEEPS, *PRESETS, "space_filling"}
    assert all(words and "\n" not in words and len(words) < 90 for words in SWEEPS.values())


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_has_layers_each_once_in_float32(name):
    check_sweep(name, ())
    layers = sweep_layers(name, "cpu", ())
    assert len(set(layers)) == len(layers) >= 30
    assert {layer.dtype for layer in layers} == {"float32"}


def test_the_papers_sweeps_are_whole():
    for name in PAPER_SWEEPS:
        assert sweep_layers(name, "cpu", ()) == paper_sweep(name)


def test_several_dtypes_are_every_layer_in_each():
    layers = sweep_layers("depthwise", "gpu", ["float16", "bfloat16", "float16"])
    half = len(layers) // 2
    assert [x.dtype for x in layers] == ["float16"] * half + ["bfloat16"] * half
    assert half == len(sweep_layers("depthwise", "gpu", ()))


def test_the_memory_bounds_what_fills_the_space():
    small, large = (sweep_layers("space_filling", "gpu", (), m) for m in (1e8, 1e10))
    assert max(x.operand_bytes for x in small) < max(x.operand_bytes for x in large)


def test_a_file_is_read_with_its_own_dtypes_and_each_layer_once(table):
    path = table(HEAD + CONV + SUM + CONV)
    layers = sweep_layers(path, "cpu", ())
    assert [(x.op, x.dtype, x.sweep) for x in layers] == [
        ("conv2d", "float32", "mine"),
        ("reduction", "bfloat16", "mine"),
    ]
    assert {x.dtype for x in sweep_layers(path, "cpu", ["float16"])} == {"float16"}


def test_a_files_labels_are_kept(table):
    text = HEAD.replace("\n", ",sweep,line,colour\n") + CONV.replace("\n", ",a,3,red\n")
    (layer,) = sweep_layers(table(text), "cpu", ())
    assert (layer.sweep, layer.line) == ("a", 3)


REFUSED = {
    "column": (HEAD.replace("c_in", "cin") + CONV, "line 1: column 'c_in' is missing; rename"),
    "no rows": (HEAD, "has no rows"),
    "size": (HEAD + CONV + CONV.replace("4,4", "0,4"), "line 3: c_in = 0 is not allowed"),
    "kernel": (
        HEAD + CONV.replace("3,3,1,same", "9,3,1,valid"),
        "line 2: k_h = 9 is not allowed; give a kernel that",
    ),
    "groups": (HEAD + CONV.replace("same,1", "same,3"), "line 2: groups = 3 is not allowed"),
    "op": (HEAD + "\n" + CONV.replace("conv2d", "conv3d"), "line 3: op 'conv3d' is not known"),
    "dtype": (HEAD + CONV.replace("float32", "float23"), "line 2: dtype 'float23' is not known"),
    "not timed": (HEAD + CONV.replace("float32", "int8"), "line 2: dtype 'int8' is not known"),
    "dense on pixels": (
        HEAD + "dense,1,8,1,4,4,1,1,1,same,1,float32\n",
        "line 2: in_h = 8 is not allowed; give 1 for a dense layer",
    ),
    "reduction": (
        HEAD + SUM.replace("4,1,1", "4,3,1"),
        "line 2: c_out = 3 is not allowed; give 1 to sum over the channels",
    ),
    "line": (
        HEAD.replace("\n", ",line\n") + CONV.replace("\n", ",red\n"),
        "line 2: line = 'red' is not allowed",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_with_a_fault_is_refused_with_its_line(table, case):
    text, message = REFUSED[case]
    path = table(text)
    with pytest.raises(ValueError) as refusal:
        check_sweep(path, ())
    assert message in str(refusal.value)
    assert str(refusal.value).startswith(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("sweep", "dtypes", "message"),
    [
        ("transfomer", (), "sweep 'transfomer' is not known; did you mean 'transformer'?"),
        ("zzz", (), "or give a table of layers that ends in .csv"),
        ("none.csv", (), "none.csv cannot be read (No such file or directory)"),
        ("quick", ("float31",), "dtype 'float31' is not known; did you mean 'float32'?"),
        ("quick", ("int8",), "dtype 'int8' is not known"),
    ],
)
def test_what_is_not_known_is_refused_in_one_line(sweep, dtypes, message):
    for refuse in (check_sweep, lambda name, types: sweep_layers(name, "cpu", types)):
        with pytest.raises(ValueError) as refusal:
            refuse(sweep, dtypes)
        assert message in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_float64_is_only_for_who_has_enabled_it(table):
    path = table(HEAD + CONV.replace("float32", "float64"))
    with jax.enable_x64(False):
        for sweep, dtypes in (("quick", ["float64"]), (path, ())):
            with pytest.raises(ValueError, match="dtype = 'float64' is not allowed.*X64=1"):
                check_sweep(sweep, dtypes)
        check_sweep(path, ["float32"])
    with jax.enable_x64(True):
        assert {x.dtype for x in sweep_layers("quick", "cpu", ["float64"])} == {"float64"}


def test_checking_wakes_no_device(table):
    path = table(HEAD + CONV)
    script = (
        "from jaxcost.measure.designs import check_sweep, sweep_layers\n"
        f"for name in ({path!r}, 'standard', 'space_filling', 'memory_bound'):\n"
        "    check_sweep(name, ['float32']); sweep_layers(name, 'gpu', [])\n"
        "from jax.extend.backend import get_backend\n"
        "from jax._src import xla_bridge\n"
        "print(xla_bridge.backends_are_initialized())\n"
    )
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert told.stdout.strip() == b"False"

"""The table of layers: what is read, and what is refused, with its line."""

import cProfile

import numpy as np
import pandas as pd
import pytest

from jaxcost.workload.columns import Columns
from jaxcost.workload.layer_table import ITEM_BYTES, read_layer_table, validate_layers

HEAD = "op,batch,in_h,in_w,c_in,c_out,k_h,k_w,stride,padding,groups,dtype,time_s\n"
GOOD = "conv2d,1,10,10,8,8,3,3,1,same,1,float32,0.001\n"
DENSE = "dense,1,1,1,8,8,1,1,1,same,1,float32,0.001\n"


@pytest.fixture
def table(tmp_path):
    """Writes a table and gives its path."""

    def write(content):
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def swapped(old, new, line=GOOD):
    assert old in line
    return HEAD + GOOD * 20 + line.replace(old, new)


def test_the_published_table_is_read_whole(shared):
    path = shared / "datasets" / "alpha_flops_t2000.csv"
    frame = read_layer_table(path, target="time_s")
    plain = pd.read_csv(path)
    assert list(frame.columns) == list(plain.columns)
    for column in plain:
        assert (frame[column].astype(plain[column].dtype) == plain[column]).all(), column


def test_columns_rows_and_further_columns_keep_their_order(table):
    path = table("note,time_s," + HEAD.replace(",time_s", "") + "007,1e-3," + GOOD[:-7] + "\n")
    frame = read_layer_table(path, target="time_s")
    assert list(frame.columns[:3]) == ["note", "time_s", "op"]
    assert frame["note"].tolist() == ["007"]
    assert frame["time_s"].tolist() == [0.001]
    assert frame["c_in"].dtype == np.int64


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\N{ZERO WIDTH NO-BREAK SPACE}"])
def test_spreadsheets_files_are_read(table, ending, mark):
    text = mark + HEAD.replace(",", ", ") + GOOD * 2 + "\n" + DENSE
    frame = read_layer_table(table(text.replace("\n", ending)), target="time_s")
    assert frame["op"].tolist() == ["conv2d", "conv2d", "dense"]


def test_quotes_are_read(table):
    text = HEAD.replace("\n", ',"note, long"\n') + GOOD.replace("\n", ',"a ""b"", c"\n')
    assert read_layer_table(table(text))["note, long"].tolist() == ['a "b", c']


def test_measured_columns_are_only_looked_at_when_asked_for(table):
    path = table(HEAD + GOOD.replace("0.001", ""))
    assert read_layer_table(path)["time_s"].tolist() == [""]
    with pytest.raises(ValueError, match="line 2: time_s is empty; give a finite number"):
        read_layer_table(path, target="time_s")


REFUSED = {
    "empty": ("", "table.csv is empty; give a CSV file"),
    "blank": (" \n\n", "table.csv is empty"),
    "only a mark": (b"\xef\xbb\xbf", "table.csv is empty"),
    "header only": (HEAD, "table.csv has no rows; give at least one layer"),
    "binary": (b"\x00\x01\x02" * 50, "table.csv is not text in UTF-8"),
    "no encoding": (HEAD.encode() + b"\x81\xfe", "table.csv is not text in UTF-8"),
    "missing": (HEAD.replace(",time_s", "") + GOOD[:-7], "line 1: column 'time_s' is missing"),
    "misspelt": (HEAD.replace("c_in", "cin") + GOOD, "'c_in' is missing; rename 'cin' to it"),
    "optional misspelt": (
        HEAD.replace("\n", ",dilaton\n") + GOOD.replace("\n", ",2\n"),
        "line 1: column 'dilaton' is not known; rename it to 'dilation'",
    ),
    "twice": (HEAD.replace("c_in", "c_out") + GOOD, "line 1: column 'c_out' occurs twice"),
    "short row": (HEAD + GOOD * 20 + "conv2d,1,2\n", "line 22: 3 values but the header has 13"),
    "long row": (HEAD + GOOD[:-1] + ",1\n" + GOOD, "line 2: 14 values but the header has 13"),
    "open quote": (HEAD + GOOD + '"conv2d,1\n', "line 3: not CSV"),
    "text": (swapped("10,10", "ten,10"), "line 22: in_h = 'ten' is not allowed"),
    "zero": (
        swapped("8,8", "0,8"),
        "line 22: c_in = 0 is not allowed; give a whole number of at least 1",
    ),
    "negative": (swapped("8,8", "8,-8"), "line 22: c_out = -8 is not allowed"),
    "fraction": (swapped("3,3", "3,2.5"), "line 22: k_w = 2.5 is not allowed"),
    "no number": (swapped("8,8", "nan,8"), "line 22: c_in = nan is not allowed"),
    "infinite": (swapped("8,8", "inf,8"), "line 22: c_in = inf is not allowed"),
    "huge": (swapped("8,8", "1e300,8"), "c_in = 1e+300 is not allowed; give a whole number below"),
    "empty cell": (swapped("8,8", ",8"), "line 22: c_in is empty; give a whole number"),
    "blank lines": (HEAD + "\n\n" + swapped("8,8", "0,8")[len(HEAD) :], "line 24: c_in = 0"),
    "time nan": (swapped("0.001", "nan"), "line 22: time_s = nan is not allowed"),
    "time zero": (swapped("0.001", "0"), "time_s = 0 is not allowed; give a finite number greater"),
    "time negative": (swapped("0.001", "-0.001"), "line 22: time_s = -0.001 is not allowed"),
    "time infinite": (swapped("0.001", "inf"), "line 22: time_s = inf is not allowed"),
    "groups": (
        swapped("same,1", "same,3"),
        "line 22: groups = 3 is not allowed; give a number that divides c_in = 8",
    ),
    "groups out": (swapped("8,8,3,3,1,same,1", "9,8,3,3,1,same,3"), "divides c_out = 8"),
    "op": (swapped("conv2d", "convv"), "op 'convv' is not known; did you mean 'conv2d'"),
    "dtype": (swapped("float32", "float33"), "dtype 'float33' is not known; did you mean"),
    "padding": (swapped("same", "full"), "padding 'full' is not known; choose one of: same, valid"),
    "kernel": (
        swapped("3,3,1,same", "3,11,1,valid"),
        "line 22: k_w = 11 is not allowed; give a kernel that (dilated) spans at most in_w = 10",
    ),
    "dense kernel": (swapped("1,1,1,same", "3,1,1,same", DENSE), "k_h = 3 is not allowed; give 1"),
    "elementwise": (
        swapped("conv2d", "elementwise"),
        "line 22: k_h = 3 is not allowed; give 1, or an operation for which it has a meaning",
    ),
    "elementwise channels": (
        swapped("conv2d,1,10,10,8,8,3,3", "elementwise,1,10,10,8,9,1,1"),
        "line 22: c_out = 9 is not allowed; give the same as c_in (elementwise)",
    ),
    "reduction": (
        swapped("conv2d,1,10,10,8,8,3,3", "reduction,1,10,10,8,2,1,1"),
        "line 22: c_out = 2 is not allowed; give 1 to sum over the channels",
    ),
    "pooling": (swapped("conv2d,1,10,10,8,8,3,3", "pooling,1,10,10,8,8,1,1"), "k_h = 1 is not"),
    "gather": (swapped("conv2d", "gather"), "line 22: in_h = 10 is not allowed; give 1"),
    "dense stride": (swapped("1,same", "2,same", DENSE), "stride = 2 is not allowed; give 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_table_of_layers_is_refused_in_one_line(table, case):
    content, message = REFUSED[case]
    path = table(content)
    with pytest.raises(ValueError) as caught:
        read_layer_table(path, target=None if case == "optional misspelt" else "time_s")
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_dilated_kernel_must_fit(table):
    text = HEAD.replace("\n", ",dilation\n") + GOOD.replace("same", "valid").replace("\n", ",5\n")
    with pytest.raises(ValueError, match="line 2: k_h = 3 is not allowed"):
        read_layer_table(table(text))
    assert read_layer_table(table(text.replace("valid", "same")))["dilation"].tolist() == [5]


def test_operations_that_are_no_product_are_read(table):
    lines = [
        "elementwise,2,8,8,4,4,1,1,1,same,1,float32,1",
        "reduction,2,8,8,4,1,1,1,1,same,1,float32,1",
        "reduction,2,8,8,4,4,1,1,1,same,1,float32,1",
        "normalisation,2,8,8,4,4,1,1,1,same,1,float32,1",
        "pooling,2,8,8,4,4,3,3,2,same,1,float32,1",
        "gather,20,1,1,100,4,1,1,1,same,1,float32,1",
        "",
    ]
    frame = read_layer_table(table(HEAD + GOOD + "\n".join(lines)), target="time_s")
    assert frame["op"].nunique() == 6
    with pytest.raises(
        ValueError,
        match="choose one of: conv2d, dense, conv2d_input_gradient, ",
    ):
        read_layer_table(table(HEAD + GOOD.replace("conv2d", "xyz")))


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        read_layer_table(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="cannot be read"):
        read_layer_table(tmp_path)


def test_an_unknown_target_is_refused(table):
    with pytest.raises(ValueError, match="target 'time' is not known; did you mean 'time_s'"):
        read_layer_table(table(HEAD + GOOD), target="time")


def in_memory():
    row = dict(zip(HEAD.strip().split(","), GOOD.strip().split(",")))
    frame = pd.DataFrame([row] * 3)
    numeric = [c for c in frame if c not in ("op", "padding", "dtype")]
    return frame.astype(dict.fromkeys(numeric, float))


def test_a_frame_is_validated_without_being_changed():
    frame = in_memory()
    before = frame.copy()
    valid = validate_layers(frame, target="time_s")
    pd.testing.assert_frame_equal(frame, before)
    assert valid["c_in"].dtype == np.int64
    pd.testing.assert_frame_equal(validate_layers(valid, target="time_s"), valid)


@pytest.mark.parametrize("value", [0.0, np.nan, None, "eight"])
def test_a_bad_row_of_a_frame_is_named_by_its_index(value):
    frame = in_memory().astype({"c_in": object}).set_axis(["a", "b", "c"])
    frame.loc["b", "c_in"] = value
    with pytest.raises(ValueError, match="measured, row b: c_in = .* is not allowed; give a whole"):
        validate_layers(frame, source="measured")


def test_item_bytes_are_those_of_the_arrays():
    import jax.numpy as jnp

    for name, size in ITEM_BYTES.items():
        assert jnp.dtype(name).itemsize == size


def test_a_million_rows_are_not_validated_one_by_one():
    def calls(rows: int) -> int:
        frame = in_memory().iloc[np.arange(rows) % 3].reset_index(drop=True)
        profile = cProfile.Profile()
        assert len(profile.runcall(validate_layers, frame, target="time_s")) == rows
        return sum(entry.callcount for entry in profile.getstats())

    assert calls(1_000_000) < 2 * calls(1_000)


def test_several_faults_are_told_at_once_each_with_its_line(table):
    rows = [
        GOOD,
        GOOD.replace("8,8", "0,8"),
        GOOD.replace("0.001", "fast"),
        GOOD.replace("float32", "float33"),
        GOOD.replace("8,8", "0,8"),
    ]
    with pytest.raises(ValueError) as caught:
        read_layer_table(table(HEAD + "".join(rows)), target="time_s")
    line = str(caught.value)
    assert "\n" not in line
    assert line.count("t.csv") + line.count("table.csv") == 1
    assert "line 3: c_in = 0 is not allowed" in line
    assert "(1 more rows alike)" in line
    assert "line 4: time_s = 'fast' is not allowed" in line
    assert "line 5: dtype 'float33' is not known" in line


def test_all_columns_that_are_missing_are_named(table):
    head = HEAD.replace("op,", "").replace(",dtype", "")
    with pytest.raises(ValueError) as caught:
        read_layer_table(table(head + "1,10,10,8,8,3,3,1,same,1,0.001\n"))
    assert "line 1: column 'op' is missing" in str(caught.value)
    assert "and line 1: column 'dtype' is missing" in str(caught.value)


def test_beyond_a_few_faults_are_counted(table):
    bad = "conv2d,0,0,0,0,0,0,0,0,same,0,float32,0\n"
    with pytest.raises(ValueError, match="; and 6 more$"):
        read_layer_table(table(HEAD + bad), target="time_s")


def test_a_cell_that_is_no_word_is_refused():
    frame = in_memory().astype({"op": object})
    frame["op"] = [["conv2d"], "conv2d", "dense"]
    with pytest.raises(ValueError, match="measured: column 'op': .*'list'; give words such as"):
        validate_layers(frame, source="measured")


def test_several_columns_that_are_missing_are_one_fault_beside_an_operation_unknown(table):
    with pytest.raises(ValueError) as caught:
        read_layer_table(table("op,batch,c_in,c_out\nlinear,1,8,8\n"))
    line = str(caught.value)
    assert "line 1: columns in_h, in_w, k_h, k_w, stride, padding, groups are missing" in line
    assert "line 1: column 'dtype' is missing; add it, or say what all rows are in (--dtype" in line
    assert "line 2: op 'linear' is not known; choose one of: conv2d, dense" in line


def test_dense_layers_alone_need_no_columns_of_convolutions(table):
    short = read_layer_table(table("op,batch,c_in,c_out,dtype\ndense,4,8,16,float32\n"))
    row = "dense,4,1,1,8,16,1,1,1,valid,1,float32\n"
    whole = read_layer_table(table(HEAD.replace(",time_s", "") + row))
    assert short[list(whole.columns)].equals(whole)


@pytest.mark.parametrize(
    ("head", "row", "words"),
    [
        ("op,batch,c_in,c_out,dtype,group", "dense,4,8,16,float32,2", "rename 'group' to it"),
        ("op,batch,c_in,c_out,dtype", "conv2d,4,8,16,float32", "in_h, in_w, k_h, k_w, stride"),
    ],
)
def test_what_may_be_meant_or_is_needed_is_not_left_out(table, head, row, words):
    with pytest.raises(ValueError) as caught:
        read_layer_table(table(f"{head}\n{row}\n"))
    assert words in str(caught.value)


@pytest.mark.parametrize("there", ["", ",DType"])
def test_the_precision_of_all_rows_can_be_said_where_no_column_says_it(table, there):
    cell = ",float32" if there else ""
    path = table(f"op,batch,c_in,c_out{there}\ndense,4,8,16{cell}\n")
    read = read_layer_table(path, columns=Columns(dtype="bfloat16"))
    assert list(read["dtype"]) == ["float32" if there else "bfloat16"]


def test_a_column_is_taken_for_the_missing_one_that_it_is_most_like(table):
    with pytest.raises(ValueError) as caught:
        read_layer_table(table("Layer,N,Cin,Cout,dtype\ndense,1,8,8,float32\n"))
    faults = str(caught.value).split("; and ")
    several = "columns op, batch, in_h, in_w, k_h, k_w, stride, padding, groups are missing; "
    assert faults[0].endswith(several + "add them, or --rename others to them")
    assert [fault.partition(": ")[2] for fault in faults[1:]] == [
        "column 'c_in' is missing; rename 'Cin' to it",
        "column 'c_out' is missing; rename 'Cout' to it",
    ]

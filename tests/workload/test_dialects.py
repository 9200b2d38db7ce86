"""Tables as spreadsheets and instruments write them are read right, or refused by their cause."""

import gzip

import pandas as pd
import pytest

from jaxcost.workload.layer_table import read_layer_table
from jaxcost.workload.run_table import is_run_table, read_run_table

HEAD = "op,batch,in_h,in_w,c_in,c_out,k_h,k_w,stride,padding,groups,dtype,time_s,note"
ROWS = [
    f"conv2d,1,{28 + n},28,{16 * (n + 1)},1024,3,3,1,same,1,float32,{0.0012 + n * 1e-4:.4f},a{n}"
    for n in range(4)
]
TEXT = "\n".join([HEAD, *ROWS]) + "\n"
GERMAN = TEXT.replace(",", ";").replace("0.00", "0,00")


@pytest.fixture
def read(tmp_path):
    def _read(content):
        path = tmp_path / "t.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_layer_table(path, target="time_s")

    return _read


READ = {
    "semicolons and decimal commas": GERMAN,
    "semicolons and decimal points": TEXT.replace(",", ";"),
    "tabs": TEXT.replace(",", "\t"),
    "tabs and decimal commas": TEXT.replace(",", "\t").replace("0.00", "0,00"),
    "an empty cell between tabs": TEXT.replace(",", "\t")
    .replace("note", "n\tnote")
    .replace("\ta", "\t\ta"),
    "exponents": GERMAN.replace("0,0012", "1,2e-3"),
    "separator named": "sep=,\n" + TEXT,
    "another separator named": "SEP=;\r\n" + GERMAN.replace("\n", "\r\n"),
    "one nobody guesses": "sep=|\n" + TEXT.replace(",", "|"),
    "comments and blank lines first": "# a phone, 30 °C; idle\n\n  # twice\n" + TEXT,
    "little-endian UTF-16": TEXT.encode("utf-16"),
    "big-endian UTF-16": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "gzip": gzip.compress(TEXT.encode()),
    "gzip of UTF-16 with tabs": gzip.compress(TEXT.replace(",", "\t").encode("utf-16")),
    "Windows-1252": TEXT.replace("a1", "5 µs").encode("cp1252"),
    "blanks around": "\n".join(line.replace(",", " , ") for line in TEXT.splitlines()),
    "no-break spaces around": TEXT.replace("float32,", "float32\N{NO-BREAK SPACE},"),
    "empty lines of commas": TEXT + "," * 13 + "\n" + "," * 20 + "\n  \n\n",
    "commas behind each row": TEXT.replace("\n", ",,,\n"),
    "capitals": TEXT.replace("op,batch", "Op,BATCH").replace("dtype,time_s", "DType,Time_S"),
    "names of frameworks": TEXT.replace("conv2d", "Conv2D").replace("same", "SAME"),
    "short names of types": TEXT.replace("float32", "FP32"),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_written_otherwise_is_read_the_same(read, name):
    expected = read(TEXT)
    pd.testing.assert_frame_equal(read(READ[name])[expected.columns[:-1]], expected.iloc[:, :-1])


REFUSED = {
    "header again": (TEXT + TEXT, "line 6: the header again; give one table"),
    "thousands in quotes": (
        TEXT.replace(",1024,", ',"1,024",'),
        "line 2: c_out = '1,024'.*nothing",
    ),
    "thousands between tabs": (TEXT.replace(",", "\t").replace("1024", "1,024"), "nothing between"),
    "thousands that a comma would make 1": (GERMAN.replace("1024", "1,000"), "c_out = '1,000'"),
    "points for thousands": (GERMAN.replace("1024", "1.024"), "c_out = 1.024 is not allowed"),
    "both": (GERMAN.replace("0,0012", "1.200,5"), "time_s = '1.200,5'.*nothing between"),
    "apostrophes": (TEXT.replace("1024", "1'024"), """c_out = "1'024".*nothing between"""),
    "no-break spaces": (TEXT.replace("1024", "1\N{NO-BREAK SPACE}024"), "nothing between its dig"),
    "underscores": (TEXT.replace("1024", "1_024"), "c_out = '1_024' is not allowed.*nothing"),
    "another script": (TEXT.replace("1024", "١٠٢٤"), "c_out = '١٠٢٤' is not"),
    "a unit": (TEXT.replace("0.0012", "1.2 ms"), "time_s = '1.2 ms' is not allowed.*its unit"),
    "damaged gzip": (gzip.compress(TEXT.encode())[:-20], "damaged gzip.*give a whole file"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), "is not text in UTF-8, UTF-16 with a mark"),
    "only comments": ("# nothing\n# else\n", "has no header"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_mean_two_things_is_refused_by_its_cause(read, name):
    content, words = REFUSED[name]
    with pytest.raises(ValueError, match=words) as error:
        read(content)
    assert "\n" not in str(error.value)


def test_errors_name_the_line_of_the_file(read):
    with pytest.raises(ValueError, match="line 7: stride = 0"):
        read(
            "sep=,\n# note\n\n"
            + TEXT.replace("3,3,1,same,1,float32,0.0014", "3,3,0,same,1,float32,1")
        )


def test_a_column_of_other_text_stays_as_it_is(read):
    assert read(GERMAN.replace("a1", "1,5"))["note"].tolist() == ["a0", "1,5", "a2", "a3"]


def test_training_runs_are_read_as_layers_are(tmp_path):
    head = "Device;n_observations;n_features;n_labels;batch_size;Widths;energy_per_epoch_j\n"
    (tmp_path / "r.csv").write_text(head + "a;1000;4;1;256;4 8 1;12,5\nb;1000;4;1;256;4 9 1;13\n")
    runs = read_run_table(tmp_path / "r.csv", target=True)
    assert runs["energy_per_epoch_j"].tolist() == [12.5, 13.0]
    assert runs["device"].tolist() == ["a", "b"]
    assert is_run_table(runs)

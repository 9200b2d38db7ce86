import hashlib
import os
import pickle

import numpy as np
import pandas as pd
import pytest

from jaxcost.papers.alpha_flops import data
from jaxcost.papers.alpha_flops.data import alpha_flops

PLOTS = {
    "plots": [
        {
            "name": "conv_K_vs_S",
            "no_lines": 2,
            "axis": 4,
            "x_axis_name": "K",
            "ylim": None,
            "text": [(1.0, 2.0, "label")],
            "hardware": {"GPU": "Quadro T2000"},
            "lines": [
                np.array([[300, 200, 50, 60, 1, 1, 0.25], [150, 100, 50, 60, 2, 3, 0.5]]),
                [(1, 1, 10, 20, 1, 1, 0.125)],
            ],
        },
        {"name": "increasing_batch", "lines": [np.array([[32, 1, 640, 320, 1, 1, 4.0]])]},
    ]
}


def _saved(folder, content=PLOTS, name="data.pickle"):
    path = folder / name
    path.write_bytes(pickle.dumps(content))
    return path


def test_the_authors_layout_becomes_a_table_of_layers(tmp_path):
    found = alpha_flops(_saved(tmp_path))
    expected = pd.DataFrame(
        {
            "sweep": ["conv_K_vs_S"] * 3 + ["increasing_batch"],
            "line": [0, 0, 1, 0],
            "op": ["conv2d", "conv2d", "dense", "dense"],
            "batch": [1, 1, 1, 32],
            "in_h": [300, 150, 1, 1],
            "in_w": [200, 100, 1, 1],
            "c_in": [50, 50, 10, 640],
            "c_out": [60, 60, 20, 320],
            "k_h": [1, 2, 1, 1],
            "k_w": [1, 3, 1, 1],
            "stride": 1,
            "padding": "same",
            "groups": 1,
            "dtype": "float32",
            "time_s": [0.25e-3, 0.5e-3, 0.125e-3, 4e-3],
        }
    )
    pd.testing.assert_frame_equal(found, expected)


def test_a_table_and_a_pickle_of_the_same_layers_agree(tmp_path, shared):
    """The converted table, put back into the authors' layout, must come out as it was."""
    table = alpha_flops(shared / "datasets")
    assert len(table) == 439
    plots = []
    for name, sweep in table.groupby("sweep", sort=False):
        lines = []
        for _, line in sweep.groupby("line"):
            height = line.in_h * line.batch
            columns = [height, line.in_w, line.c_in, line.c_out, line.k_h, line.k_w]
            lines.append(np.stack([*columns, line.time_s * 1e3], axis=1).astype(float))
        plots.append({"name": name, "lines": lines})
    again = alpha_flops(_saved(tmp_path, {"plots": plots}))
    pd.testing.assert_frame_equal(again, table[again.columns], check_exact=False, rtol=1e-12)


def test_the_pickle_comes_before_a_table_in_a_folder(tmp_path, shared):
    source = shared / "datasets" / "alpha_flops_t2000.csv"
    (tmp_path / source.name).write_bytes(source.read_bytes())
    assert len(alpha_flops(tmp_path)) == 439
    _saved(tmp_path)
    assert len(alpha_flops(tmp_path)) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "not the authors' layout"),
        ({"data": []}, "not the authors' layout"),
        ({"plots": [{"lines": [[]]}]}, "not the authors' layout"),
        ({"plots": [{"name": "x", "lines": ["abc"]}]}, "not the authors' layout"),
        ({"plots": []}, "no lines"),
        ({"plots": [{"name": "x", "lines": [np.ones((2, 6))]}]}, r"plot 'x', line 0: .*\(2, 6\)"),
        ({"plots": [{"name": "x", "lines": [np.full((1, 7), 1.5)]}]}, "size = 1.5"),
        ({"plots": [{"name": "x", "lines": [np.zeros((1, 7))]}]}, "size = 0"),
        ({"plots": [{"name": "x", "lines": [[[1, 1, 1, 1, 1, 1, -2]]]}]}, "time_ms = -2"),
        ({"plots": [{"name": "x", "lines": [[[1, 1, 1, 1, 1, 1, np.nan]]]}]}, "time_ms = nan"),
    ],
)
def test_another_layout_is_one_clear_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as error:
        alpha_flops(_saved(tmp_path, content))
    assert "\n" not in str(error.value)


def test_a_pickle_that_calls_something_is_refused(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "mark"),)

    with pytest.raises(ValueError, match=r"posix\.mkdir, which is refused|nt\.mkdir"):
        alpha_flops(_saved(tmp_path, {"plots": [Attack()]}))
    assert not (tmp_path / "mark").exists()


def test_a_wrong_digest_is_refused(tmp_path):
    path = _saved(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(alpha_flops(path, sha256=digest)) == 4
    with pytest.raises(ValueError, match=f"SHA-256 is {digest}"):
        alpha_flops(path, sha256="f" * 64)


@pytest.mark.parametrize("column", ["sweep", "line"])
def test_a_table_without_sweeps_is_refused(tmp_path, shared, column):
    table = pd.read_csv(shared / "datasets" / "alpha_flops_t2000.csv", dtype=str)
    table.drop(columns=column).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ValueError, match=f"no column '{column}'"):
        alpha_flops(tmp_path / "t.csv")
    table.assign(line="first").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ValueError, match="line = 'first'"):
        alpha_flops(tmp_path / "t.csv")


def test_no_copy_and_not_asked_to_download_says_how(cache):
    with pytest.raises(ValueError, match=r"no copy .* pass download=True, or fetch https://") as e:
        alpha_flops()
    assert str(cache) in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("name", ["absent", "empty", "crowded"])
def test_a_folder_or_path_without_data_says_how(tmp_path, name):
    folder = tmp_path / name
    if name != "absent":
        folder.mkdir()
    if name == "crowded":
        (folder / "alpha_flops_a.csv").write_text("")
        (folder / "alpha_flops_b.csv").write_text("")
    with pytest.raises(ValueError, match=r"source: .*fetch https://"):
        alpha_flops(folder)


def test_a_download_is_kept_and_then_read_without_network(tmp_path, monkeypatch, cache):
    path = _saved(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(data, "URL", path.as_uri())
    assert len(alpha_flops(download=True, sha256=digest)) == 4
    path.unlink()
    assert len(alpha_flops()) == 4
    assert len(alpha_flops(download=True)) == 4
    assert sorted(p.name for p in cache.rglob("*") if p.is_file()) == [
        *("data.pickle", "data.pickle.sha256"),
    ]


def test_a_failed_download_says_how_to_get_the_file(monkeypatch, cache):
    monkeypatch.setattr(data, "URL", "http://127.0.0.1:9/data.pickle")
    with pytest.raises(ConnectionError, match="fetch it by hand"):
        alpha_flops(download=True)
    assert not cache.exists()


def test_the_address_names_a_commit():
    assert len(data.URL.split("/")[-2]) == 40
    assert data.URL.startswith("https://")

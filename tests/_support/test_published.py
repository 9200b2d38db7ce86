import re

import numpy as np
import pytest

from jaxcost._support.published import _data_directory, published


@pytest.fixture(scope="module")
def paper(shared):
    """The lines of the α-FLOPs paper's text, the first file of the shared papers."""
    return next(shared.glob("papers/000_*.txt")).read_text().splitlines()


def _numbers(text):
    return [float(number) for number in re.findall(r"\d+\.?\d*", text)]


def _table(paper, heading):
    start = next(i for i, line in enumerate(paper) if line.startswith(heading))
    rows = []
    for line in paper[start + 1 :]:
        if not line.startswith("("):
            return rows
        rows.append(_numbers(line))
    raise AssertionError(f"{heading!r} has no end")


def test_table_1a_is_the_papers(paper):
    table = published("alpha_flops_table_1a")
    convolutions = table[table.op == "conv2d"]
    columns = ["in_w", "in_h", "c_in", "c_out", "k_w", "k_h", "time_s"]
    printed = np.array(_table(paper, "$(W, H, C_{in}"))
    printed[:, -1] /= 1e3
    np.testing.assert_allclose(convolutions[columns].to_numpy(float), printed, rtol=1e-12)
    (dense,) = _table(paper, "(D_1, D_2)")
    assert table[table.op == "dense"][["c_in", "c_out"]].to_numpy().tolist() == [dense[:2]]
    assert table.time_s[0] == pytest.approx(dense[2] / 1e3, rel=1e-12)


def test_table_3a_is_the_papers(paper):
    printed = np.array(_table(paper, "config."))
    table = published("alpha_flops_table_3a")
    np.testing.assert_allclose(table.config.astype(float), printed[:, 0])
    milliseconds = table[["time_s", "predicted_time_s"]].to_numpy() * 1e3
    np.testing.assert_allclose(milliseconds, printed[:, 1:], rtol=1e-12)


def test_parameters_are_the_papers(paper):
    sentence = next(line for line in paper if "obtained good predictions" in line)
    printed = [float(x) for x in re.findall(r"\\(?:beta|gamma)_K = (\d*\.\d+)", sentence)]
    table = published("alpha_flops_parameters").set_index("parameter")["value"]
    assert table[["beta_1", "gamma_1", "beta_k", "gamma_k"]].tolist() == printed


def test_figure_2_is_the_papers(paper):
    sentence = next(line for line in paper if "identified by different colors" in line)
    printed = {colour: float(n) for n, colour in re.findall(r"(\d+)×10\^6 \((\w+) line", sentence)}
    printed |= {c: float(n) for n, c in re.findall(r"(\d+) ×10\^6 \((\w+) line", sentence)}
    table = published("alpha_flops_figure_2")
    assert dict(zip(table.colour, table.flops / 1e6)) == printed


def test_every_layer_of_table_1a_has_the_flops_of_its_heading():
    table = published("alpha_flops_table_1a")
    area = table.in_h * table.in_w * table.k_h * table.k_w
    assert (2 * area * table.c_in * table.c_out == 327_680_000).all()


def test_every_table_has_its_provenance():
    readme = (_data_directory() / "README.md").read_text()
    names = {path.name for path in _data_directory().glob("*.csv")}
    assert names
    assert {name for name in names if f"`{name}`" not in readme} == set()


def test_labels_stay_text():
    assert published("alpha_flops_table_1a").config.tolist() == ["dense", "1", "2", "3", "4"]


def test_an_unknown_table_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="'alpha_flops_table_1b' is not known; did you mean") as e:
        published("alpha_flops_table_1b")
    assert "\n" not in str(e.value)

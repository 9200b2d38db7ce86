import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from jaxcost._support.published import published
from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.papers import PAPERS
from jaxcost.papers.alpha_flops import figures, rows, tables
from jaxcost.papers.alpha_flops.data import alpha_flops

# Computed from equation 5 by hand, and as printed in table 3a; milliseconds.
PRINTED_PARAMETERS = [6.144, 3.155, 1.650, 0.512]
PRINTED_PREDICTIONS = [6.154, 3.351, 1.847, 0.611]
SWEEPS = {
    "conv_fixed_progressive": "figure_1b_3b",
    "conv_K_vs_S": "figure_2b_4",
    "increasing_W": "figure_5a",
    "increasing_Cout": "figure_5b",
    "increasing_Cout_with_K1": "figure_6a",
    "increasing_Cin_100-1000": "figure_6b",
    "increasing_batch": "figure_7",
}


@pytest.fixture(scope="module")
def without_data(tmp_path_factory):
    out = tmp_path_factory.mktemp("tables")
    return PAPERS["alpha-flops"](None, out), out


@pytest.fixture(scope="module")
def with_data(tmp_path_factory, shared):
    out = tmp_path_factory.mktemp("all")
    return PAPERS["alpha-flops"](shared / "datasets", out), out


def _values(summary, start, quantity="time_s"):
    found = [r for r in summary if r["source"].startswith(start) and r["quantity"] == quantity]
    return [row["reproduced"] for row in found]


def _summary(out):
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def _table_3a(summary, reading):
    return [_values(summary, f"Table 3a ({i}), {reading} parameters")[0] for i in range(1, 5)]


def test_printed_parameters_give_what_equation_5_gives(without_data):
    found = np.array(_table_3a(_summary(without_data[1]), "printed")) * 1e3
    np.testing.assert_allclose(found, PRINTED_PARAMETERS, atol=0.0005)


def test_implied_parameters_give_the_printed_predictions_to_every_digit(without_data):
    found = np.array(_table_3a(_summary(without_data[1]), "implied")) * 1e3
    np.testing.assert_allclose(found, PRINTED_PREDICTIONS, atol=0.0005)


def test_implied_parameters_are_those_found_before():
    model = tables.implied_model()
    assert float(model.beta_1) == pytest.approx(0.0141, abs=0.0002)
    assert float(model.gamma_1) == pytest.approx(0.895, abs=0.001)


def test_the_preset_has_the_parameters_as_transcribed():
    model = AlphaFlops.quadro_t2000()
    for row in published("alpha_flops_parameters").itertuples():
        assert float(getattr(model, row.parameter)) == pytest.approx(row.value, rel=1e-6)


def test_the_contradiction_is_said(without_data):
    notes = [row.note for row in without_data[0].rows if "printed parameters" in row.source]
    assert len(notes) == 4
    assert all("contradicts itself" in note for note in notes)


def test_table_1a_has_the_flops_of_its_heading(without_data):
    summary = _summary(without_data[1])
    assert _values(summary, "Table 1a", "flops") == [327.68e6] * 5
    assert _values(summary, "Section 4, dense layer", "parameters") == [163_852_800]
    assert _values(summary, "Section 4", "speedup") == [pytest.approx(6.401 / 0.454)]


def test_without_data_what_is_missing_is_said(without_data):
    reproduction, out = without_data
    assert {path.name for path in out.glob("*.png")} == {"table_3a.png", "alpha_curves.png"}
    missing = [row for row in reproduction.rows if row.quantity == "figure"]
    assert len(missing) == len(SWEEPS) + 2
    assert len(reproduction.missing) == len(missing)
    assert "Figure 7: needs the measurements; none given" in reproduction.missing
    assert all(row.published is None and row.reproduced is None for row in missing)


def test_every_sweep_has_its_figure(with_data):
    reproduction, out = with_data
    drawn = {path.stem for path in out.glob("*.png")}
    others = {"table_3a", "alpha_curves", "predicted_against_measured", "errors_by_sweep"}
    assert drawn == set(SWEEPS.values()) | others
    assert [line.split(":")[0] for line in reproduction.missing] == [
        *("Figures 2a and 4", "Figures 2c and 2d"),
    ]


def test_figures_are_not_empty(with_data):
    for path in with_data[1].glob("*.png"):
        ink = (imread(path)[..., :3] < 0.99).any(axis=-1).mean()
        assert 0.02 < ink < 0.6, path.name


def test_a_figure_shows_every_line_measured_and_predicted(shared):
    layers = tables.with_predictions(alpha_flops(shared / "datasets"), AlphaFlops.quadro_t2000())
    ax = figures.sweeps(layers)["figure_5a"].axes[0]
    part = layers[layers.sweep == "increasing_W"]
    assert len(ax.get_lines()) == 2 * part.line.nunique()
    first = part[part.line == 0]
    np.testing.assert_array_equal(ax.get_lines()[0].get_xdata(), first.in_h)
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), first.time_s * 1e3)
    np.testing.assert_allclose(ax.get_lines()[1].get_ydata(), first.predicted_time_s * 1e3)


def test_lines_are_named_by_what_tells_them_apart(shared):
    layers = tables.with_predictions(alpha_flops(shared / "datasets"), AlphaFlops.quadro_t2000())
    drawn = figures.sweeps(layers)
    names = {
        file: [text.get_text() for text in figure.axes[0].get_legend().get_texts()][:-2]
        for file, figure in drawn.items()
    }
    inputs = [f"$C_{{in}}$ = {channels}" for channels in (50, 100, 150)]
    assert names == {
        "figure_1b_3b": [
            *("dense, C → C", "2×1, C → C/2", "2×2, C → C/4", "2×2, C → C", "4×4, C → C"),
        ],
        "figure_2b_4": [f"{mflop} MFLOP" for mflop in (450, 882, 1800, 4050)],
        "figure_5a": inputs,
        "figure_5b": inputs,
        "figure_6a": ["H = 100", "H = 200", "H = 300"],
        "figure_6b": ["K = 1", "K = 3", "K = 5"],
        "figure_7": [f"{width} × {width}" for width in (6400, 9050, 11085, 12800)],
    }


def test_files_are_those_listed(with_data):
    reproduction, out = with_data
    assert sorted(reproduction.files) == sorted(out.iterdir())
    predictions = pd.read_csv(out / "predictions.csv")
    assert len(predictions) == 439
    assert {"sweep", "line", "time_s", "predicted_time_s", "relative_error"} <= {*predictions}
    assert pd.read_csv(out / "errors_by_sweep.csv").layers.sum() == 439


def test_errors_are_near_those_known_of_all_rows(with_data):
    """All 721 rows: 21.6 %, 12.7 %, 41.6 % and 0.975; 439 of them must come near."""
    summary = _summary(with_data[1])
    source = "Data set, printed parameters"
    (mean,) = _values(summary, source, "mean_absolute_relative_error")
    (median,) = _values(summary, source, "median_absolute_relative_error")
    (share,) = _values(summary, source, "share_within_10_percent")
    (r_squared,) = _values(summary, source, "r_squared")
    assert mean == pytest.approx(0.216, abs=0.03)
    assert median == pytest.approx(0.127, abs=0.02)
    assert share == pytest.approx(0.416, abs=0.08)
    assert r_squared == pytest.approx(0.975, abs=0.02)


def test_predictions_are_those_of_the_authors_script(shared):
    """Their `mypredict`: multiply-adds in millions, times 0.0375 ms, times the factor of eq. 5."""
    layers = alpha_flops(shared / "datasets")
    area = (layers.batch * layers.in_h * layers.in_w).to_numpy(float)
    kernel = (layers.k_h * layers.k_w).to_numpy(float)
    beta, gamma = np.where(kernel == 1, [[0.02], [0.99]], [[0.001], [0.56]])
    first = 1 + np.log(kernel)
    million = area * kernel * layers.c_in * layers.c_out / 1e6
    expected = 0.0375e-3 * million * ((first + beta * (area - first)) / area) ** gamma
    found = tables.predict(AlphaFlops.quadro_t2000(), layers)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_table_1a_is_found_again_in_the_data(with_data):
    summary = _summary(with_data[1])
    found = [r for r in summary if r["source"].endswith("data set") and "1a" in r["source"]]
    assert len(found) == 5
    assert all(abs(row["relative_error"]) < 0.002 for row in found)


def test_the_flops_of_figure_2_are_multiply_adds(with_data):
    found = [r for r in with_data[0].rows if r.source.startswith("Figure 2b,")]
    assert [row.reproduced / row.published for row in found] == [
        *(pytest.approx(ratio, rel=1e-6) for ratio in (2, 1.8, 2, 2)),
    ]
    assert "slip" in found[1].note


def test_the_factor_of_equation_5_falls_from_1():
    model = AlphaFlops.quadro_t2000()
    for kernel in (1, 3):
        factor = tables.alpha(model, [1 + np.log(kernel**2), 10, 100, 1e4], kernel)
        assert factor[0] == pytest.approx(1, rel=1e-5)
        assert (np.diff(factor) < 0).all()
        assert factor[-1] > 0


def _layers(**columns):
    same = {"op": "conv2d", "batch": 1, "c_in": 8, "c_out": 8, "k_h": 1, "k_w": 1, "stride": 1}
    same |= {"in_h": 10, "in_w": 10, "padding": "same", "groups": 1, "dtype": "float32"}
    return pd.DataFrame({**same, "line": 0, "time_s": [0.1, 0.1, 0.1], **columns})


def test_a_sweep_of_another_name_is_drawn_along_what_varies():
    layers = _layers(sweep="mine/new", c_out=[8, 16, 32])
    spec = figures.figure_of("mine/new", layers)
    assert (spec.x, spec.file) == ("c_out", "sweep_mine_new")
    drawn = figures.sweeps(tables.with_predictions(layers, AlphaFlops.quadro_t2000()))
    assert drawn["sweep_mine_new"].axes[0].get_xlabel() == "output channels"


def test_figure_2a_is_known_by_what_varies():
    layers = _layers(sweep="K_vs_C", c_in=[9, 6, 3], c_out=[9, 6, 3], k_h=[1, 2, 3])
    assert figures.figure_of("K_vs_C", layers) == figures.FIGURE_2A
    assert figures.FIGURE_2A.file == "figure_2a_4"


def test_r_squared_of_equal_times_is_none():
    layers = _layers().assign(predicted_time_s=[0.1, 0.2, 0.1])
    found = tables.errors(layers)
    assert found["r_squared"] is None
    assert found["mean_absolute_relative_error"] == pytest.approx(1 / 3)
    assert found["share_within_10_percent"] == pytest.approx(2 / 3)
    assert rows.errors(layers.assign(sweep="x"))[3].reproduced is None


def test_data_that_are_not_there_leave_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="no file or folder"):
        PAPERS["alpha-flops"](tmp_path / "absent", tmp_path / "out")
    assert not (tmp_path / "out").exists()

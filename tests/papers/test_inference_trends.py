"""The thesis reproduced: joules, speed-ups, appendix, correlations, fronts and figures."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from jaxcost.papers import PAPERS
from jaxcost.papers.inference_trends import analyses
from jaxcost.papers.inference_trends.analyses import Scaling

FIGURES = {f"figure_4_{i}.png" for i in range(1, 9)} | {f"figure_5_{i}.png" for i in range(1, 9)}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trends")
    PAPERS["inference-trends"](None, folder)
    return folder


@pytest.fixture(scope="module")
def summary(out):
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def _rows(summary, *starts):
    return [row for row in summary if row["source"].startswith(starts)]


def test_joules_of_tables_5_2_and_5_3_but_one_are_within_two_percent(summary):
    joules = _rows(summary, "Table 5.2", "Table 5.3")
    assert {row["quantity"] for row in joules} == {"energy_j"}
    off = [row for row in joules if abs(row["relative_error"]) > 0.02]
    assert (len(joules), [row["source"] for row in off]) == (15, ["Table 5.2, MobileNetV2 1.4"])


def test_the_one_is_explained_by_the_network_whose_joules_it_has(summary):
    (slip,) = _rows(summary, "Table 5.2, MobileNetV2 1.4")
    assert slip["reproduced"] == pytest.approx(0.019, abs=0.0002)
    assert "0.0097 J, which prints as 0.010" in slip["note"]
    smaller = float(analyses.energy("cnn", [0.60e9], ["2018-01-13"])[0])
    assert f"{smaller:.3f}" == "0.010"


def test_speed_ups_of_table_5_1_are_within_half_a_percent(summary):
    found = _rows(summary, "Table 5.1")
    assert len(found) == 8
    assert all(abs(row["relative_error"]) < 0.005 for row in found)


def test_the_appendix_is_within_a_thousandth_once_its_slip_is_undone(summary):
    found = {row["source"]: row["relative_error"] for row in _rows(summary, "Equation A.")}
    printed = found.pop("Equation A.12, ViT-G/14")
    assert len(found) == 6
    assert all(abs(error) < 0.001 for error in found.values())
    assert printed == pytest.approx(-0.0125, abs=0.0002)


def test_the_sum_of_equation_4_1_is_far_from_what_is_printed(summary):
    (found,) = _rows(summary, "Equation 4.1 as printed")
    assert found["reproduced"] < 0.2 * found["published"]


def test_correlations_are_those_printed_to_every_digit(summary):
    found = {row["source"]: row for row in _rows(summary, "Figure 4.1")}
    assert round(found["Figure 4.1, CNNs"]["reproduced"], 3) == 0.772
    assert round(found["Figure 4.1, Transformers"]["reproduced"], 3) == 0.995


def test_slopes_are_there_with_their_intervals(summary):
    slopes = {
        row["source"].split(", ")[1]: row
        for row in _rows(summary, "Figure 5.2", "Table B.3, FP32")
        if row["quantity"] == "slope_decades_per_year"
    }
    expected = {"CNN line": 0.1140, "NLP line": 0.1228, "FP32 line": 0.1043}
    for name, slope in expected.items():
        assert slopes[name]["reproduced"] == pytest.approx(slope, rel=0.005)
        assert slopes[name]["note"].startswith("90 % interval 0.")


def test_other_tables_are_as_printed(summary):
    found = _rows(summary, "Table 3.1", "Table 4.1", "Table B.1", "Table B.2", "Table B.3, eff")
    assert len(found) == 6 + 14 + 3
    assert all(row["relative_error"] == 0 for row in found)


def test_contradictions_are_listed(out):
    listed = pd.read_csv(out / "contradictions.csv")
    sources = set(listed.source)
    assert {"Table 5.2, MobileNetV2 1.4", "Equation A.12, ViT-G/14"} < sources
    assert "Table B.1, Tesla K20x fp32" in sources
    assert (listed.note == "last digits").sum() == 11


def test_every_figure_is_drawn_for_the_width_of_a_page(out):
    drawn = {path.name: imread(path) for path in out.glob("*.png")}
    assert set(drawn) == FIGURES
    for name, pixels in drawn.items():
        assert pixels.shape[:2] == (720, 1080), name
        assert 0.003 < (pixels[..., :3].min(axis=2) < 0.6).mean() < 0.3, name


def test_tables_of_networks_have_their_joules(out):
    vision = pd.read_csv(out / "table_a_3.csv")
    assert len(vision) == 94
    assert vision.energy_j.between(1e-3, 100).all()
    assert vision[vision.best].groupby(vision.year.astype(int)).size().tolist() == [1] * 10
    best = vision[vision.best].set_index(vision.year.astype(int)[vision.best]).model
    assert (best[2012], best[2020]) == ("AlexNet", "Meta Pseudo Labels L2")


def test_records_of_language_networks_grow(out):
    language = pd.read_csv(out / "table_a_4.csv")
    records = language[language.best]
    assert records.model.tolist() == [
        *("Transformer", "BERT Large", "GPT-2", "Megatron", "Microsoft T-NLG", "GPT-3"),
    ]
    assert (np.diff(records.flops) > 0).all()


def test_a_front_is_what_no_other_beats_by_brute_force():
    draw = np.random.default_rng(0)
    cost, score = draw.integers(0, 12, (2, 60)).astype(float)
    found = analyses.pareto(cost, score)
    for i in range(60):
        beaten = any(
            cost[j] <= cost[i]
            and score[j] >= score[i]
            and (cost[j], score[j]) != (cost[i], score[i])
            for j in range(60)
        )
        assert found[i] == (not beaten)


def test_growth_of_a_doubling_is_a_doubling():
    year = np.arange(2012, 2020)
    line = analyses.growth(year, 2.0 ** (year - 2012))
    assert line.doubling_years == pytest.approx(1)
    assert line.at(2013) == pytest.approx(2)
    assert line.upper - line.lower < 1e-6


def test_nine_in_ten_intervals_hold_the_truth():
    draw = np.random.default_rng(1)
    year = np.linspace(2012, 2021, 12)
    lines = [
        analyses.growth(year, 10 ** (0.1 * year - 200 + draw.normal(0, 1, 12))) for _ in range(300)
    ]
    inside = [line.lower < 0.1 < line.upper for line in lines]
    assert 0.85 < np.mean(inside) < 0.95


def test_scaling_is_a_product():
    for depth, width, resolution in itertools.product((1, 2), (1, 3), (1, 0.5)):
        found = float(Scaling(depth, width, resolution).flops(7.0))
        assert found == pytest.approx(7 * depth * width**2 * resolution**2)


def test_it_takes_no_data(tmp_path):
    with pytest.raises(ValueError, match="needs no data; leave out --data and --download"):
        PAPERS["inference-trends"](tmp_path, tmp_path / "o")
    assert not (tmp_path / "o").exists()

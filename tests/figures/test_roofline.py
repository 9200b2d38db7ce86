import io

import numpy as np
import pytest
from matplotlib.image import imread

from jaxcost import figures

POINTS = [
    figures.RoofPoint("small", "reduction", 0.5, 1e11, 0.1),
    figures.RoofPoint("large", "dense", 400.0, 5e14, 0.6),
    figures.RoofPoint("middle", "dense", 50.0, 1e14, 0.29),
    figures.RoofPoint("tiny", "dense", 60.0, 1e13, 0.01),
]
PEAKS, SLOPES = {"peak": 1e15}, {"memory": 2e12, "nearly": 2.2e12, "cache": 1e13}


def drawn(points=POINTS, **given):
    return figures.roofline(points, peaks=PEAKS, bandwidths=SLOPES, **given)


def notes(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_roof_is_the_peak_and_slopes_that_can_be_told_apart():
    figure = drawn()
    peak, *slopes = figure.axes[0].get_lines()
    assert set(peak.get_ydata()) == {1e15}
    for line, bandwidth in zip(slopes, (2e12, 1e13), strict=True):
        x, y = np.array(line.get_xdata()), np.array(line.get_ydata())
        np.testing.assert_allclose(y, x * bandwidth)
        assert y.max() == pytest.approx(1e15)
    assert peak.get_xdata()[0] == pytest.approx(1e15 / 1e13)
    words = notes(figure)
    assert "1.00 PFLOP/s, peak" in words
    assert "2.00 TB/s, memory" in words
    assert "10.0 TB/s, cache" in words
    assert not any("nearly" in text for text in words)


def test_areas_are_shares_of_the_time_and_colours_kinds():
    ax = drawn().axes[0]
    sizes = {c.get_label(): list(c.get_sizes()) for c in ax.collections}
    assert list(sizes) == ["reduction", "dense"]
    assert sizes["dense"][1] / sizes["dense"][0] == pytest.approx(0.29 / 0.6)
    assert sizes["dense"][2] == 12  # the least that can be seen
    colours = [tuple(c.get_facecolor()[0]) for c in ax.collections]
    assert colours[0] != colours[1]


def test_what_takes_longest_has_a_number_and_its_name_in_the_key():
    figure = drawn()
    kinds, key = figure.legends
    assert [text.get_text() for text in key.get_texts()] == [
        "large, 60 %", "middle, 29 %", "small, 10 %",
    ]  # fmt: skip
    assert kinds.get_title().get_text() == "area: share of the time"
    assert {"1", "2", "3"} <= set(notes(figure))
    assert "4" not in notes(figure)


def test_long_names_lose_their_middle():
    point = figures.RoofPoint("a" * 30 + "b" * 30, "dense", 1.0, 1e11, 1.0)
    (words,) = [t.get_text() for t in drawn([point]).legends[1].get_texts()]
    assert words.startswith("a" * 10)
    assert "…" in words
    assert words.endswith("bbbb, 100 %")
    assert len(words) < 45


def test_axes_are_logarithmic_and_say_what_they_are():
    ax = drawn(rate="attainable rate", title="T").axes[0]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == "arithmetic intensity (FLOP/B)"
    assert ax.get_ylabel() == "attainable rate (FLOP/s)"
    assert ax.yaxis.get_major_formatter()(1e13) == "10 T"
    for point in POINTS:
        assert ax.get_xlim()[0] < point.intensity < ax.get_xlim()[1]
        assert ax.get_ylim()[0] < point.flops_per_s < ax.get_ylim()[1]


def test_it_is_a_picture_without_a_bandwidth_too():
    figure = figures.roofline(POINTS, peaks=PEAKS, bandwidths={})
    assert imread(io.BytesIO(figures.png(figure))).shape[2] == 4
    assert len(figure.axes[0].get_lines()) == 1


def test_no_points_are_refused():
    with pytest.raises(ValueError, match="at least one layer to draw"):
        drawn([])

import io

import numpy as np
import pytest
from matplotlib.image import imread

from jaxcost import figures

X, Y = np.array([2012.4, 2015.0, 2020.6]), np.array([1.0, 20.0, 300000.0])


def _draw(**kwargs):
    curve = figures.Curve("line", X, 2 * Y, "--", lower=Y, upper=3 * Y)
    groups = [figures.Points("a", X, Y), figures.Points("b", X, 3 * Y)]
    return figures.scatter(
        groups, [curve], x="year", y="energy (J)", title="T", log_y=True, **kwargs
    )


def _texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_groups_and_lines_are_named_below_the_plot():
    figure = _draw()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "line"]
    ax = figure.axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("year", "energy (J)")
    np.testing.assert_allclose(ax.collections[0].get_offsets(), np.c_[X, Y])
    assert ax.get_lines()[0].get_linestyle() == "--"


def test_years_are_whole_and_large_numbers_in_full():
    figure = _draw()
    figure.draw_without_rendering()
    years = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert "2016" in years
    assert all(year.isdecimal() for year in years)
    assert "100,000" in [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_levels_and_points_are_named():
    figure = _draw(levels={"a person": 1e4}, names=[figures.Name("here", 2015.0, 20.0, above=True)])
    assert _texts(figure) == ["a person", "here"]
    assert figure.axes[0].get_lines()[1].get_ydata() == [1e4, 1e4]


def test_bubbles_grow_with_their_size_and_the_legend_s_do_not():
    groups = [figures.Points("a", X, Y, Y), figures.Points("b", X, Y, 10 * Y)]
    figure = figures.scatter(groups, x="x", y="y", size_label="GFLOPs (log)")
    small, large = (part.get_sizes() for part in figure.axes[0].collections)
    assert (np.diff(small) > 0).all()
    assert (large > small).all()
    (legend,) = figure.legends
    assert legend.get_title().get_text() == "area: GFLOPs (log)"
    assert len({float(h.get_sizes()[0]) for h in legend.legend_handles}) == 1


def test_bubbles_of_one_size_are_drawn():
    figure = figures.scatter([figures.Points("a", [1.0], [1.0], [5.0])], x="x", y="y")
    assert figure.axes[0].collections[0].get_sizes() > 0


def test_no_groups_are_refused():
    with pytest.raises(ValueError, match="groups"):
        figures.scatter([], x="x", y="y")


def test_it_is_a_png_with_ink():
    pixels = imread(io.BytesIO(figures.png(_draw())))
    assert pixels.shape[:2] == (720, 1080)
    assert (pixels[..., :3].min(axis=2) < 0.5).mean() > 0.005

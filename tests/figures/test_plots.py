import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from jaxcost import figures

X = np.array([30.0, 10.0, 20.0])
MEASURED = np.array([3e-3, 1e-3, 2e-3])


def _sweep(**kwargs):
    lines = [
        figures.Line("A", X, MEASURED, 2 * MEASURED),
        figures.Line("B", X, 3 * MEASURED, None),
    ]
    return figures.sweep(lines, x="channels", title="T", **kwargs).axes[0]


def _legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def _pixels(figure):
    return imread(io.BytesIO(figures.png(figure)))


def test_measured_is_solid_with_markers_and_predicted_dashed_in_the_same_colour():
    measured, predicted, _ = _sweep().get_lines()
    assert (measured.get_linestyle(), predicted.get_linestyle()) == ("-", "--")
    assert (measured.get_marker(), predicted.get_marker()) == ("o", "None")
    assert measured.get_color() == predicted.get_color()


def test_lines_run_along_x_in_milliseconds():
    measured, predicted, other = _sweep().get_lines()
    np.testing.assert_array_equal(measured.get_xdata(), [10, 20, 30])
    np.testing.assert_allclose(measured.get_ydata(), [1, 2, 3])
    np.testing.assert_allclose(predicted.get_ydata(), [2, 4, 6])
    np.testing.assert_allclose(other.get_ydata(), [3, 6, 9])


def test_axes_and_legend_say_what_is_drawn():
    ax = _sweep()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("channels", "time (ms)")
    assert ax.get_title(loc="left") == "T"
    assert _legend(ax) == ["A", "B", "measured", "predicted"]
    assert ax.get_ylim()[0] == 0


def test_energy_is_drawn_in_its_own_unit():
    ax = figures.sweep(
        [figures.Line("A", X, 1e6 * MEASURED)], x="x", quantity="energy", unit="J"
    ).axes[0]
    assert ax.get_ylabel() == "energy (kJ)"
    assert _legend(ax) == ["A"]


def test_logarithmic_axes_have_plain_numbers():
    ax = _sweep(log_x=True, log_y=True)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.yaxis.get_major_formatter()(0.1) == "0.1"
    assert ax.yaxis.get_minor_formatter()(0.2) == "0.2"
    assert ax.yaxis.get_minor_formatter()(0.3) == ""


def test_no_lines_are_refused():
    with pytest.raises(ValueError, match="at least one line"):
        figures.sweep([], x="x")


@pytest.mark.parametrize(
    ("measured", "predicted", "name"),
    [([], [], "measured"), ([1.0], [0.0], "predicted"), ([np.nan], [1.0], "measured")],
)
def test_points_that_cannot_be_drawn_are_refused(measured, predicted, name):
    with pytest.raises(ValueError, match=f"{name} = .* is not allowed; give one or more"):
        figures.predicted_against_measured(measured, predicted)


def test_an_interval_is_shaded():
    line = figures.Line("A", X, None, MEASURED, lower=0.5 * MEASURED, upper=2 * MEASURED)
    (shade,) = figures.sweep([line], x="x").axes[0].collections
    heights = shade.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (pytest.approx(0.5), pytest.approx(6))


def test_colours_and_markers_differ():
    lines = [figures.Line(str(i), X, MEASURED) for i in range(len(figures.PALETTE))]
    drawn = figures.sweep(lines, x="x").axes[0].get_lines()
    assert len({line.get_color() for line in drawn}) == len(lines)
    assert len({line.get_marker() for line in drawn}) == len(lines)


@pytest.mark.parametrize(
    ("unit", "values", "expected"),
    [
        ("s", [0.5e-3, 2e-3], (1e3, "ms")),
        ("s", [3e-6], (1e6, "µs")),
        ("s", [2e-9], (1e6, "µs")),
        ("J", [4.0, np.nan], (1.0, "J")),
        ("J", [2e7, np.inf], (1e-6, "MJ")),
        ("", [0.5], (1.0, "")),
    ],
)
def test_prefixes_suit_the_largest_value(unit, values, expected):
    factor, shown = figures.prefixed(unit, values, None)
    assert factor == pytest.approx(expected[0])
    assert shown == expected[1]


def test_predicted_against_measured_counts_the_points_in_the_band():
    measured = np.array([1e-3, 2e-3, 4e-3, 8e-3])
    predicted = measured * [1.0, 1.05, 0.85, 1.3]
    groups = ["a", "b", "a", "b"]
    figure = figures.predicted_against_measured(measured, predicted, groups=groups)
    (ax,) = figure.axes
    first, second, diagonal = ax.get_lines()
    np.testing.assert_allclose(first.get_xdata(), [1, 4])
    np.testing.assert_allclose(second.get_ydata(), [2.1, 10.4])
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert _legend(ax) == ["a", "b", "±10 %: 50.0 % of 4"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("measured time (ms)", "predicted time (ms)")


def test_the_band_is_as_wide_as_asked():
    figure = figures.predicted_against_measured([1.0, 2.0], [1.2, 2.0], band=0.25, unit="J")
    (band,) = figure.axes[0].collections
    path = band.get_paths()[0].vertices
    ratio = path[:, 1] / path[:, 0]
    assert (ratio.min(), ratio.max()) == (pytest.approx(0.75), pytest.approx(1.25))


def test_bars_are_as_long_as_their_values_and_say_so():
    values = {"mean": {"x": 1.0, "y": 2.0}, "median": {"x": 3.0, "y": 4.0}}
    (ax,) = figures.bars(values, x="error (%)").axes
    assert [bar.get_width() for bar in ax.patches] == [1.0, 2.0, 3.0, 4.0]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["x", "y"]
    assert {text.get_text() for text in ax.texts} == {"1.0", "2.0", "3.0", "4.0"}
    assert _legend(ax) == ["mean", "median"]


def test_files_are_pictures_with_something_on_them(tmp_path):
    figure = figures.bars({"mean": {"x": 1.0, "y": 2.0}}, x="error (%)")
    path = figures.save(figure, tmp_path / "sub" / "bars.png")
    assert path.read_bytes() == figures.png(figure)
    pixels = _pixels(figure)
    assert pixels.shape[0] > 200
    assert pixels.shape[1] == 960
    ink = (pixels[..., :3] < 0.99).any(axis=-1).mean()
    assert 0.02 < ink < 0.6


def test_nothing_is_cut_off_at_the_edges():
    names = ["a name that is rather long for a tick label", "b"]
    drawn = [
        figures.bars({"s": dict.fromkeys(names, 1.0)}, x="error (%)", title="T"),
        figures.predicted_against_measured([1.0, 2.0], [1.0, 2.0], groups=names, title="T"),
        figures.sweep([figures.Line("A", X, MEASURED, MEASURED)], x="x", title="T"),
    ]
    for figure in drawn:
        pixels = _pixels(figure)[..., :3]
        frame = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
        assert all((side == 1).all() for side in frame)


def test_the_style_of_others_is_left_alone():
    before = dict(mpl.rcParams)
    _sweep()
    assert dict(mpl.rcParams) == before

"""The efficiency lines, against least squares of another library and the thesis's joules."""

import numpy as np
import pytest
from scipy.stats import linregress, t

from jaxcost._support.dates import fractional_years
from jaxcost._support.published import published
from jaxcost.calibrate.trends import LINES, efficiency_line

# From an analysis of table B.3 by another program: decades a year.
SLOPES = {"cnn": 0.1140, "nlp": 0.1228, "fp32": 0.1043}


def _regression(name):
    table = published("inference_trends_table_b_3")
    gpus = table[table.adapted_for.isin(LINES[name])]
    years = fractional_years(gpus.launch_date.to_numpy()) - 2015
    return linregress(years, np.log10(gpus.efficiency_flop_per_j)), len(gpus)


def _estimates(name):
    return {e.name: e for e in efficiency_line(name).result.estimates}


@pytest.mark.parametrize("name", LINES)
def test_slopes_are_those_known_within_half_a_percent(name):
    slope = _estimates(name)["growth"].value
    assert slope == pytest.approx(SLOPES[name], rel=0.005)
    assert slope == pytest.approx(_regression(name)[0].slope, rel=0.002)


@pytest.mark.parametrize("name", LINES)
def test_level_and_intervals_are_those_of_linear_regression(name):
    found, (line, rows) = _estimates(name), _regression(name)
    level, slope = found["efficiency_2015"], found["growth"]
    assert level.value == pytest.approx(10**line.intercept, rel=0.005)
    reach = t.ppf(0.95, rows - 2) * line.stderr
    # The fit's interval is of the slope's logarithm, and so a little to the right.
    assert slope.lower == pytest.approx(line.slope - reach, abs=0.25 * reach)
    assert slope.upper == pytest.approx(line.slope + reach, abs=0.25 * reach)
    assert slope.determined
    assert level.determined


def test_its_intervals_hold_about_nine_gpus_in_ten():
    line = efficiency_line("cnn")
    table = published("inference_trends_table_b_3")
    gpus = table[table.adapted_for.isin(LINES["cnn"])]
    joules = [line.energy(1e9, date) for date in gpus.launch_date]
    observed = 1e9 / gpus.efficiency_flop_per_j.to_numpy()
    inside = [low <= seen <= high for seen, (_, low, high) in zip(observed, joules)]
    assert 0.85 <= np.mean(inside) < 1


def test_a_date_outside_the_data_is_refused_with_how_far():
    line = efficiency_line("cnn")
    late = "2025-09-01 is 5.0 years after the last GPU of the cnn line (2010-11-09 to 2020-09-01)"
    with pytest.raises(ValueError) as caught:
        line.energy(1e9, "2025-09-01")
    assert late in str(caught.value)
    assert "allow it with --extrapolate" in str(caught.value)
    assert line.energy(1e9, "2025-09-01", extrapolate=True)[0] > 0
    with pytest.raises(ValueError, match="1.9 years before the first GPU"):
        line.energy(1e9, "2009-01-01")
    assert line.beyond("2015-05-05") == 0


def test_the_model_has_the_precision_that_jax_has(precision):
    assert efficiency_line("cnn").model.growth.dtype == precision


def test_an_unknown_line_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="'cn' is not known; did you mean 'cnn'"):
        efficiency_line("cn")

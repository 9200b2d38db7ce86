import datetime

import numpy as np
import pytest

from jaxcost._support.dates import fractional_year, fractional_years


def test_a_year_runs_from_its_first_day_to_the_next():
    assert fractional_year("2019-01-01") == 2019
    assert fractional_year(datetime.date(2019, 12, 31)) == pytest.approx(2020 - 1 / 365)
    assert fractional_year("2020-12-31") == pytest.approx(2021 - 1 / 366)
    np.testing.assert_allclose(
        fractional_years(["2019-07-02", "2020-07-01"]), [2019.4986, 2020.4973], atol=1e-4
    )


@pytest.mark.parametrize("text", ["28/05/2019", "2019-13-01", "soon", ""])
def test_other_forms_are_refused_with_an_example(text):
    with pytest.raises(ValueError, match="2019-05-28") as caught:
        fractional_year(text)
    assert "\n" not in str(caught.value)

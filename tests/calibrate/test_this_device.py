"""What the calls of Python refuse before anything is measured, as the commands do."""

import pytest

import jaxcost as jc
from jaxcost.measure import run as measure_run


def test_without_a_store_nothing_can_be_gone_on_with():
    with pytest.raises(ValueError, match="resume = True needs store"):
        jc.calibrate(resume=True)


@pytest.mark.parametrize("call", [jc.calibrate, measure_run.planned_preset])
def test_an_unknown_preset_is_refused_before_anything_is_measured(call):
    with pytest.raises(ValueError, match="preset 'quik' is not known; did you mean 'quick'"):
        call("quik")


def test_an_unknown_sweep_is_refused_before_anything_is_measured(tmp_path):
    with pytest.raises(ValueError, match="sweep"):
        jc.measure("no-such-sweep", tmp_path / "m.db")
    assert list(tmp_path.iterdir()) == []

import numpy as np
import pandas as pd
import pytest

from jaxcost.app.report import Study
from jaxcost.app.report.curves import curves
from jaxcost.calibrate import load_calibration
from jaxcost.measure import PAPER_SWEEPS, LayerSpec, paper_sweep, preset

# What grows in each, as the paper's figures have it along x.
AXES = {
    "conv_K_vs_C": "kernel size K",
    "conv_K_vs_S": "kernel size K",
    "increasing_W": "height (pixels)",
    "increasing_Cout": "output channels",
    "increasing_Cout_with_K1": "output channels",
    "increasing_Cin_100-1000": "input channels",
    "increasing_batch": "batch size",
    "conv_fixed_progressive": "input channels",
}


def _study(layers, held_out=None, target="time_s"):
    frame = pd.DataFrame([layer.row() for layer in layers]).assign(**{target: 1e-3})
    calibration = load_calibration("quadro-t2000")
    calibration.models[target] = calibration.models["time_s"]
    return Study.of(calibration, target, frame, held_out=held_out)


@pytest.mark.parametrize("sweep", PAPER_SWEEPS)
def test_each_sweep_of_the_paper_is_drawn_along_what_grows(sweep):
    layers = paper_sweep(sweep)
    ((title, figure),) = curves(_study(layers)).items()
    assert "(figure " in title
    ax = figure.axes[0]
    assert ax.get_xlabel() == AXES[sweep]
    assert ax.get_ylabel() == "time (ms)"
    names = {text.get_text() for text in ax.get_legend().get_texts()} - {"measured", "predicted"}
    lines = len({layer.line for layer in layers})
    assert len(names) == (lines if lines > 1 else 0)


def test_lines_are_named_by_what_tells_them_apart():
    (figure,) = curves(_study(paper_sweep("increasing_Cin_100-1000"))).values()
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names[:3] == ["K = 1", "K = 3", "K = 5"]


def test_a_design_that_fills_space_has_no_curve():
    known = [x for x in preset("quick").layers if x.is_product]  # the study's model has no others
    layers = [x for x in known if x.sweep not in (*PAPER_SWEEPS, "transformer")]
    assert len({layer.sweep for layer in layers}) > 1
    assert curves(_study(layers)) == {}


def test_sizes_that_change_at_random_have_no_curve():
    def drawn(*sizes):
        layers = [LayerSpec(op="dense", c_in=i, c_out=o, sweep="mine") for i, o in sizes]
        return list(curves(_study(layers)))

    assert drawn((8, 10), (32, 20), (16, 30)) == []
    assert drawn((8, 10), (16, 20), (32, 30)) == ["mine"]


def test_two_points_are_no_curve_and_a_table_without_sweeps_has_none():
    assert curves(_study(paper_sweep("increasing_batch")[:2])) == {}
    study = _study(paper_sweep("increasing_batch"))
    table = study.table.drop(columns="sweep")
    assert curves(Study(study.calibration, "time_s", table)) == {}


def test_a_sweep_of_the_users_own_is_drawn_under_its_name():
    layers = paper_sweep("increasing_batch")
    study = _study(layers)
    study = Study(
        study.calibration, "time_s", study.table.assign(sweep="mine").drop(columns="line")
    )
    assert curves(study) == {}  # four lines in one are no curve
    one = Study(study.calibration, "time_s", study.table.iloc[:30])
    assert list(curves(one)) == ["mine"]


def test_held_out_layers_are_hollow():
    layers = paper_sweep("increasing_batch", small=True)
    held = np.arange(len(layers)) % 3 == 0
    (figure,) = curves(_study(layers, held)).values()
    hollow = [x for x in figure.axes[0].get_lines() if x.get_markerfacecolor() == "white"]
    assert sum(len(x.get_xdata()) for x in hollow) == held.sum()
    assert all(y == pytest.approx(1.0) for x in hollow for y in x.get_ydata())


def test_a_wide_interval_does_not_flatten_the_curve():
    study = _study(paper_sweep("increasing_batch", small=True))
    table = study.table.assign(upper=1e3)
    (figure,) = curves(Study(study.calibration, "time_s", table)).values()
    top = 1e3 * max(table["measured"].max(), table["predicted"].max())
    assert top < figure.axes[0].get_ylim()[1] < 2 * top


def test_energy_is_drawn_in_joules():
    study = _study(paper_sweep("increasing_batch", small=True), target="energy_j")
    (figure,) = curves(study).values()
    assert figure.axes[0].get_ylabel() == "energy (mJ)"

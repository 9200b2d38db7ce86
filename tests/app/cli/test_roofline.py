import pytest
from matplotlib.image import imread

from jaxcost.app.report.roofline import layers
from jaxcost.trace.ceilings import Ceilings
from jaxcost.trace.roofline import Point, Roofline

GIVEN = ("jax.numpy:dot", "--input", "bf16[1024,1024]", "--input", "bf16[1024,2048]")


@pytest.mark.parametrize("against", [("--calibration", "h100-sxm"), ("--device", "h100-sxm")])
def test_a_figure_is_written_and_a_table_printed(jaxcost, tmp_path, against):
    outcome = jaxcost("roofline", *GIVEN, *against, "--out", tmp_path / "r.png")
    assert (outcome.status, outcome.err) == (0, "")
    assert "jax.numpy:dot on h100-sxm" in outcome.out
    assert "arithmetic" in outcome.out
    assert imread(tmp_path / "r.png").shape[1] > 1000


def test_a_precision_can_be_said(jaxcost, tmp_path):
    given = (*GIVEN, "--device", "h100-sxm", "--precision", "fp8", "--out", tmp_path / "r.png")
    assert (
        "1.98 PFLOP/s, dense peak of the data sheet, h100-sxm, fp8"
        in jaxcost("roofline", *given).out
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (GIVEN, "give one of --calibration and --device"),
        ((*GIVEN, "--device", "h100-sxm", "--calibration", "b200"), "give one of --calibration"),
        ((*GIVEN, "--calibration", "b200", "--precision", "fp8"), "--precision is of a data sheet"),
        ((*GIVEN, "--device", "h100-sxn"), "did you mean"),
        ((*GIVEN, "--calibration", "quadro-t2000"), "knows no peak rate"),
    ],
)
def test_bad_input_is_one_line_and_no_figure(refuses, tmp_path, arguments, words):
    assert words in refuses("roofline", *arguments, "--out", tmp_path / "r.png")


def test_smaller_layers_share_a_row():
    of = Ceilings("d", 1e12, {"memory": 1e11}, "bf16", "data sheet")
    points = [Point(f"l{i}", "dense", 1e9, 1e6, 1e-3, 1 / 22) for i in range(22)]
    table = layers(Roofline(tuple(points), of, "attainable", ()))
    assert len(table.rows) == 21
    assert table.rows[0][:5] == ("l0", "dense", "1000", "1.00 TFLOP/s", "arithmetic")
    assert table.rows[-1] == ("2 smaller layers", *("",) * 5, "9.1 %")
    assert table.note == "Ceiling: 1.00 TFLOP/s, dense peak of the data sheet, d, bf16."


def test_layers_of_which_fusion_leaves_nothing_share_a_row_and_have_no_time():
    of = Ceilings("x", 1e12, {"memory": 1e11}, "fp32", "data sheet")
    points = [Point("a", "dense", 1e9, 1e6, 1e-3, 1.0)]
    points += [Point(name, "pooling", 1e3, 0.0, 0.0, 0.0) for name in "bc"]
    first, last = layers(Roofline(tuple(points), of, "attainable", ())).rows
    assert first[0] == "a"
    assert last == ("2 layers fused into others", *("",) * 6)

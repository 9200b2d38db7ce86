"""Rows of one layer that disagree are said, by what tells them apart; and never believed to a hair.

DeepBench's products come in three layouts, which take up to 2.2 times as long on one card.
"""

import numpy as np
import pandas as pd
import pytest

import jaxcost as jc
from jaxcost.calibrate.disagreement import disagreements
from jaxcost.calibrate.fit.repeats import Repeats

GPU = jc.Device(name="a card", platform="gpu")
TWICE = Repeats(np.repeat(np.arange(8), 2))


def of_pairs(factor):
    """ln of what two rows of each of eight layers cost, which differ by `factor`."""
    return np.log(np.arange(1.0, 9.0)).repeat(2) + np.tile([0.0, np.log(factor)], 8)


def told_by(**columns):
    return pd.DataFrame({"batch": np.arange(8).repeat(2), **columns})


def test_the_column_that_tells_rows_apart_is_named():
    frame = told_by(layout=["NN", "TN"] * 8, gpu=["a"] * 16, note=[f"run {i}" for i in range(16)])
    (line,) = disagreements(frame, TWICE, of_pairs(1.5))
    assert "'layout'" in line
    assert "'gpu'" not in line
    assert "'note'" not in line
    scatter = np.exp(1.4826 * np.log(1.5) / np.sqrt(2)) - 1
    assert f"8 layers were measured more than once, and their rows scatter by {scatter:.0%}" in line


@pytest.mark.parametrize("known", ["sweep", "device"])
def test_what_is_known_of_a_row_is_no_new_layer(known):
    (line,) = disagreements(told_by(**{known: ["a", "b"] * 8}), TWICE, of_pairs(1.5))
    assert known not in line


def test_rows_that_agree_are_not_spoken_of():
    assert disagreements(told_by(layout=["NN", "TN"] * 8), TWICE, of_pairs(1.05)) == []


def test_few_layers_that_disagree_say_nothing_of_others():
    few = Repeats(np.array([0, 0, 1, 1, 2, 2, 3, 3, *range(4, 12)]))
    assert few.scatter(of_pairs(3.0)) == 0.0


def test_a_row_whose_like_disagree_moves_the_prediction_less():
    """A layer measured once is not known better than those measured twice agree."""
    widths = [64, 128, 256, 512, 1024, 2048, 96, 192, 384, 768, 1536, 3072]
    layers = [{"batch": b, "c_in": w, "c_out": w} for w in widths for b in (8, 64)]
    table = pd.DataFrame([layer for layer in layers for _ in range(2)]).assign(
        op="dense", in_h=1, in_w=1, k_h=1, k_w=1, stride=1, padding="valid", groups=1,
        dtype="float32",
    )  # fmt: skip
    time_s = 1e-5 + 2e-12 * table.batch * table.c_in * table.c_out
    agree = np.tile([1.0, 1.01], len(layers))
    differ = np.tile([1.0, 2.0, 2.0, 1.0], len(layers) // 2)
    found = {
        name: jc.fit(table.assign(time_s=time_s * factor), GPU).models["time_s"]
        for name, factor in {"agree": agree, "differ": differ}.items()
    }
    assert float(found["agree"].correction.noise) < 0.1
    least = 1.4826 * np.log(2) / np.sqrt(2) / np.sqrt(2)
    assert float(found["differ"].correction.noise) == pytest.approx(least, rel=1e-3)
    assert any("scatter by" in line for line in found["differ"].warnings)
    assert not any("scatter by" in line for line in found["agree"].warnings)

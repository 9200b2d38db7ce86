import pandas as pd

from jaxcost.app.report.layers import KINDS, describe, kinds
from jaxcost.measure import LayerSpec

DENSE = LayerSpec(op="dense", batch=32, c_in=784, c_out=10)
POINTWISE = LayerSpec(op="conv2d", in_h=14, in_w=7, c_in=8, c_out=16)
SPATIAL = LayerSpec(
    op="conv2d", batch=2, in_h=14, in_w=14, c_in=8, c_out=16, k_h=3, k_w=5, stride=2,
    padding="valid", dilation=2, dtype="bfloat16",
)  # fmt: skip
DEPTHWISE = LayerSpec(op="conv2d", in_h=9, in_w=9, c_in=8, c_out=16, k_h=3, k_w=3, groups=8)
GROUPED = LayerSpec(op="conv2d", in_h=9, in_w=9, c_in=8, c_out=16, groups=2)
GRADIENT = LayerSpec(op="conv2d_weight_gradient", in_h=9, in_w=9, c_in=8, c_out=16)
GATHER = LayerSpec(op="gather", batch=9, c_in=100, c_out=16)


def test_each_kind_is_told_from_the_others():
    rows = [s.row() for s in (DENSE, POINTWISE, SPATIAL, DEPTHWISE, GROUPED, GATHER, GRADIENT)]
    assert tuple(kinds(pd.DataFrame(rows))) == KINDS


def test_what_is_unusual_of_a_layer_is_said():
    assert describe(DENSE.row()) == "32×784 → 10"
    assert describe(POINTWISE.row()) == "1×14×7×8 → 16, 1×1"
    assert describe(SPATIAL.row()) == "2×14×14×8 → 16, 3×5, stride 2, dilation 2, valid, bfloat16"
    assert describe(GATHER.row()).startswith("gather, 9×1×1×100 → 16")
    assert describe(GRADIENT.row()) == "conv2d weight gradient, 1×9×9×8 → 16, 1×1"
    assert describe(DEPTHWISE.row()).endswith("3×3, groups 8")


def test_a_table_without_dilation_has_none():
    row = POINTWISE.row()
    del row["dilation"]
    assert describe(row) == describe(POINTWISE.row())

"""Neighbours of layers by hand, and what is measured next of a program."""

import pytest

from jaxcost.measure import LayerSpec
from jaxcost.measure.layers import conv
from jaxcost.trace.rounds import neighbours, next_round
from jaxcost.trace.unsure_layers import LIKE, Ends, Unsure, UnsureLayer

ENDS = Ends(0.5, 1.5)
DENSE = LayerSpec(op="dense", batch=4, c_in=12, c_out=10, sweep="program")
OTHER = LayerSpec(op="dense", batch=4, c_in=12, c_out=20, sweep="program")
HALF = LayerSpec(op="dense", batch=4, c_in=12, c_out=10, dtype="bfloat16", sweep="program")


def unsure(*layers):
    rows = [UnsureLayer(s, "dense", (), 1, 1, 1, 1, 1, LIKE, "", 0, ENDS) for s in layers]
    return Unsure(1.0, ENDS, ENDS, tuple(rows), ())


@pytest.mark.parametrize(
    ("layer", "sizes"),
    [
        (DENSE, [(6, 10, 1), (24, 10, 1), (12, 5, 1), (12, 20, 1)]),
        (LayerSpec(op="dense", c_in=1, c_out=3), [(2, 3, 1), (1, 1, 1), (1, 6, 1)]),
        (conv(8, 12, 12, 3, groups=12), [(6, 6, 6), (24, 24, 24)]),
        (conv(8, 12, 6, 3, groups=6), [(6, 6, 6), (24, 6, 6), (12, 12, 6)]),
    ],
)
def test_neighbours_by_hand(layer, sizes):
    found = neighbours(layer)
    assert [(s.c_in, s.c_out, s.groups) for s in found] == sizes
    assert {(s.op, s.batch, s.k_h) for s in found} == {(layer.op, layer.batch, layer.k_h)}


def test_own_layers_come_before_their_neighbours_and_none_twice():
    found = next_round(unsure(DENSE, None, OTHER), [], dtype="float32", most=99)
    assert found[:2] == [DENSE, OTHER]
    assert set(found[2:]) == {*neighbours(DENSE), *neighbours(OTHER)} - {DENSE, OTHER}
    assert len(found) == len(set(found))
    assert next_round(unsure(DENSE, OTHER), [], dtype="float32", most=1) == [DENSE]


def test_what_was_tried_under_another_label_is_not_tried_again():
    tried = [LayerSpec(op="dense", batch=4, c_in=12, c_out=10, sweep="dense", line=3)]
    assert DENSE not in next_round(unsure(DENSE), tried, dtype="float32", most=99)


def test_layers_of_another_precision_are_left():
    assert next_round(unsure(HALF), [], dtype="float32", most=99) == []

import math

import pytest

from jaxcost.measure.clock.proofs import (
    Doubling,
    Peaks,
    below_floor,
    not_in_loop,
    roofline_floor_s,
    shorter_than_call,
)
from jaxcost.measure.layers import LayerSpec

DENSE = LayerSpec(op="dense", batch=100, c_in=200, c_out=300)


def test_a_loop_of_a_fortieth_of_the_call_is_too_short():
    assert "beyond its overhead" in shorter_than_call(loop_s=2.4e-4, call_s=1e-2, overhead_s=1e-5)
    assert not shorter_than_call(loop_s=1.1e-3, call_s=1e-2, overhead_s=1e-5)


def test_a_small_layer_is_not_suspected_for_its_dispatch():
    assert not shorter_than_call(loop_s=1e-7, call_s=1.2e-5, overhead_s=1e-4)


def test_the_floor_is_arithmetic_at_twice_the_peak():
    peaks = Peaks({"float32": 1e9}, bytes_per_s=1e15)
    assert roofline_floor_s(DENSE, peaks) == pytest.approx(2 * 100 * 200 * 300 / 2e9)


def test_the_floor_is_memory_where_that_is_slower():
    peaks = Peaks({"float32": 1e15}, bytes_per_s=1e6)
    items = 100 * 200 + 200 * 300 + 100 * 300
    assert roofline_floor_s(DENSE, peaks) == pytest.approx(4 * items / 2e6)


def test_the_floor_spares_fast_convolution_methods_and_skipped_input():
    conv = LayerSpec(op="conv2d", in_h=8, in_w=8, c_in=4, c_out=4, k_h=3, k_w=3)
    peaks = Peaks({"float32": 1e9})
    assert roofline_floor_s(conv, peaks) == pytest.approx(conv.flops / 9 / 2e9)
    strided = LayerSpec(op="conv2d", in_h=8, in_w=8, c_in=4, c_out=4, stride=2)
    items = 8 * 8 * 4 / 4 + 16 + 4 * 4 * 4
    assert roofline_floor_s(strided, Peaks({}, 1e6)) == pytest.approx(4 * items / 2e6)


def test_the_floor_of_other_operations_is_memory_at_ten_times_the_peak():
    scaled = LayerSpec(op="elementwise", in_h=8, in_w=8, c_in=4, c_out=4)
    peaks = Peaks({"float32": 1.0}, 1e6)  # a device that hardly computes
    assert roofline_floor_s(scaled, peaks) == pytest.approx(4 * (2 * 8 * 8 * 4 + 4) / 1e7)
    taken = LayerSpec(op="gather", batch=10, c_in=5000, c_out=3)
    assert roofline_floor_s(taken, peaks) == pytest.approx((4 * 10 + 4 * 10 * 3) / 1e7)
    skipped = LayerSpec(op="pooling", in_h=8, in_w=8, c_in=4, c_out=4, k_w=2, stride=4)
    items = 8 * 8 * 4 / 8 + 4 + 2 * 2 * 4
    assert roofline_floor_s(skipped, peaks) == pytest.approx(4 * items / 1e7)


def test_an_unknown_peak_gives_no_floor():
    assert roofline_floor_s(DENSE, Peaks({"float64": 1e9})) == 0


def test_only_what_is_below_the_floor_is_suspect():
    assert "below the roofline" in below_floor(1e-6, 2e-6)
    assert not below_floor(2e-6, 2e-6)


def test_a_loop_without_the_operation_is_suspect():
    assert "does not contain the operation" in not_in_loop(None)
    assert not not_in_loop("dot")


@pytest.mark.parametrize("ratio", [1.91, 2.0, 2.09])
def test_one_undisturbed_pair_near_two_passes(ratio):
    doubling = Doubling(ratios=[ratio], accepted=[True])
    assert doubling.passed
    assert not doubling.failed
    assert not doubling.reason


def test_disturbed_pairs_neither_pass_nor_fail():
    doubling = Doubling(ratios=[2.0, 1.0, 1.0, 1.0], accepted=[False] * 4)
    assert not doubling.passed
    assert not doubling.failed
    assert "no undisturbed pair" in doubling.reason
    assert "1.50 times as long, not 2 ± 0.1" in Doubling(ratios=[1.5], accepted=[True]).reason


def test_three_pairs_that_agree_fail():
    assert Doubling(ratios=[1.0, 1.1, 1.05], accepted=[True] * 3).failed
    assert not Doubling(ratios=[1.0, 1.1], accepted=[True] * 2).failed


def test_pairs_that_scatter_do_not_fail():
    assert not Doubling(ratios=[1.2, 2.0, 1.4], accepted=[True] * 3).failed
    assert not Doubling(ratios=[1.2, 1.45, 1.1], accepted=[True] * 3).failed
    assert not Doubling(ratios=[1.8, 1.82, 1.85], accepted=[True] * 3).failed
    assert not Doubling(ratios=[2.5, 2.4, 2.6], accepted=[True] * 3).failed


def test_no_pair_has_no_ratio():
    assert math.isnan(Doubling().ratio)
    assert not Doubling().passed

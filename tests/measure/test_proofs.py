import pytest

from jaxcost.measure.clock.proofs import (
    Peaks,
    baseline,
    below_floor,
    empty,
    not_in_loop,
    outer,
    probes,
    roofline_floor_s,
    sentinel,
    shorter_than_call,
)
from jaxcost.measure.clock.visit import Block, Visit
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


def _block(step_s, shortest_s=None):
    return Block(10, 10 * step_s, shortest_s=shortest_s)


def _timed(loops, calls):
    return Visit(loops=tuple(loops), calls=tuple(calls))


def test_each_dtype_has_a_matrix_product_and_the_sentinel_is_first():
    layers = [LayerSpec(op="dense", c_in=1, c_out=1, dtype="bfloat16")]
    found = probes(layers, "cpu")
    assert found[0] == sentinel("cpu")
    assert {layer.dtype for layer in found if layer.batch == layer.c_in > 1} == {
        "float32",
        "bfloat16",
    }
    assert empty() in found
    assert outer() in found
    assert sentinel("gpu").flops > 50 * sentinel("cpu").flops


def test_peaks_are_the_fastest_blocks():
    square = sentinel("cpu")
    small = LayerSpec(op="dense", c_in=128, c_out=128, sweep="probe")
    found = baseline(
        {
            square: _timed([_block(0.02), _block(0.01)], [_block(0.03, 0.02)]),
            small: _timed(
                [_block(1e-6), _block(2e-6)], [_block(5e-5, 2.1e-5), _block(4e-5, 1.1e-5)]
            ),
            empty(): _timed([_block(2e-8)], [_block(1e-5, 4e-6)]),
            outer(): _timed([_block(2e-3)], [_block(2e-2, 1.201e-2)]),
        },
        processors=4,
    )
    assert found.peaks.flops_per_s == {"float32": pytest.approx(2 * 1024**3 / 0.01)}
    assert found.peaks.bytes_per_s == pytest.approx(4 * 4 * (128**2 + 256) / 1e-6)
    assert found.dispatch_s == pytest.approx(1e-5)
    assert found.loop_overhead_s == pytest.approx(2e-8)
    assert found.fresh_s_per_byte * 4 * 1024 * 8192 == pytest.approx(1e-2)
    assert found.most_overhead_s(4 * 1024 * 8192) == pytest.approx(10 * 1e-5 + 2 * 1e-2)


def test_probes_that_failed_give_no_peaks():
    found = baseline({sentinel("cpu"): Visit(), empty(): Visit()}, processors=2)
    assert found.peaks.flops_per_s == {}
    assert found.peaks.bytes_per_s is None
    assert found.most_overhead_s(1e9) == 0


def test_blocks_that_a_neighbour_held_up_give_no_peak():
    held_up = Block(10, 1.0, cpu_s=0.5, waiting_s=0.5)
    found = baseline({sentinel("cpu"): _timed([held_up], [_block(0.03, 0.02)])}, processors=1)
    assert found.peaks.flops_per_s == {}


def test_a_gpus_probes_do_not_deny_what_its_memory_can_do():
    # 10 µs a launch, 4 TB/s of memory, 400 TFLOP/s; what streams fastest is no product
    def step_s(layer):
        return 1e-5 + max(layer.operand_bytes / 4e12, layer.flops / 4e14)

    layers = [
        LayerSpec(op="dense", c_in=12800, c_out=12800),
        LayerSpec(op="elementwise", batch=2**17, c_in=1024, c_out=1024),
        LayerSpec(op="dense", batch=64, c_in=9050, c_out=9050),
    ]
    timed = {
        layer: _timed([_block(step_s(layer))], [_block(step_s(layer) + 5e-5)])
        for layer in probes(layers, "gpu")
    }
    found = baseline(timed, processors=1)
    assert found.peaks.bytes_per_s == pytest.approx(4e12, rel=0.2)
    assert found.dispatch_s == pytest.approx(5e-5)
    for layer in layers:
        assert roofline_floor_s(layer, found.peaks) < step_s(layer)
        assert roofline_floor_s(layer, found.peaks) > step_s(layer) / 12

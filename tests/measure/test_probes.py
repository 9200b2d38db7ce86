import math

import pytest

from jaxcost.measure.clock.gates import Block, Usage
from jaxcost.measure.clock.probes import baseline, empty, outer, probes, sentinel
from jaxcost.measure.clock.proofs import roofline_floor_s
from jaxcost.measure.layers import LayerSpec


def _block(step_s, shortest_s=math.nan):
    return Block(10, 10 * step_s, shortest_s=shortest_s)


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
        [
            (square, [_block(0.02), _block(0.01)], [_block(0.03, 0.02)]),
            (small, [_block(1e-6), _block(2e-6)], [_block(5e-5, 2.1e-5), _block(4e-5, 1.1e-5)]),
            (empty(), [_block(2e-8)], [_block(1e-5, 4e-6)]),
            (outer(), [_block(2e-3)], [_block(2e-2, 1.201e-2)]),
        ],
        processors=4,
    )
    assert found.peaks.flops_per_s == {"float32": pytest.approx(2 * 1024**3 / 0.01)}
    assert found.peaks.bytes_per_s == pytest.approx(4 * 4 * (128**2 + 256) / 1e-6)
    assert found.dispatch_s == pytest.approx(1e-5)
    assert found.loop_overhead_s == pytest.approx(2e-8)
    assert found.fresh_s_per_byte * 4 * 1024 * 8192 == pytest.approx(1e-2)
    assert found.most_overhead_s(4 * 1024 * 8192) == pytest.approx(10 * 1e-5 + 2 * 1e-2)


def test_probes_that_failed_give_no_peaks():
    found = baseline([(sentinel("cpu"), [], []), (empty(), [], [])], processors=2)
    assert found.peaks.flops_per_s == {}
    assert found.peaks.bytes_per_s is None
    assert found.most_overhead_s(1e9) == 0


def test_blocks_that_a_neighbour_held_up_give_no_peak():
    held_up = Block(10, 1.0, Usage(cpu_s=0.5, waiting_s=0.5))
    found = baseline([(sentinel("cpu"), [held_up], [_block(0.03, 0.02)])], processors=1)
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
    timed = [
        (layer, [_block(step_s(layer))], [_block(step_s(layer) + 5e-5, step_s(layer) + 5e-5)])
        for layer in probes(layers, "gpu")
    ]
    found = baseline(timed, processors=1)
    assert found.peaks.bytes_per_s == pytest.approx(4e12, rel=0.2)
    assert found.dispatch_s == pytest.approx(5e-5)
    for layer in layers:
        assert roofline_floor_s(layer, found.peaks) < step_s(layer)
        assert roofline_floor_s(layer, found.peaks) > step_s(layer) / 12

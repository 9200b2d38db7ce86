"""Against the programs that XLA makes of gradients of grouped convolutions on a CPU."""

import dataclasses
import functools
import math

import jax
import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate import load_calibration
from jaxcost.device import device
from jaxcost.measure.clock.operations import operation
from jaxcost.measure.layers import conv
from jaxcost.models.gradients_on_cpu import as_computed, flops_of_loops
from jaxcost.workload import from_table
from jaxcost.workload.counts import flops

BY_INPUT, BY_WEIGHTS = "conv2d_input_gradient", "conv2d_weight_gradient"
EPYC = load_calibration("amd-epyc")
# op, side, channels in, out, groups, kernel, stride
DEPTHWISE = [
    (BY_WEIGHTS, 14, 32, 32, 32, 3, 1),
    (BY_WEIGHTS, 14, 48, 48, 48, 5, 2),
    (BY_WEIGHTS, 7, 64, 64, 64, 3, 1),
]
LOOPS = [
    (BY_WEIGHTS, 14, 32, 32, 8, 3, 1),
    (BY_WEIGHTS, 14, 32, 64, 32, 3, 1),
    (BY_WEIGHTS, 14, 32, 32, 4, 3, 2),
    (BY_INPUT, 14, 32, 32, 32, 3, 2),
]
KERNELS = [
    *DEPTHWISE,
    (BY_WEIGHTS, 14, 16, 32, 1, 3, 1),
    (BY_INPUT, 14, 32, 32, 32, 3, 1),
    (BY_INPUT, 14, 32, 32, 8, 3, 1),
    (BY_INPUT, 14, 16, 32, 1, 3, 1),
]


def spec(op, side, c_in, c_out, groups, kernel, stride):
    layer = conv(side, c_in, c_out, kernel, batch=2, stride=stride, groups=groups)
    return dataclasses.replace(layer, op=op)


@functools.cache
def compiled(*sizes):
    layer = spec(*sizes)
    x, w = (
        jax.ShapeDtypeStruct(shape, np.float32) for shape in (layer.input_shape, layer.weight_shape)
    )
    return jax.jit(operation(layer)).lower(x, w).compile()


def row(op, side, c_in, c_out, groups, kernel, stride):
    sizes = {
        "op": op, "batch": 2, "in_h": side, "in_w": side, "c_in": c_in, "c_out": c_out,
        "k_h": kernel, "k_w": kernel, "stride": stride, "padding": "same", "groups": groups,
        "dtype": "float32",
    }  # fmt: skip
    return from_table(pd.DataFrame([sizes]))


@pytest.mark.parametrize("sizes", DEPTHWISE)
def test_of_a_depthwise_one_by_its_weights_xla_counts_the_flops_of_a_full_one(sizes):
    full = float(flops(as_computed(row(*sizes)))[0])
    assert full == sizes[2] * float(flops(row(*sizes))[0])
    valid = compiled(*sizes).cost_analysis()["flops"]  # XLA counts no taps in the padding
    shared = _share_of_taps_inside(sizes)
    assert valid == pytest.approx(full * shared, rel=0.03)


def _share_of_taps_inside(sizes):
    _, side, *_, kernel, stride = sizes
    places = math.ceil(side / stride)
    before = max((places - 1) * stride + kernel - side, 0) // 2
    taps = [p * stride + k - before for p in range(places) for k in range(kernel)]
    return (sum(0 <= tap < side for tap in taps) / len(taps)) ** 2


@pytest.mark.parametrize("sizes", LOOPS)
def test_what_is_left_to_plaflops_of_loops_is_a_dilated_convolution_in_no_fusion(sizes):
    assert "convolution-base-dilated" in compiled(*sizes).as_text()
    assert flops_of_loops(row(*sizes))[0] > 0


@pytest.mark.parametrize("sizes", KERNELS)
def test_nothing_else_is_left_to_plaflops_of_loops(sizes):
    assert "convolution-base-dilated" not in compiled(*sizes).as_text()
    assert flops_of_loops(row(*sizes))[0] == 0


def test_by_its_input_a_strided_one_is_worked_through_as_with_a_stride_of_1():
    strided, plain = (row(BY_INPUT, 14, 32, 32, 8, 3, stride) for stride in (2, 1))
    assert flops(as_computed(strided))[0] == flops(plain)[0]


def priced(layers, device):
    return EPYC.models["time_s"].model.layer_costs(layers, device)[0]


@pytest.mark.parametrize("sizes", DEPTHWISE)
def test_a_depthwise_one_by_its_weights_costs_what_a_full_convolution_costs(sizes):
    op, side, c_in, c_out, _, *kernel = sizes
    full = row(op, side, c_in, c_out, 1, *kernel)
    assert priced(row(*sizes), EPYC.device) == priced(full, EPYC.device)


@pytest.mark.parametrize("sizes", LOOPS)
def test_plaflops_of_loops_take_longer_than_the_forward_layer_and_a_gpu_has_kernels_of_its_own(
    sizes,
):
    gpu = device("quadro-t2000")
    forward, gradient = row("conv2d", *sizes[1:]), row(*sizes)
    assert priced(gradient, EPYC.device) > priced(forward, EPYC.device)
    assert priced(gradient, gpu) == priced(forward, gpu)


@pytest.mark.parametrize("sizes", [*DEPTHWISE, *LOOPS])
def test_what_is_computed_otherwise_is_not_corrected_as_the_forward_layer(sizes):
    fitted = EPYC.models["time_s"]
    assert fitted.correction.log_ratio(row("conv2d", *sizes[1:]))[0] != 0
    assert fitted.layer_costs(row(*sizes), EPYC.device)[0] == priced(row(*sizes), EPYC.device)


@pytest.mark.parametrize("sizes", [DEPTHWISE[0], *LOOPS])
def test_prices_have_slopes(sizes):
    def cost(share):
        layers = row(*sizes)
        wider = {name: getattr(layers, name) * share for name in ("c_in", "c_out", "groups")}
        return priced(type(layers)(**vars(layers) | wider), EPYC.device)

    near = float(cost(1.01) - cost(0.99)) / 0.02
    assert float(jax.grad(cost)(1.0)) == pytest.approx(near, rel=0.02)


@pytest.mark.parametrize("sizes", LOOPS)
def test_plain_loops_cost_in_the_unit_of_the_model(sizes):
    """Fitted to joules, at 50 W, all rates are a fiftieth; they were seconds, whatever the unit."""
    model = EPYC.models["time_s"].model
    watts = {"rate": model.rate / 50, "bandwidth": model.bandwidth / 50, "floor": model.floor * 50}
    energy = dataclasses.replace(model, **watts, term_latency=model.term_latency * 50)
    joules = float(energy.layer_costs(row(*sizes), EPYC.device)[0])
    assert joules == pytest.approx(50 * float(priced(row(*sizes), EPYC.device)), rel=1e-4)

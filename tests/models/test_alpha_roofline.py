"""The latency model against its formula written out anew, and in its limits."""

import dataclasses

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxcost.calibrate.fit import fit_model
from jaxcost.device import Device, device
from jaxcost.measure.designs.presets import preset
from jaxcost.models.alpha_roofline import AlphaRoofline
from jaxcost.models.base import parameters_of
from jaxcost.workload import conv2d, dense, from_table, rows
from jaxcost.workload.counts import bytes_moved

T2000 = device("quadro-t2000")
VALUES = {
    "rate": 2e12,
    "conv_ratio": 1.2,
    "spatial_ratio": 1.7,
    "grouped_ratio": 0.5,
    "bandwidth": 1.2e11,
    "weight_ratio": 0.6,
    "spatial_weight_ratio": 0.3,
    "kernel_exponent": 0.8,
    "half_rows": 7.0,
    "half_inputs": 11.0,
    "half_outputs": 13.0,
    "hidden": 0.9,
    "tile_waste": 0.8,
    "half_run": 30.0,
    "half_c_out": 15.0,
    "misaligned": 2.5,
    "half_taps_grouped": 20.0,
    "half_c_out_grouped": 12.0,
    "floor": 2e-4,
    "term_latency": 3e-10,
    "start_sharpness": 0.5,
    "sharpness": 3.0,
}


def model(**changed):
    return AlphaRoofline(**VALUES | changed)


# What each parameter is in calibrations of versions that had none such.
BEFORE = {p.name: p.absent for p in parameters_of(AlphaRoofline) if p.absent is not None}


def formula(v, *, batch, h, w, c_in, c_out, k, groups, is_dense, item=4):
    """The docstring's equations in the order in which they are printed, without logarithms."""
    flops = 2 * batch * h * w * k * k * c_in / groups * c_out
    traffic = item * batch * h * w * (c_in + c_out) / v["bandwidth"]
    rate, bandwidth = v["rate"], v["bandwidth"] * v["weight_ratio"]
    if groups > 1:
        taps, outputs = k * k * c_in / groups, c_out / groups
        rate *= v["grouped_ratio"]
        rate /= 1 + v["half_taps_grouped"] / taps
        rate /= 1 + v["half_c_out_grouped"] / outputs
    elif k > 1:
        gather = v["half_c_out"] * (1 if c_in * item % 16 == 0 else v["misaligned"])
        rate *= v["spatial_ratio"] / (1 + v["half_run"] / (c_in * k) + gather / c_out)
    elif is_dense:
        rate /= 1 + v["half_rows"] / (batch * h * w)
        rate /= (1 + v["half_inputs"] / c_in) * (1 + v["half_outputs"] / c_out)
    else:
        rate *= v["conv_ratio"]
    if k == 3 and groups == 1:
        tiles = 16 * np.ceil(h / 4) * np.ceil(w / 4)
        rate /= 1 + v["tile_waste"] * (tiles / (h * w) - 1)
    if k > 1:
        slowing = (1 + np.log(k * k)) ** v["kernel_exponent"]
        bandwidth *= v["spatial_weight_ratio"] / slowing
    stream = item * k * k * c_in / groups * c_out / bandwidth
    hidden = v["hidden"] if is_dense and item <= 2 else 0
    p = 1 + v["sharpness"]
    busy = ((flops / rate) ** p + (traffic + hidden * stream) ** p) ** (1 / p)
    start = v["floor"] + v["term_latency"] * k * k * c_in / groups
    p = 1 + v["sharpness"] * v["start_sharpness"]
    return (start**p + (busy + (1 - hidden) * stream) ** p) ** (1 / p)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["dense", "pointwise", "spatial", "grouped", "depthwise"])
@pytest.mark.parametrize("values", [VALUES, VALUES | BEFORE])
def test_every_term_is_that_of_the_formula(kind, values):
    draw = np.random.default_rng(len(kind))
    for _ in range(20):
        batch, h, w, c_in, c_out = (float(2**n) for n in draw.integers(0, 10, 5))
        k = 1.0 if kind in ("dense", "pointwise") else float(draw.choice([2, 3, 7]))
        groups = {"grouped": 8.0, "depthwise": c_in * 16}.get(kind, 1.0)
        if groups > 1:
            c_in, c_out = c_in * 16, c_in * 16
        item = float(draw.choice([1, 2, 4, 8]))
        if kind == "dense":
            h = w = 1.0
            layer = dense(c_in=c_in, c_out=c_out, batch=batch, item_bytes=item)
        else:
            sizes = {"in_h": h, "in_w": w, "c_in": c_in, "c_out": c_out, "groups": groups}
            layer = conv2d(**sizes, k_h=k, k_w=k, batch=batch, item_bytes=item)
        shape = {"batch": batch, "h": h, "w": w, "c_in": c_in, "c_out": c_out, "k": k}
        expected = formula(values, **shape, groups=groups, is_dense=kind == "dense", item=item)
        assert model(**values)(layer, T2000) == pytest.approx(expected, rel=1e-8)


def test_inputs_that_fill_no_vectors_cost_more():
    def latency(c_in, item_bytes=4.0):
        sizes = {"in_h": 64, "in_w": 64, "c_out": 8, "k_h": 3, "k_w": 3, "batch": 8}
        return model()(conv2d(c_in=c_in, item_bytes=item_bytes, **sizes), T2000)

    assert latency(62.0) > 1.5 * latency(64.0)
    assert latency(68.0) < 1.1 * latency(64.0)
    assert latency(68.0, item_bytes=2) > 1.5 * latency(64.0, item_bytes=2)


def test_a_width_near_an_integer_is_aligned_as_that_one():
    sizes = {"in_h": 64, "in_w": 64, "c_out": 8, "k_h": 3, "k_w": 3, "batch": 8}
    near = [model()(conv2d(c_in=c, **sizes), T2000) for c in (63.9, 64.0, 64.1)]
    assert near[0] < near[1] < near[2] < 1.01 * near[0]


def test_the_smallest_layers_take_the_floor():
    layer = dense(c_in=8, c_out=8)
    assert model(start_sharpness=1.0)(layer, T2000) == pytest.approx(2e-4, rel=1e-4)


def test_each_term_of_a_sum_delays_the_smallest_layers():
    costs = [float(model(start_sharpness=1.0)(dense(c_in=c, c_out=1), T2000)) for c in (1e5, 2e5)]
    assert costs[1] - costs[0] == pytest.approx(1e5 * 3e-10, rel=1e-2)


def test_the_stream_of_dense_layers_hides_in_half_precision_alone():
    sizes = {"c_in": 4096, "c_out": 4096, "batch": 4096}

    def latency(item_bytes, hidden):
        return float(model(hidden=hidden)(dense(item_bytes=item_bytes, **sizes), T2000))

    assert latency(4, hidden=1.0) == latency(4, hidden=0.0)
    stream = 2 * 4096**2 / (1.2e11 * 0.6)
    assert latency(2, hidden=0.0) - latency(2, hidden=1.0) == pytest.approx(stream, rel=0.1)


def test_winograd_fills_its_tiles_on_accelerators_alone():
    huge = {"bandwidth": 1e20, "floor": 1e-12, "term_latency": 0.0, "tile_waste": 1.0}

    def latency(size, device=T2000, **sizes):
        sizes = {"k_h": 3, "k_w": 3, "c_in": 64, "c_out": 64} | sizes
        return float(model(**huge)(conv2d(in_h=size, in_w=size, **sizes), device))

    assert latency(5) == pytest.approx(latency(8), rel=1e-5)
    assert latency(5, device("eagle-cpu")) == pytest.approx(latency(8) * 25 / 64, rel=1e-5)
    for others in ({"stride": 2}, {"dilation": 2}, {"k_h": 5}):
        assert latency(10, **others) < 0.7 * latency(12, **others)


def test_arithmetic_binds_where_much_is_computed_on_few_bytes():
    layer = dense(c_in=8192, c_out=8192, batch=8192)
    assert model(**BEFORE)(layer, T2000) == pytest.approx(2 * 8192**3 / 2e12, rel=1e-2)


def test_traffic_binds_where_little_is_computed_on_many_bytes():
    layer = conv2d(in_h=4000, in_w=4000, c_in=2, c_out=2, k_h=1, k_w=1)
    assert model(**BEFORE)(layer, T2000) == pytest.approx(4 * 4000**2 * 4 / 1.2e11, rel=1e-3)


def test_weights_are_streamed_beside_all_else():
    """The cost is a straight line in the time to stream, whatever the sharpness."""
    layer = dense(c_in=4096, c_out=4096, batch=64)
    ratios = np.array([0.25, 0.5, 1.0])
    costs = [float(model(weight_ratio=r, floor=1e-9)(layer, T2000)) for r in ratios]
    streams = 4 * 4096**2 / (1.2e11 * ratios)
    np.testing.assert_allclose(np.diff(costs), np.diff(streams), rtol=1e-4)


def test_few_channels_lose_efficiency_in_large_kernels_alone():
    huge = BEFORE | {"bandwidth": 1e20, "floor": 1e-12}
    for k, lost in ((3, 1 + 30 / 60 + 15 / 45), (1, 1.0)):
        layer = conv2d(in_h=64, in_w=64, c_in=20, c_out=45, k_h=k, k_w=k)
        ratio = VALUES["spatial_ratio"] if k > 1 else VALUES["conv_ratio"]
        expected = 2 * k * k * 64 * 64 * 20 * 45 / (2e12 * ratio) * lost
        assert model(**huge)(layer, T2000) == pytest.approx(expected, rel=1e-4)


def test_groups_lose_by_the_channels_of_one_group():
    huge = {"bandwidth": 1e20, "floor": 1e-12}
    of_groups = []
    for groups in (2, 4):
        sizes = {"c_in": 64.0 * groups, "c_out": 32.0 * groups, "groups": groups}
        layer = conv2d(in_h=64, in_w=64, k_h=3, k_w=3, **sizes)
        of_groups.append(float(model(**huge)(layer, T2000)))
    assert of_groups[1] == pytest.approx(2 * of_groups[0], rel=1e-4)


@hypothesis.given(work=st.floats(-6, 2), sharpness=st.floats(0.1, 30))
def test_a_smooth_maximum_lies_between_the_maximum_and_the_sum(work, sharpness):
    """Of a floor of 1 s and of 10 ** work seconds of arithmetic, the rest being negligible."""
    layer = rows(is_dense=1, c_in=1e-3, c_out=1e-3, in_h=1e-3, out_h=1e-3, other_flops=1e9)
    free = BEFORE | {"bandwidth": 1e30, "weight_ratio": 1.0}
    seconds = 10.0**work
    cost = model(rate=1e9 / seconds, floor=1.0, sharpness=sharpness, **free)(layer, T2000)
    hard, least = max(1.0, seconds), 1 - 1e-5
    assert hard * least <= cost <= hard * 2 ** (1 / (1 + sharpness)) / least


def test_a_row_that_is_no_product_costs_its_own_work_and_has_gradients():
    softmax = rows(c_in=0, c_out=0, is_dense=1, other_flops=4e12, other_bytes=1.2e11)
    busy = (2.0**4 + 1.0**4) ** 0.25
    assert model()(softmax, T2000) == pytest.approx(busy, rel=1e-5)
    idle = rows(c_in=0, c_out=0)
    for row in (softmax, idle):
        gradients = jax.grad(lambda pair: pair[0](pair[1], T2000))((model(), row))
        assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    assert model()(idle, T2000) == pytest.approx(2e-4, rel=1e-5)


def test_all_but_the_rate_is_believed_beforehand():
    spreads = {f.name: f.metadata["jaxcost"].spread for f in dataclasses.fields(AlphaRoofline)}
    assert {name for name, spread in spreads.items() if spread is None} == {"rate"}


def test_without_small_layers_the_floor_is_that_of_the_fastest_measured():
    random = np.random.default_rng(0)
    batch, c_in, c_out = random.integers(1000, 9000, (3, 60)).astype(float)
    layers = dense(batch=batch, c_in=c_in, c_out=c_out)
    seconds = model(floor=1e-12).layer_costs(layers, T2000) * random.lognormal(0, 0.05, 60)
    fitted = fit_model(AlphaRoofline, layers, T2000, seconds)
    floor = next(e for e in fitted.estimates if e.name == "floor")
    assert not floor.determined
    assert seconds.min() / 100 < floor.value < seconds.min()


def test_without_layers_that_memory_binds_the_bandwidth_is_near_the_most_bytes_a_second():
    """Of the quick preset's products, planted with all bytes free and timed with noise."""
    products = [x.row() for x in preset("quick").layers if x.is_product and x.groups == 1]
    layers = from_table(pd.DataFrame(products))
    free = model(rate=1e11, bandwidth=1e18, weight_ratio=1e-7, floor=1e-6, half_rows=1.0)
    noise = np.exp(0.25 * np.random.default_rng(1).standard_normal(len(layers)))
    seconds = np.asarray(free.layer_costs(layers, Device("of this test", platform="cpu"))) * noise
    fitted = fit_model(AlphaRoofline, layers, Device("of this test", platform="cpu"), seconds)
    bandwidth = next(e for e in fitted.estimates if e.name == "bandwidth")
    most = float((np.asarray(bytes_moved(layers)) / seconds).max())
    assert most / 30 < bandwidth.value < 2 * most
    assert bandwidth.upper / bandwidth.lower < 30


def test_attention_that_was_not_measured_costs_its_flops_and_bytes_and_not_16000_years():
    """8 x 4096 tokens, 32 heads of 128: 2.2 TFLOP, at the rate and the bandwidth of the model."""
    sizes = {"in_h": 1, "in_w": 4096, "c_in": 4096, "c_out": 4096, "k_h": 1, "k_w": 1, "groups": 32}
    row = {"op": "attention", "batch": 8, "stride": 1, "padding": "valid", "dtype": "float32"}
    layers = from_table(pd.DataFrame([row | sizes]))
    flops = 4 * 8 * 4096**2 * 4096
    cost = float(model().layer_costs(layers, T2000)[0])
    slowest = VALUES["rate"] * min(VALUES["conv_ratio"], VALUES["spatial_ratio"], 1.0)
    assert flops / VALUES["rate"] / VALUES["conv_ratio"] < cost
    assert cost < 2 * (flops / slowest + float(bytes_moved(layers)[0]) / VALUES["bandwidth"])

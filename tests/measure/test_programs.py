import dataclasses
import functools
import math
import re
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.measure.clock.hlo import work_in_loop
from jaxcost.measure.clock.operations import _BUILDERS, PARTS
from jaxcost.measure.clock.programs import (
    _head,
    _loop_builder,
    chained_loop,
    compile_layer,
    operation,
)
from jaxcost.measure.layers import LayerSpec
from jaxcost.workload.gradients import CONV2D_GRADIENTS
from jaxcost.workload.memory_bound import MEASURED, MEMORY_BOUND

DEVICE = jax.devices()[0]
CONV = LayerSpec(op="conv2d", batch=2, in_h=9, in_w=7, c_in=4, c_out=6, k_h=3, k_w=2)
LAYERS = [
    LayerSpec(op="dense", batch=3, c_in=300, c_out=40),
    LayerSpec(op="dense", batch=64, c_in=8, c_out=1),
    LayerSpec(op="dense", batch=64, c_in=1, c_out=128),
    CONV,
    LayerSpec(op="conv2d", in_h=12, in_w=12, c_in=32, c_out=32, k_h=3, k_w=3, groups=32),
    LayerSpec(op="conv2d", batch=4, in_h=28, in_w=28, c_in=16, c_out=24, stride=2),
    LayerSpec(op="conv2d", in_h=14, in_w=14, c_in=24, c_out=48, k_h=5, k_w=5, groups=8),
    LayerSpec(op="dense", batch=16, c_in=64, c_out=64, dtype="bfloat16"),
    LayerSpec(op="dense", batch=48, c_in=96, c_out=64, groups=4),
]
_FORWARD = (CONV, LAYERS[5], dataclasses.replace(LAYERS[6], stride=2, padding="valid"), LAYERS[4])
GRADIENTS = [dataclasses.replace(x, op=op) for x in _FORWARD for op in CONV2D_GRADIENTS]
MAP = {"batch": 4, "in_h": 20, "in_w": 18, "c_in": 32}
OTHERS = [
    LayerSpec(op="elementwise", **MAP, c_out=32),
    LayerSpec(op="reduction", **MAP, c_out=1),
    LayerSpec(op="reduction", **MAP, c_out=32),
    LayerSpec(op="addition", **MAP, c_out=32),
    LayerSpec(op="normalisation", **MAP, c_out=32),
    LayerSpec(op="softmax", **MAP, c_out=32),
    LayerSpec(op="pooling", **MAP, c_out=32, k_h=3, k_w=3, stride=2),
    LayerSpec(op="pooling", **MAP, c_out=32, k_h=2, k_w=4, padding="valid"),
    LayerSpec(op="gather", batch=300, c_in=500, c_out=24),
    LayerSpec(op="gather", batch=1, c_in=500, c_out=600),
]
HALVES = [dataclasses.replace(x, dtype=t) for x in OTHERS for t in ("bfloat16", "float16")]


@functools.cache
def _compiled(layer):
    """A layer's programs, which several tests look at."""
    return compile_layer(layer, DEVICE)


def _by_hand(x, w, layer):
    """What NumPy makes of an operation that is no product, in float64."""
    x, w = (a if a.dtype == np.int32 else np.asarray(a, "float64") for a in (x, w))
    if layer.op == "gather":
        return x[w]
    if layer.op == "elementwise":
        return np.clip(x * w, 0, None)
    if layer.op == "reduction":
        return np.add.reduce(x, axis=3 if layer.c_out == 1 else (1, 2)) + w
    if layer.op == "normalisation":
        return (x - x.mean(3, keepdims=True)) / np.sqrt(x.var(3, keepdims=True) + 1e-6) * w
    if layer.op == "addition":
        return x + w
    if layer.op == "softmax":
        raised = np.exp(x - x.max(3, keepdims=True))
        return raised / raised.sum(3, keepdims=True) * w
    k = layer.k_h, layer.k_w
    if layer.padding == "same":
        total = [(o - 1) * layer.stride + n - i for o, n, i in zip((10, 9), k, x.shape[1:3])]
        pad = [(0, 0), *((t // 2, t - t // 2) for t in total), (0, 0)]
        x = np.pad(x, pad, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, k, axis=(1, 2))
    windows = windows[:, :: layer.stride, :: layer.stride]
    return np.maximum(windows.max((-2, -1)), w)


def _convolution_by_hand(x, w, layer):
    """Five nested loops over zero-padded input: the definition."""
    reach = [(k - 1) * layer.dilation + 1 for k in (layer.k_h, layer.k_w)]
    _, rows, columns, c_out = layer.output_shape
    if layer.padding == "same":
        total = [
            max(0, (out - 1) * layer.stride + r - size)
            for out, r, size in zip((rows, columns), reach, (layer.in_h, layer.in_w))
        ]
        x = np.pad(x, [(0, 0), *((t // 2, t - t // 2) for t in total), (0, 0)])
    group_in, group_out = layer.c_in // layer.groups, c_out // layer.groups
    y = np.zeros(layer.output_shape)
    for row, column, channel in np.ndindex(rows, columns, c_out):
        first = channel // group_out * group_in
        for i, j in np.ndindex(layer.k_h, layer.k_w):
            at = (
                row * layer.stride + i * layer.dilation,
                column * layer.stride + j * layer.dilation,
            )
            patch = x[:, at[0], at[1], first : first + group_in]
            y[:, row, column, channel] += patch @ w[i, j, :, channel]
    return y


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("stride", "dilation", "groups"), [(1, 1, 1), (2, 1, 2), (1, 2, 1)])
def test_the_operation_is_the_convolution_by_definition(padding, stride, dilation, groups):
    layer = dataclasses.replace(
        CONV, padding=padding, stride=stride, dilation=dilation, groups=groups
    )
    rng = np.random.default_rng(0)
    x, w = (
        rng.standard_normal(s).astype("float32") for s in (layer.input_shape, layer.weight_shape)
    )
    expected = _convolution_by_hand(x, w, layer)
    np.testing.assert_allclose(operation(layer)(x, w), expected, rtol=1e-4, atol=1e-5)


def test_the_operation_is_the_matrix_product():
    x, w = np.random.default_rng(0).standard_normal((2, 5, 5), dtype=np.float32)
    layer = LayerSpec(op="dense", batch=5, c_in=5, c_out=5)
    np.testing.assert_allclose(operation(layer)(x, w), x @ w, rtol=1e-5, atol=1e-6)


def test_products_side_by_side_are_those_of_each_group():
    layer = LayerSpec(op="dense", batch=5, c_in=12, c_out=8, groups=4)
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s, np.float32) for s in ((4, 5, 3), (4, 3, 2)))
    expected = np.stack([a @ b for a, b in zip(x, w)])
    np.testing.assert_allclose(operation(layer)(x, w), expected, rtol=1e-5, atol=1e-6)


def _work(programs):
    layer = programs.layer
    elements = (math.prod(layer.output_shape), math.prod(layer.input_shape))
    return work_in_loop(programs.hlo_text, elements[0], op=layer.op, input_elements=elements[1])


@pytest.mark.parametrize("steps", [0, 1, 3, 4, 11])
def test_steps_at_once_are_the_same_steps(steps):
    def double(x, w):
        return x + w  # with the swap on, each step doubles what both begin with

    x, w, y = jnp.ones(3), jnp.ones(3), jnp.zeros(3)
    found = jax.jit(chained_loop(double, at_once=4))(np.int32(steps), np.asarray(True), x, w, y)
    for operand in found[:2]:
        np.testing.assert_array_equal(operand, 2.0**steps)


def test_loops_on_a_gpu_hold_an_inner_one_whose_steps_are_known():
    gpu = SimpleNamespace(platform="gpu")
    layer = LayerSpec(op="dense", batch=64, c_in=64, c_out=64)
    texts = {}
    for device in (gpu, DEVICE):
        build = _loop_builder(layer, device)
        texts[device.platform] = compile_layer(layer, DEVICE, build).hlo_text
    known = re.findall(r'"known_trip_count":\{"n":"32"\}', texts["gpu"])
    assert len(known) == 1
    assert "known_trip_count" not in texts["cpu"]
    assert work_in_loop(texts["gpu"], 64 * 64) == "dot"


@pytest.mark.parametrize("layer", [*OTHERS, *HALVES], ids=str)
def test_every_step_of_the_loop_does_the_operation(layer):
    programs = _compiled(layer)
    assert _work(programs)
    loaded = programs.load(seed=0)
    x, w = np.asarray(loaded._x), np.asarray(loaded._w)
    loaded.loop(3)
    np.testing.assert_array_equal(loaded._x, x)
    np.testing.assert_array_equal(loaded._w, w)
    assert loaded._y.shape == layer.output_shape
    assert loaded._y.dtype == jnp.dtype(layer.dtype)
    tolerance = {"float32": 1e-4, "float16": 0.02, "bfloat16": 0.1}[layer.dtype]
    found = np.asarray(loaded._y, dtype="float64")
    np.testing.assert_allclose(found, _by_hand(x, w, layer), rtol=tolerance, atol=tolerance)
    assert loaded.is_finite()
    loaded.call()


@pytest.mark.parametrize("layer", OTHERS, ids=str)
def test_each_step_of_an_operation_depends_on_the_one_before(layer):
    programs = _compiled(layer)
    args = [np.array(a) for a in (programs.load(0)._x, programs.load(0)._w, programs.load(0)._y)]
    x, w, _ = programs.loop(np.int32(1), np.asarray(True), *map(jnp.asarray, args))
    first = np.asarray(operation(layer)(*map(jnp.asarray, args[:2]))).flat[0]
    # with the swap switched on, the first element of the result replaces a corner of both
    assert np.asarray(x).flat[0] == pytest.approx(first, rel=1e-5)
    assert np.asarray(w).flat[0] == pytest.approx(first.astype(layer.weight_dtype), rel=1e-5)


def _unused(apply):
    return lambda steps, swap, x, w, y: jax.lax.fori_loop(
        0, steps, lambda i, c: (apply(c[0], c[1]), c)[1], (x, w, y)
    )


def _invariant(apply):
    return lambda steps, swap, x, w, y: jax.lax.fori_loop(
        0, steps, lambda i, c: (c[0], c[1], apply(c[0], c[1])), (x, w, y)
    )


@pytest.mark.parametrize("bad_loop", [_unused, _invariant])
@pytest.mark.parametrize("layer", OTHERS, ids=str)
def test_an_operation_that_the_compiler_deletes_is_not_in_the_loop(layer, bad_loop):
    assert _work(compile_layer(layer, DEVICE, build_loop=bad_loop)) is None


@pytest.mark.parametrize("layer", [*LAYERS, *GRADIENTS], ids=str)
def test_every_step_of_the_loop_does_the_layer(layer):
    programs = _compiled(layer)
    assert _work(programs)
    loaded = programs.load(seed=0)
    x, w = np.asarray(loaded._x), np.asarray(loaded._w)
    loaded.loop(3)
    np.testing.assert_array_equal(loaded._x, x)
    np.testing.assert_array_equal(loaded._w, w)
    expected = np.asarray(operation(layer)(x, w), dtype="float64")
    tolerance = 0.02 if layer.dtype == "bfloat16" else 1e-4
    np.testing.assert_allclose(
        np.asarray(loaded._y, dtype="float64"), expected, rtol=tolerance, atol=tolerance
    )
    assert loaded.is_finite()
    loaded.call()


@pytest.mark.parametrize("layer", [*LAYERS, *OTHERS], ids=str)
@pytest.mark.skipif(DEVICE.platform != "cpu", reason="layouts of other devices may need copies")
def test_no_step_copies_an_operand_or_the_result(layer):
    text = _compiled(layer).hlo_text
    assert re.search(r"\swhile\(", text)
    copied = re.findall(r"=\s*\w+\[([\d,]*)\]\S*\s+copy(?:-start)?\(", text)
    items = sum(math.prod(int(size) for size in shape.split(",") if size) for shape in copied)
    assert items <= 0.05 * layer.operand_bytes / layer.item_bytes


def test_each_step_depends_on_the_one_before():
    layer = LayerSpec(op="dense", batch=2, c_in=2, c_out=2)
    programs = compile_layer(layer, DEVICE)
    x, w = np.asarray([[2.0, 0.0], [0.0, 1.0]], "float32"), np.eye(2, dtype="float32")
    args = (jnp.asarray(x), jnp.asarray(w), jnp.zeros((2, 2), "float32"))
    # with the swap switched on, the first element of the result replaces both operands
    _, _, y = programs.loop(np.int32(3), np.asarray(True), *args)
    np.testing.assert_allclose(y, np.full((2, 2), 2 * 8.0**2))


def test_operands_are_random_and_follow_the_seed():
    programs = compile_layer(LAYERS[0], DEVICE)
    first, again, other = (np.asarray(programs.load(seed)._x) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert abs(first.std() - 1) < 0.1


def test_memory_is_at_least_that_of_the_operands():
    layer = LayerSpec(op="dense", batch=100, c_in=100, c_out=100)
    programs = compile_layer(layer, DEVICE)
    assert 3 * 100 * 100 * 4 <= programs.memory_bytes < 10 * 3 * 100 * 100 * 4
    assert programs.compile_s > 0


def test_a_result_that_overflows_is_not_finite():
    loaded = compile_layer(LayerSpec(op="dense", c_in=4, c_out=4), DEVICE).load(0)
    loaded._x = jnp.full((1, 4), 1e38, "float32")
    loaded._w = jnp.full((4, 4), 1e38, "float32")
    loaded.loop(1)
    assert not loaded.is_finite()


def test_float64_needs_64_bits_enabled():
    layer = LayerSpec(op="dense", batch=2, c_in=3, c_out=4, dtype="float64")
    with jax.enable_x64(False), pytest.raises(ValueError, match="JAX_ENABLE_X64=1"):
        compile_layer(layer, DEVICE)
    with jax.enable_x64(True):
        loaded = compile_layer(layer, DEVICE).load(0)
        loaded.loop(2)
        assert loaded._y.dtype == np.float64


def test_strict_rank_promotion_is_respected():
    with jax.numpy_rank_promotion("raise"):
        program = compile_layer(CONV, DEVICE)
        program.load(0).loop(1)
        with pytest.raises(ValueError, match="rank_promotion"):
            jax.numpy.ones((2, 3)) + jax.numpy.ones(3)


def test_the_update_of_an_operand_is_large_enough_to_be_in_place():
    assert _head((1, 20, 20, 3), 128) == (1, 3, 20, 3)
    assert _head((3, 3, 3, 3), 128) == (3, 3, 3, 3)
    assert _head((4096, 4096), 128) == (1, 128)


def test_every_operation_of_the_table_can_be_built_and_proved():
    assert _BUILDERS.keys() == {*MEASURED}
    assert PARTS.keys() == {*MEMORY_BOUND}


@pytest.mark.parametrize("layer", GRADIENTS, ids=str)
def test_a_gradient_is_the_adjoint_of_the_convolution_by_definition(layer):
    """<conv(x, w), y> is <x, gradient by x> and <w, gradient by w> for any x, w and y."""
    forward = dataclasses.replace(layer, op="conv2d")
    rng = np.random.default_rng(0)
    shapes = (forward.input_shape, forward.weight_shape, forward.output_shape)
    x, w, y = (rng.standard_normal(shape).astype("float32") for shape in shapes)
    expected = np.vdot(_convolution_by_hand(x, w, forward), y)
    by_input = layer.op == CONV2D_GRADIENTS[0]
    operands, other = ((y, w), x) if by_input else ((x, y), w)
    assert [a.shape for a in operands] == [layer.input_shape, layer.weight_shape]
    found = operation(layer)(*map(jnp.asarray, operands))
    assert found.shape == other.shape == layer.output_shape
    np.testing.assert_allclose(np.vdot(found, other), expected, rtol=1e-4)
    assert (layer.flops, layer.bytes_moved) == (forward.flops, forward.bytes_moved)


# Of grouped ones by their weights XLA makes convolutions of another kind, in a loop and outside.
@pytest.mark.parametrize(
    "layer", [x for x in GRADIENTS if x.groups == 1 or x.op != CONV2D_GRADIENTS[1]], ids=str
)
def test_a_gradient_in_the_loop_is_laid_out_as_in_a_program(layer):
    """XLA lays out convolutions anew on a CPU, batch first and channels last, but not in loops."""
    programs = _compiled(layer)
    x, w = (jnp.ones(shape) for shape in (layer.input_shape, layer.weight_shape))
    own = jax.jit(operation(layer)).lower(x, w).compile().as_text()
    in_loop, outside = (
        set(re.findall(r" convolution\(.*dim_labels=(\S+?)[,\s]", text))
        for text in (programs.hlo_text, own)
    )
    assert in_loop == outside

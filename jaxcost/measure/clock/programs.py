"""The compiled programs of one layer: the isolated call, and the chained loop."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxcost._support.messages import refused
from jaxcost.measure.clock.operations import Operation, in_usual_layout, operation
from jaxcost.measure.layers import LayerSpec
from jaxcost.workload.gradients import CONV2D_GRADIENTS
from jaxcost.workload.item_sizes import item_bytes

Loop = Callable[[ArrayLike, ArrayLike, Array, Array, Array], tuple[Array, Array, Array]]

# XLA 0.11.1 rewrites the whole array for an in-loop update below some 480 bytes on a CPU.
_UPDATE_BYTES = 512
_RANDOM_ITEMS = 1 << 20
# XLA's GPU runtime copies a loop's condition to the host before each step, and waits for it, unless
# it knows the number of steps when it compiles (`WhileThunk::ExecuteOnStream` in xla). Some 15 us a
# step would hide every small layer, so that only every 32nd step of the loop is such a one.
_STEPS_AT_ONCE = 32


def chained_loop(
    apply: Operation,
    as_bits: bool = False,
    apart: bool = False,
    barrier: bool = False,
    at_once: int = 1,
) -> Loop:
    """A loop of `steps` applications in which none can be skipped, merged or moved out.

    After each application the first few hundred bytes of *both* operands are replaced, in place,
    by `where(swap, result[0], themselves)`. `swap` is an argument that is always false, so the
    values never change, but the compiler cannot know it: each step depends on the one before, and
    no transform of an operand can be hoisted out of the loop. The operands and the result
    are carried, and are to be donated, so that none of them is copied.

    Args:
        apply: the operation.
        apart: replace within a conditional that takes the whole result. Otherwise XLA computes
            the result of a cheap operation again for its first element, knows no order between
            that and the update of the operand, and copies the operand in every step.
        barrier: keep what replaces out of the operation's own kernel. On a GPU XLA fuses the two,
            which then writes the whole operand anew in every step; there a conditional costs more
            than it saves, and barriers last until kernels are made, as they do not on a CPU.
        as_bits: carry operands of 2 bytes as integers. XLA 0.10 turns an update of a bfloat16
            array into one of a float32 array on a CPU, and then copies all of it.
        at_once: steps of an inner loop, whose number the compiler knows; what is left of `steps`
            follows one by one.
    Returns:
        A function of steps (int32, traced), swap (bool), x, w and a buffer for y; it returns x, w
        and the last y.
    """

    def packed(array: Array) -> Array:
        return lax.bitcast_convert_type(array, jnp.uint16) if as_bits else array

    def unpacked(bits: Array, dtype: Any) -> Array:
        return lax.bitcast_convert_type(bits, dtype) if as_bits else bits

    def loop(steps: ArrayLike, swap: ArrayLike, x: Array, w: Array, y: Array) -> Any:
        def tied(bits_x: Array, bits_w: Array, y: Array) -> tuple[Array, Array]:
            first = packed(lax.slice(y, (0,) * y.ndim, (1,) * y.ndim).reshape(()))
            return tie(bits_x, swap, first), tie(bits_w, swap, first)

        def step(_: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            bits_x, bits_w, _ = carry
            y = apply(unpacked(bits_x, x.dtype), unpacked(bits_w, w.dtype))
            y = lax.optimization_barrier(y) if barrier else y
            if apart:
                return *lax.cond(swap, tied, lambda x, w, y: (x, w), bits_x, bits_w, y), y
            return *tied(bits_x, bits_w, y), y

        def many(_: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            return lax.fori_loop(0, at_once, step, carry)

        carry, rest = (packed(x), packed(w), y), steps
        if at_once > 1:
            carry = lax.fori_loop(0, lax.div(steps, np.int32(at_once)), many, carry)
            rest = lax.rem(steps, np.int32(at_once))
        bits_x, bits_w, y = lax.fori_loop(0, rest, step, carry)
        return unpacked(bits_x, x.dtype), unpacked(bits_w, w.dtype), y

    return loop


@dataclasses.dataclass(frozen=True)
class Programs:
    """What was compiled for one layer.

    Args:
        call, loop: the executables.
        hlo_text: the optimised module of the loop.
        memory_bytes: operands, result and scratch memory of the larger executable, in bytes.
        compile_s: time taken to compile both, in s.
    """

    layer: LayerSpec
    call: Callable[..., Any]
    loop: Callable[..., Any]
    hlo_text: str
    memory_bytes: int
    compile_s: float
    device: jax.Device

    def load(self, seed: int) -> "LoadedLayer":
        """The programs with random operands on the device, ready to run."""
        return LoadedLayer(self, seed)


class LoadedLayer:
    """A layer's programs with operands in memory; every method returns when the device is done."""

    def __init__(self, programs: Programs, seed: int) -> None:
        layer = programs.layer
        put = functools.partial(jax.device_put, device=programs.device, may_alias=False)
        self._programs = programs
        self._swap = put(np.asarray(False))
        self._x = put(_random(layer.input_shape, layer.dtype, seed, 1.0))
        self._w = put(_weights(layer, seed + 1))
        self._y = put(np.zeros(layer.output_shape, jnp.dtype(layer.dtype)))
        jax.block_until_ready((self._x, self._w, self._y))

    def call(self) -> None:
        """One isolated call."""
        self._programs.call(self._x, self._w).block_until_ready()

    def loop(self, steps: int) -> None:
        """One call of the loop with `steps` steps."""
        carry = self._programs.loop(np.int32(steps), self._swap, self._x, self._w, self._y)
        self._x, self._w, self._y = jax.block_until_ready(carry)

    def is_finite(self) -> bool:
        """Whether every element of the last loop's result is finite."""
        return bool(np.isfinite(np.asarray(self._y)).all())


def compile_layer(
    layer: LayerSpec,
    device: jax.Device,
    build_loop: Callable[[Operation], Loop] | None = None,
) -> Programs:
    """Compiles the call and the loop of a layer ahead of time.

    Args:
        layer: what to compile.
        device: for which device.
        build_loop: makes the timing loop; given only to show that bad loops are caught.
    Raises:
        ValueError: a float64 layer while JAX has only 32 bits enabled.
    """
    if layer.dtype == "float64" and not jax.config.read("jax_enable_x64"):
        allowed = "another dtype, or set JAX_ENABLE_X64=1"
        raise ValueError(refused("dtype", layer.dtype, allowed))
    start = time.perf_counter()
    x, w, y = (
        jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))
        for shape, dtype in (
            (layer.input_shape, layer.dtype),
            (layer.weight_shape, layer.weight_dtype),
            (layer.output_shape, layer.dtype),
        )
    )
    apply = operation(layer)
    if device.platform == "cpu" and layer.op in CONV2D_GRADIENTS:
        apply = in_usual_layout(apply)
    if build_loop is None:
        build_loop = _loop_builder(layer, device)
    with jax.default_device(device):
        steps, swap = np.int32(1), np.asarray(False)
        looped = jax.jit(build_loop(apply), donate_argnums=(2, 3, 4))
        lowered = jax.jit(apply).lower(x, w), looped.lower(steps, swap, x, w, y)
        call, loop = _compiled(lowered, device)
    elapsed = time.perf_counter() - start
    needed = max(memory_bytes(call), memory_bytes(loop), layer.operand_bytes)
    return Programs(layer, call, loop, loop.as_text() or "", needed, elapsed, device)


def _compiled(lowered: Sequence[Any], device: jax.Device) -> list[Any]:
    """The executables; side by side on a CPU alone, since elsewhere compiling times candidates."""
    if device.platform != "cpu":
        return [program.compile() for program in lowered]
    with ThreadPoolExecutor(len(lowered)) as pool:
        return list(pool.map(lambda program: program.compile(), lowered))


def _loop_builder(layer: LayerSpec, device: jax.Device) -> Callable[[Operation], Loop]:
    if device.platform != "cpu":
        return functools.partial(chained_loop, barrier=True, at_once=_STEPS_AT_ONCE)
    if layer.is_product:
        return functools.partial(chained_loop, as_bits=layer.dtype == "bfloat16")
    return functools.partial(chained_loop, apart=True)


def tie(operand: Array, swap: ArrayLike, value: Array) -> Array:
    """The operand with its first few hundred bytes replaced, in place, where `swap` is true."""
    shape = _head(operand.shape, -(-_UPDATE_BYTES // int(item_bytes(operand.dtype))))
    origin = (0,) * operand.ndim
    kept = lax.slice(operand, origin, shape)
    other = jnp.broadcast_to(value.astype(operand.dtype), shape)
    choice = lax.select(jnp.broadcast_to(swap, shape), other, kept)
    return lax.dynamic_update_slice(operand, choice, origin)


def _head(shape: tuple[int, ...], items: int) -> tuple[int, ...]:
    """The shape of a flat first corner that holds `items` items or more, or all there are."""
    head = []
    for size in reversed(shape):
        head.append(min(size, items))
        items = -(-items // head[-1])
    return tuple(reversed(head))


@functools.lru_cache(maxsize=8)
def _noise(dtype: str, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(_RANDOM_ITEMS, dtype=np.float32)
    return values.astype(jnp.dtype(dtype))


def _random(shape: tuple[int, ...], dtype: str, seed: int, scale: float) -> np.ndarray:
    block = (_noise(dtype, seed) * scale).astype(jnp.dtype(dtype))
    return np.resize(block, shape)


def _weights(layer: LayerSpec, seed: int) -> np.ndarray:
    if layer.op == "gather":
        few = min(layer.batch, _RANDOM_ITEMS)
        indices = np.random.default_rng(seed).integers(layer.c_in, size=few, dtype=np.int32)
        return np.resize(indices, layer.weight_shape)
    return _random(layer.weight_shape, layer.dtype, seed, 1 / math.sqrt(layer.fan_in))


def memory_bytes(compiled: Any) -> int:
    """What running an executable needs, in bytes; 0 where XLA does not tell."""
    stats = compiled.memory_analysis()
    if stats is None:
        return 0
    names = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
    return sum(getattr(stats, name, 0) for name in names) - getattr(stats, "alias_size_in_bytes", 0)

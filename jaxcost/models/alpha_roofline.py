"""The latency model to use: α-FLOPs' serial work, a roofline, and a floor."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcost._support.sizes import Scalar
from jaxcost.device import Device
from jaxcost.models import gradients_on_cpu
from jaxcost.models.alpha_flops import kernel_size_term
from jaxcost.models.base import LayerwiseCost, parameter
from jaxcost.workload import Workload, counts
from jaxcost.workload.tiles import whole

_INF = jnp.inf
_VECTOR_BYTES = 16  # what processors and tensor cores load at once
_TENSOR_CORE_BYTES = 2  # they multiply items of 16 bits and fewer, and float32 not at all
_WINOGRAD_TILE = 4  # outputs a side, in the larger of the two algorithms of cuDNN
_LEAST = 1e-6  # far below one channel, one FLOP, one byte


class AlphaRoofline(LayerwiseCost):
    """Latency of dense and convolutional layers on any device, in seconds.

        cost    = smooth_max(start, busy + (1 - hidden) stream)
        start   = floor + term_latency * c_in k_h k_w / groups   before the first result is there
        busy    = smooth_max(work, traffic + hidden stream)
        work    = flops / (rate * efficiency)                arithmetic, shared by parallel units
        traffic = (input bytes + output bytes) / bandwidth   overlaps with arithmetic
        stream  = weight bytes / weight bandwidth            serial, as far as it is not hidden

    α-FLOPs' equation 5 with gamma = 1 is a part of the work that grows with S = batch * out_h *
    out_w and a part that does not. The second is in proportion to the weights: it is the time to
    stream them, which on the authors' GPU runs at the memory's bandwidth for kernels of one
    element and, as their S_K = 1 + ln(k_h * k_w) says, ever slower for larger ones. So that part
    is `stream`, with a bandwidth of its own, and what it lacked are the floor and the traffic.

    Of dense layers of 16 bits or fewer, which tensor cores multiply while the next operands are
    on their way, most of the stream hides; of others none does, as nine GPUs show. A layer's
    results all wait for one sum, whose terms are added one after the other: `term_latency`.

    Dense layers lose efficiency where any of their sizes is small:
        1 / efficiency = (1 + half_rows / rows) (1 + half_inputs / c_in) (1 + half_outputs / c_out)
    Convolutions with kernels above one element, where channels are few:
        1 / efficiency = 1 + half_run / (c_in k_w) + half_c_out / c_out
    c_in k_w being the values that lie side by side in memory; half_c_out, the price of gathering
    patches that all outputs then share, is higher by `misaligned` where the channels of a pixel do
    not fill vectors of 16 bytes;
    and grouped ones, by channels of a group, c_in weighed with the kernel:
        1 / efficiency = (1 + half_taps_grouped * groups / (c_in k_h k_w))
                       * (1 + half_c_out_grouped * groups / c_out)
    Winograd's algorithm, by which accelerators compute kernels of 3 by 3 and stride 1, fills the
    output up to tiles of 4 by 4, and `tile_waste` is the share of that filling it works for.
    Gradients of grouped convolutions are priced by what XLA's CPU backend computes for them.

    smooth_max(a, b) = (a**p + b**p) ** (1/p) with p = 1 + sharpness, and with the start 1 +
    sharpness * start_sharpness: differentiable everywhere.

    Args: each a scalar, >= 0; units below. Ratios are believed to be near a typical value, and
        the floor and the bandwidth near the fastest layers measured, before the data speak, so that
        a table without grouped, small or memory-bound layers leaves no wild values.
    Valid for: dense layers and 2-D convolutions in one precision on the device it was fitted on.
    Source: ours, from Asperti, Evangelista, Marzolla (2021), eq. 5; Lavin, Gray (2016), Fast
        algorithms for convolutional neural networks, F(4x4, 3x3); chosen by cross-validation
        within and across sweeps and on others' GPUs, see experiments/accuracy.
    """

    unit: ClassVar[str] = "s"

    rate: Scalar = parameter(0, _INF, unit="FLOP/s", doc="arithmetic rate of large dense layers")
    conv_ratio: Scalar = parameter(
        0, _INF, unit="1", doc="rate of 1x1 convolutions, relative to dense", start=1.0, spread=0.2
    )
    spatial_ratio: Scalar = parameter(
        0, _INF, unit="1", doc="rate of larger kernels, relative to dense", start=1.0, spread=0.5
    )
    grouped_ratio: Scalar = parameter(
        0,
        _INF,
        unit="1",
        doc="rate of grouped convolutions, relative to dense",
        start=1.0,
        spread=1.5,
    )
    bandwidth: Scalar = parameter(
        0, _INF, unit="B/s", doc="rate of moving inputs and outputs", spread=2.0
    )
    weight_ratio: Scalar = parameter(
        0,
        _INF,
        unit="1",
        doc="rate of streaming weights, relative to bandwidth",
        start=1.0,
        spread=0.7,
    )
    spatial_weight_ratio: Scalar = parameter(
        0, _INF, unit="1", doc="the same for larger kernels, relative to 1x1", start=0.4, spread=1.0
    )
    kernel_exponent: Scalar = parameter(
        0,
        _INF,
        unit="1",
        doc="how streaming slows with S_K, for larger kernels",
        start=1.0,
        spread=0.5,
    )
    half_run: Scalar = parameter(
        0,
        _INF,
        unit="values",
        doc="inputs side by side, c_in k_w, that halve the rate",
        start=30.0,
        spread=1.0,
    )
    half_c_out: Scalar = parameter(
        0, _INF, unit="channels", doc="output channels that halve the rate", start=10.0, spread=1.0
    )
    misaligned: Scalar = parameter(
        0,
        _INF,
        unit="1",
        doc="factor on the latter where inputs do not fill 16 bytes",
        start=1.5,
        spread=0.7,
    )
    half_taps_grouped: Scalar = parameter(
        0, _INF, unit="taps", doc="taps of a group that halve the rate", start=10.0, spread=1.5
    )
    half_c_out_grouped: Scalar = parameter(
        0,
        _INF,
        unit="channels",
        doc="outputs of a group that halve the rate",
        start=20.0,
        spread=1.5,
    )
    floor: Scalar = parameter(0, _INF, unit="s", doc="time of the smallest layer", spread=4.0)
    sharpness: Scalar = parameter(
        0,
        _INF,
        unit="1",
        doc="how completely traffic hides behind arithmetic",
        start=3.0,
        spread=0.5,
    )
    half_rows: Scalar = parameter(
        0,
        _INF,
        unit="rows",
        doc="rows that halve the rate of dense layers",
        start=1.0,
        spread=0.5,
        absent=0.0,
    )
    half_inputs: Scalar = parameter(
        0,
        _INF,
        unit="channels",
        doc="inputs that halve the rate of dense layers",
        start=4.0,
        spread=0.5,
        absent=0.0,
    )
    half_outputs: Scalar = parameter(
        0,
        _INF,
        unit="channels",
        doc="outputs that halve the rate of dense layers",
        start=4.0,
        spread=0.5,
        absent=0.0,
    )
    hidden: Scalar = parameter(
        0,
        1,
        unit="1",
        doc="share of the streaming that hides, in dense layers of 16 bits or fewer",
        start=0.95,
        spread=0.5,
        absent=0.0,
    )
    tile_waste: Scalar = parameter(
        0,
        _INF,
        unit="1",
        doc="share of what fills up Winograd's tiles that is worked for",
        start=1.0,
        spread=0.3,
        absent=0.0,
    )
    term_latency: Scalar = parameter(
        0,
        _INF,
        unit="s",
        doc="by which each term of an output's sum delays it",
        start=3e-10,
        spread=1.0,
        absent=0.0,
    )
    start_sharpness: Scalar = parameter(
        0,
        _INF,
        unit="1",
        doc="how completely the start hides behind the rest, relative to sharpness",
        start=0.5,
        spread=1.0,
        absent=1.0,
    )

    def layer_cost(self, layer: Workload, device: Device) -> Float[Array, ""]:
        """Latency of one layer, in seconds."""
        if device.platform == "cpu":
            loops = gradients_on_cpu.flops_of_loops(layer)
            kernel = self._of_kernel(gradients_on_cpu.as_computed(layer), device)
            cores = 1.0 if device.compute_units is None else device.compute_units
            return jnp.where(loops > 0, loops * cores / self.rate, kernel)
        return self._of_kernel(layer, device)

    def _of_kernel(self, layer: Workload, device: Device) -> Float[Array, ""]:
        work = self._log_work(layer)
        if device.platform != "cpu":
            work = work + jnp.log1p(self.tile_waste * _filling(layer))
        stream = self._log_stream(layer)
        hidden = jnp.where(_on_tensor_cores(layer), self.hidden, 0.0)
        moved = jnp.logaddexp(self._log_traffic(layer), stream + _log(hidden))
        busy = _smooth_max(work, moved, self.sharpness)
        total = jnp.logaddexp(busy, stream + _log(1 - hidden))
        start = jnp.log(self.floor + self.term_latency * _terms(layer))
        return jnp.exp(_smooth_max(total, start, self.sharpness * self.start_sharpness))

    def _log_work(self, layer: Workload) -> Float[Array, ""]:
        taps = layer.k_h * layer.k_w
        kind = jnp.where(
            taps > 1, self.spatial_ratio, jnp.where(layer.is_dense > 0, 1, self.conv_ratio)
        )
        few = jnp.where(taps > 1, self._few(layer), 1.0)
        dense = (layer.is_dense > 0) & (layer.c_in > 0)  # what is no product has no sizes
        few = jnp.where(dense, self._few_dense(layer), few)
        grouped = self.grouped_ratio / self._few_grouped(layer)
        apart = (layer.groups > 1) & (layer.is_dense == 0) & (layer.c_in > 0)
        ratio = jnp.where(apart, grouped, kind / few)
        return _log(counts.flops(layer)) - jnp.log(self.rate) - jnp.log(ratio)

    def _few_dense(self, layer: Workload) -> Array:
        rows = layer.batch * layer.out_h * layer.out_w
        few = 1 + self.half_rows / rows
        few = few * (1 + self.half_inputs * layer.groups / jnp.maximum(layer.c_in, _LEAST))
        return few * (1 + self.half_outputs * layer.groups / jnp.maximum(layer.c_out, _LEAST))

    def _few(self, layer: Workload) -> Array:
        run = jnp.maximum(layer.c_in, _LEAST) * layer.k_w
        half_c_out = self.half_c_out * jnp.where(_fills_vectors(layer), 1, self.misaligned)
        return 1 + self.half_run / run + half_c_out / jnp.maximum(layer.c_out, _LEAST)

    def _few_grouped(self, layer: Workload) -> Array:
        few = 1 + self.half_taps_grouped / jnp.maximum(_terms(layer), _LEAST)
        c_out = jnp.maximum(layer.c_out / layer.groups, _LEAST)
        return few * (1 + self.half_c_out_grouped / c_out)

    def _log_traffic(self, layer: Workload) -> Float[Array, ""]:
        moved = counts.input_bytes(layer) + counts.output_bytes(layer) + layer.other_bytes
        return _log(moved) - jnp.log(self.bandwidth)

    def _log_stream(self, layer: Workload) -> Float[Array, ""]:
        slowing = jnp.log(self.spatial_weight_ratio)
        slowing = slowing - self.kernel_exponent * jnp.log(kernel_size_term(layer))
        log_rate = jnp.log(self.bandwidth) + jnp.log(self.weight_ratio)
        log_rate = log_rate + jnp.where(layer.k_h * layer.k_w > 1, slowing, 0)
        return _log(counts.weight_bytes(layer)) - log_rate


def _terms(layer: Workload) -> Array:
    """How many products each output sums up; 0 where the row is no product."""
    return layer.c_in * layer.k_h * layer.k_w / layer.groups


def _on_tensor_cores(layer: Workload) -> Array:
    return (layer.is_dense > 0) & (layer.item_bytes <= _TENSOR_CORE_BYTES)


def _filling(layer: Workload) -> Array:
    """What fills the outputs up to whole tiles of Winograd's, relative to them; else 0."""
    square = (layer.k_h == 3) & (layer.k_w == 3) & (layer.groups == 1) & (layer.dilation == 1)
    stride_1 = 2 * layer.out_h > layer.in_h
    tiles = _whole_tiles(layer.out_h) * _whole_tiles(layer.out_w) / (layer.out_h * layer.out_w)
    return jnp.where(square & stride_1, tiles - 1, 0)


def _whole_tiles(size: Array) -> Array:
    return _WINOGRAD_TILE * jax.lax.stop_gradient(whole(size / _WINOGRAD_TILE))


def _fills_vectors(layer: Workload) -> Array:
    """Whether a pixel's channels fill whole vectors; for a width between integers, the nearest."""
    return jnp.mod(jnp.round(layer.c_in) * layer.item_bytes, _VECTOR_BYTES) == 0


def _log(amount: Array) -> Float[Array, ""]:
    """ln, finite also where a row, being no product, has none of it."""
    return jnp.log(jnp.maximum(amount, _LEAST))


def _smooth_max(log_a: Array, log_b: Array, sharpness: Scalar) -> Float[Array, ""]:
    """ln of (a**p + b**p) ** (1/p), p = 1 + sharpness: a sum at p = 1, the maximum as p grows."""
    power = 1 + sharpness
    return jnp.logaddexp(power * log_a, power * log_b) / power

"""The latency model to use: α-FLOPs' serial work, a roofline, and a floor."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcost._support.sizes import Scalar
from jaxcost.device import Device
from jaxcost.models.alpha_flops import kernel_size_term
from jaxcost.models.base import LayerwiseCost, parameter
from jaxcost.workload import Workload, counts

_INF = jnp.inf
_VECTOR_BYTES = 16  # what processors and tensor cores load at once
_LEAST = 1e-6  # far below one channel, one FLOP, one byte


class AlphaRoofline(LayerwiseCost):
    """Latency of dense and convolutional layers on any device, in seconds.

        cost   = smooth_max(floor, smooth_max(work, traffic) + stream)
        work    = flops / (rate * efficiency)                arithmetic, shared by parallel units
        traffic = (input bytes + output bytes) / bandwidth   overlaps with arithmetic
        stream  = weight bytes / weight bandwidth            does not: it is serial

    α-FLOPs' equation 5 with gamma = 1 is a part of the work that grows with S = batch * out_h *
    out_w and a part that does not. The second is in proportion to the weights: it is the time to
    stream them, which on the authors' GPU runs at the memory's bandwidth for kernels of one
    element and, as their S_K = 1 + ln(k_h * k_w) says, ever slower for larger ones. So that part
    is `stream`, with a bandwidth of its own, and what it lacked are the floor and the traffic.

    Convolutions with kernels above one element lose efficiency where channels are few:
        1 / efficiency = 1 + half_run / (c_in k_w) + half_c_out / c_out
    c_in k_w being the values that lie side by side in memory; half_c_out, the price of gathering
    patches that all outputs then share, is higher by `misaligned` where the channels of a pixel do
    not fill vectors of 16 bytes;
    and grouped ones, by channels of a group, c_in weighed with the kernel:
        1 / efficiency = (1 + half_taps_grouped * groups / (c_in k_h k_w))
                       * (1 + half_c_out_grouped * groups / c_out)

    smooth_max(a, b) = (a**p + b**p) ** (1/p) with p = 1 + sharpness: differentiable everywhere.

    Args: each a scalar, > 0; units below. Ratios are believed to be near a typical value, and
        the floor near the fastest layers measured, before the data speak, so that a table without
        grouped or small layers leaves no wild values.
    Valid for: dense layers and 2-D convolutions in one precision on the device it was fitted on.
    Source: ours, from Asperti, Evangelista, Marzolla (2021), eq. 5; chosen by cross-validation
        within and across sweeps, see experiments/accuracy/latency_model.py.
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
    bandwidth: Scalar = parameter(0, _INF, unit="B/s", doc="rate of moving inputs and outputs")
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

    def layer_cost(self, layer: Workload, device: Device) -> Float[Array, ""]:
        """Latency of one layer, in seconds."""
        del device
        busy = _smooth_max(self._log_work(layer), self._log_traffic(layer), self.sharpness)
        total = jnp.logaddexp(busy, self._log_stream(layer))
        return jnp.exp(_smooth_max(total, jnp.log(self.floor), self.sharpness))

    def _log_work(self, layer: Workload) -> Float[Array, ""]:
        taps = layer.k_h * layer.k_w
        grouped, spatial = layer.groups > 1, taps > 1
        c_in, c_out = (jnp.maximum(c / layer.groups, _LEAST) for c in (layer.c_in, layer.c_out))
        few_grouped = (1 + self.half_taps_grouped / (c_in * taps)) * (
            1 + self.half_c_out_grouped / c_out
        )
        half_c_out = self.half_c_out * jnp.where(_fills_vectors(layer), 1, self.misaligned)
        run = c_in * layer.k_w
        few = jnp.where(spatial, 1 + self.half_run / run + half_c_out / c_out, 1.0)
        kind = jnp.where(
            spatial, self.spatial_ratio, jnp.where(layer.is_dense > 0, 1, self.conv_ratio)
        )
        ratio = jnp.where(grouped, self.grouped_ratio / few_grouped, kind / few)
        return _log(counts.flops(layer)) - jnp.log(self.rate) - jnp.log(ratio)

    def _log_traffic(self, layer: Workload) -> Float[Array, ""]:
        moved = counts.input_bytes(layer) + counts.output_bytes(layer) + layer.other_bytes
        return _log(moved) - jnp.log(self.bandwidth)

    def _log_stream(self, layer: Workload) -> Float[Array, ""]:
        slowing = jnp.log(self.spatial_weight_ratio)
        slowing = slowing - self.kernel_exponent * jnp.log(kernel_size_term(layer))
        log_rate = jnp.log(self.bandwidth) + jnp.log(self.weight_ratio)
        log_rate = log_rate + jnp.where(layer.k_h * layer.k_w > 1, slowing, 0)
        return _log(counts.weight_bytes(layer)) - log_rate


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

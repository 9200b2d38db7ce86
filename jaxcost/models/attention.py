"""The latency model of attention in one kernel: arithmetic, bytes, and a floor."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcost._support.sizes import Scalar
from jaxcost.device import Device
from jaxcost.models.base import LayerwiseCost, parameter
from jaxcost.workload import Workload
from jaxcost.workload.memory_bound import ATTENTION

_INF = jnp.inf
_LEAST = 1e-6  # far below one byte, one FLOP


class Attention(LayerwiseCost):
    """Latency of attention, softmax(q kᵀ) v of all heads at once, in seconds.

        cost = (floor**p + work**p + traffic**p) ** (1/p),   p = 1 + sharpness
        work = flops / rate * (1 + half_tokens / tokens) * (1 + half_heads / (batch * heads))
        traffic = bytes moved / bandwidth

    the scores staying within the kernel, so that only queries, keys, values and results move.

    Args: each a scalar, >= 0; units below. All but the rate are believed to be near a typical
        value, or the fastest measured, before the data speak.
    Valid for: the operation `attention` of `jaxcost.workload.memory_bound` in one precision, on the
        device it was fitted on; anything else has no price (NaN).
    Source: ours, from Dao (2023), FlashAttention-2, section 3; checked on two GPUs, see
        experiments/accuracy.
    """

    unit: ClassVar[str] = "s"

    rate: Scalar = parameter(0, _INF, unit="FLOP/s", doc="arithmetic rate of long sequences")
    bandwidth: Scalar = parameter(
        0, _INF, unit="B/s", doc="rate of moving queries, keys, values, results", spread=2.0
    )
    floor: Scalar = parameter(0, _INF, unit="s", doc="time of the smallest", spread=4.0)
    sharpness: Scalar = parameter(
        0, _INF, unit="1", doc="how completely the lesser parts hide", start=2.0, spread=0.5
    )
    half_tokens: Scalar = parameter(
        0, _INF, unit="tokens", doc="tokens that halve the rate", start=128.0, spread=1.0
    )
    half_heads: Scalar = parameter(
        0, _INF, unit="heads", doc="heads of a batch that halve the rate", start=4.0, spread=1.0
    )

    def layer_cost(self, layer: Workload, device: Device) -> Float[Array, ""]:
        """Latency of one layer, in seconds."""
        del device
        tokens, heads = layer.out_h * layer.out_w, layer.batch * layer.groups
        few = (1 + self.half_tokens / tokens) * (1 + self.half_heads / heads)
        work = jnp.maximum(layer.other_flops, _LEAST) / self.rate * few
        traffic = jnp.maximum(layer.other_bytes, _LEAST) / self.bandwidth
        power = 1 + self.sharpness
        logs = power * jnp.log(jnp.stack([self.floor, work, traffic]))
        cost = jnp.exp(jnp.logaddexp.reduce(logs) / power)
        return jnp.where(layer.operation == ATTENTION, cost, jnp.nan)

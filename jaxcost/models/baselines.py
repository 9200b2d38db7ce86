"""The two models to beat: time in proportion to FLOPs, and the roofline."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcost._support.sizes import Scalar
from jaxcost.device import Device
from jaxcost.models.base import LayerwiseCost, parameter
from jaxcost.workload import Workload, counts


class FlopsOnly(LayerwiseCost):
    """Latency in proportion to FLOPs, in seconds: what most tools report.

        cost = flops / rate

    Args: rate: scalar, FLOP/s, > 0.
    Valid for: nothing in particular; a baseline.
    """

    unit: ClassVar[str] = "s"

    rate: Scalar = parameter(0, jnp.inf, unit="FLOP/s", doc="rate of every layer")

    def layer_cost(self, layer: Workload, device: Device) -> Float[Array, ""]:
        """Latency of one layer, in seconds."""
        del device
        return counts.flops(layer) / self.rate


class Roofline(LayerwiseCost):
    """Latency as the slower of arithmetic and memory traffic, in seconds.

        cost = max(flops / rate, bytes_moved / bandwidth)

    Args: each a scalar.
        rate: FLOP/s, > 0.
        bandwidth: B/s, > 0.
    Valid for: large layers that use the device in full; a baseline.
    Source: Williams, Waterman, Patterson (2009), Roofline: an insightful visual performance
        model for multicore architectures. Rate and bandwidth are fitted, not a data sheet's.
    """

    unit: ClassVar[str] = "s"

    rate: Scalar = parameter(0, jnp.inf, unit="FLOP/s", doc="rate when bound by arithmetic")
    bandwidth: Scalar = parameter(0, jnp.inf, unit="B/s", doc="rate when bound by memory")

    def layer_cost(self, layer: Workload, device: Device) -> Float[Array, ""]:
        """Latency of one layer, in seconds."""
        del device
        arithmetic = counts.flops(layer) / self.rate
        return jnp.maximum(arithmetic, counts.bytes_moved(layer) / self.bandwidth)

"""The latency model of what is no product: bytes over a bandwidth, and a floor."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcost._support.sizes import Scalar
from jaxcost.device import Device
from jaxcost.models.base import LayerwiseCost, parameter
from jaxcost.workload import Workload
from jaxcost.workload.memory_bound import ATTENTION, MEMORY_BOUND

_INF = jnp.inf
_LEAST = 1e-6  # far below one byte


def _ratio(of: str) -> Scalar:
    doc = f"rate of {of}, relative to elementwise operations"
    return parameter(0, _INF, unit="1", doc=doc, start=1.0, spread=1.5)


class MemoryBound(LayerwiseCost):
    """Latency of an operation that is no product, in seconds.

        cost = (floor**p + (bytes moved / bandwidth)**p) ** (1/p) / ratio,    p = 1 + sharpness

    with a ratio for each kind of operation, 1 for elementwise ones: a normalisation reads its
    input more often than once, a gather reads pieces, a pooling window overlaps the next. It
    divides the floor, too: what does more with each byte takes longer to begin and to end.

    Args: each a scalar, >= 0; units below. Ratios are believed to be near 1 before the data speak.
    Valid for: the operations of `jaxcost.workload.memory_bound` by themselves, in one precision, on
        the device it was fitted on; a product has no price (NaN).
    Source: ours, from Williams, Waterman, Patterson (2009), Roofline; checked on nine GPUs, see
        experiments/accuracy.
    """

    unit: ClassVar[str] = "s"

    bandwidth: Scalar = parameter(0, _INF, unit="B/s", doc="rate of large elementwise operations")
    floor: Scalar = parameter(0, _INF, unit="s", doc="time of the smallest operation", spread=4.0)
    sharpness: Scalar = parameter(
        0, _INF, unit="1", doc="how completely the floor hides", start=2.0, spread=0.5
    )
    addition: Scalar = _ratio("additions of two arrays")
    reduction: Scalar = _ratio("reductions")
    normalisation: Scalar = _ratio("normalisations")
    softmax: Scalar = _ratio("softmax")
    pooling: Scalar = _ratio("pooling")
    gather: Scalar = _ratio("gathers")

    def layer_cost(self, layer: Workload, device: Device) -> Float[Array, ""]:
        """Latency of one operation, in seconds."""
        del device
        power = 1 + self.sharpness
        log_moving = jnp.log(jnp.maximum(layer.other_bytes, _LEAST) / self.bandwidth)
        cost = jnp.exp(jnp.logaddexp(power * jnp.log(self.floor), power * log_moving) / power)
        known = (layer.operation > 0) & (layer.operation != ATTENTION)
        return jnp.where(known, cost / self._ratio(layer), jnp.nan)

    @property
    def mean_bandwidth(self) -> Array:
        """B/s of operations of all kinds as they come: the geometric mean over the kinds."""
        ratios = jnp.stack([jnp.asarray(getattr(self, op, 1.0)) for op in MEMORY_BOUND])
        return self.bandwidth * jnp.exp(jnp.mean(jnp.log(ratios)))

    def _ratio(self, layer: Workload) -> Array:
        """Of the layer's kind of operation."""
        ratios = [getattr(self, op, 1.0) for op in MEMORY_BOUND]
        kinds = [layer.operation == place for place in range(1, len(ratios) + 1)]
        return jnp.select(kinds, ratios, 1.0)

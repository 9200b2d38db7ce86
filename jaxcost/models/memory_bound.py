"""The latency model of what is no product: bytes over a bandwidth, and a floor."""

import functools
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcost._support.sizes import Scalar
from jaxcost.device import Device
from jaxcost.models.base import LayerwiseCost, parameter
from jaxcost.workload import Workload
from jaxcost.workload.memory_bound import ATTENTION, MEMORY_BOUND

_INF = jnp.inf
_SUMS = ("reduction", "normalisation", "softmax")  # over the channels of each position
_LEAST = 1e-6  # far below one byte
_NEVER = 1e30  # a rate or a size that no operation reaches
_STEP = 3.0  # of ten times what a cache holds 0.1 % stays in it, of a tenth nearly all


def _ratio(of: str) -> Scalar:
    doc = f"rate of {of}, relative to elementwise operations"
    return parameter(0, _INF, unit="1", doc=doc, start=1.0, spread=1.5)


class MemoryBound(LayerwiseCost):
    """Latency of an operation that is no product, in seconds.

        cost = ((floor / ratio)**p + busy**p) ** (1/p),    p = 1 + sharpness
        busy = ((bytes + row rows) / ratio + again / rereading + spilled beyond) / bandwidth

    with a ratio for each kind of operation, 1 for elementwise ones: a normalisation reads its
    input more often than once, a gather reads pieces. It divides the floor, too: what does more
    with each byte takes longer to begin and to end.

    What sums over channels begins and ends a row at every position. A pooling window that overlaps
    the next reads values again, one by one; where none overlaps, nothing is read `again`. Data
    larger than the `cache` come from main memory, and cost what lies `beyond` besides, whatever
    the operation does with them: `spilled` is bytes times a share that passes from 0 to 1 there.

    Args: each a scalar, >= 0; units below. Ratios are believed to be near a typical value before
        the data speak.
    Valid for: the operations of `jaxcost.workload.memory_bound` by themselves, in one precision, on
        the device it was fitted on; a product has no price (NaN).
    Source: ours, from Williams, Waterman, Patterson (2009), Roofline; checked on nine GPUs and a
        CPU, see experiments/accuracy.
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
    row: Scalar = parameter(
        0, _INF, unit="B", doc="bytes that a row costs besides", start=5.0, spread=2.5, absent=0.0
    )
    rereading: Scalar = parameter(
        0,
        _INF,
        unit="1",
        doc="rate of reading again where windows overlap, relative to elementwise operations",
        start=1.0,
        spread=1.5,
        absent=_NEVER,
    )
    cache: Scalar = parameter(
        0,
        _INF,
        unit="B",
        doc="data that the last cache holds",
        start=3e7,
        spread=1.0,
        absent=_NEVER,
    )
    beyond: Scalar = parameter(
        0,
        _INF,
        unit="1",
        doc="time of each byte that it does not hold, besides, relative to elementwise operations",
        start=0.05,
        spread=2.5,
        absent=0.0,
    )

    def layer_cost(self, layer: Workload, device: Device) -> Float[Array, ""]:
        """Latency of one operation, in seconds."""
        del device
        power, ratio = 1 + self.sharpness, self._ratio(layer)
        moved = jnp.maximum(layer.other_bytes, _LEAST)
        spilled = moved / (1 + (self.cache / moved) ** _STEP)
        worked = (moved + self.row * _rows(layer)) / ratio + _read_again(layer) / self.rereading
        log_busy = jnp.log((worked + self.beyond * spilled) / self.bandwidth)
        cost = jnp.exp(jnp.logaddexp(power * jnp.log(self.floor / ratio), power * log_busy) / power)
        known = (layer.operation > 0) & (layer.operation != ATTENTION)
        return jnp.where(known, cost, jnp.nan)

    @property
    def mean_bandwidth(self) -> Array:
        """B/s of operations of all kinds as they come, on data that no cache holds: the geometric
        mean over the kinds."""
        ratios = jnp.stack([jnp.asarray(getattr(self, op, 1.0)) for op in MEMORY_BOUND])
        return self.bandwidth * jnp.exp(-jnp.mean(jnp.log(1 / ratios + self.beyond)))

    def _ratio(self, layer: Workload) -> Array:
        """Of the layer's kind of operation."""
        ratios = [getattr(self, op, 1.0) for op in MEMORY_BOUND]
        kinds = [layer.operation == place for place in range(1, len(ratios) + 1)]
        return jnp.select(kinds, ratios, 1.0)


def _rows(layer: Workload) -> Array:
    """How many results a sum over the channels gives; 0 of what has no such sum."""
    sums = [layer.operation == MEMORY_BOUND.index(op) + 1 for op in _SUMS]
    return jnp.where(functools.reduce(jnp.logical_or, sums), _outputs(layer), 0.0)


def _outputs(layer: Workload) -> Array:
    return layer.batch * layer.out_h * layer.out_w


def _read_again(layer: Workload) -> Array:
    """Bytes that a pooling reads besides reading its input once."""
    inputs, outputs = layer.batch * layer.in_h * layer.in_w, _outputs(layer)
    channels = layer.other_bytes / layer.item_bytes / (inputs + outputs + 1)
    again = jnp.maximum(layer.other_flops - inputs * channels, 0.0) * layer.item_bytes
    return jnp.where(layer.operation == MEMORY_BOUND.index("pooling") + 1, again, 0.0)

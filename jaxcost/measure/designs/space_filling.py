"""Layers that fill the space of their sizes evenly, along a shifted Sobol sequence."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from jaxcost.measure.layers import LayerSpec, conv

DEFAULT_MEMORY_BYTES = 8e9
_OF_MEMORY = 1 / 16  # that the operands of one layer may take
_MOST_FLOPS = {"cpu": 4e9}
_MOST_FLOPS_ELSEWHERE = 4e11
_SEED = 20  # of the first kind's shift
_POINTS_LOG2 = 13

Point = tuple[float, ...]  # of the unit cube
Sizes = tuple[int, ...]


def spread(
    dimensions: int,
    build: Callable[[Point, int], LayerSpec],
    *,
    seed: int,
    count: int,
    fits: Callable[[LayerSpec], bool],
) -> list[LayerSpec]:
    """The first layers along a shifted Sobol sequence that are within limits, each once.

    Args:
        dimensions: of a point.
        build: a layer from a point and its number.
        seed: of the shift, keyword-only as are the others.
        count: how many layers.
        fits: whether a layer is within the limits; where not, the sequence goes on.
    """
    from scipy.stats import qmc

    points = qmc.Sobol(dimensions, scramble=False).random_base2(_POINTS_LOG2)
    shift = np.random.default_rng(seed).random(dimensions)  # else the first points are a grid
    found: dict[LayerSpec, None] = {}
    for number, point in enumerate(((points + shift) % 1).tolist()):
        if len(found) >= count:
            break
        layer = build(tuple(point), number)
        if fits(layer):
            found[layer] = None
    return list(found)


@dataclasses.dataclass(frozen=True)
class _Kind:
    """One kind of layer: how many, the range of each size, and how sizes become one."""

    count: int
    ranges: tuple[tuple[float, float], ...]
    build: Callable[[Sizes], LayerSpec]

    def at(self, point: Point, number: int) -> LayerSpec:
        """The layer at a point, even in the logarithm of every size, whatever its number."""
        del number
        low, high = np.log(np.array(self.ranges, dtype=float)).T
        sizes = np.rint(np.exp(low + np.array(point) * (high - low))).astype(int)
        return self.build(tuple(sizes.tolist()))


def space_filling(
    platform: str = "cpu", memory_bytes: float | None = None, *, share: float = 1.0
) -> list[LayerSpec]:
    """Convolutions, depthwise ones and matrix products, even in the logarithm of every size.

    Points whose operands or FLOPs are too many are left out.

    Args:
        platform: JAX's name of the device's kind.
        memory_bytes: of the device, in bytes; a layer's operands take a sixteenth at most. None:
            8 GB.
        share: of the 192 layers, in (0, 1], keyword-only.
    Returns:
        The same layers each time, in `sweep` "space_filling", a `line` for each kind.
    """
    most_bytes = _OF_MEMORY * (memory_bytes or DEFAULT_MEMORY_BYTES)
    most_flops = _MOST_FLOPS.get(platform, _MOST_FLOPS_ELSEWHERE)

    def fits(layer: LayerSpec) -> bool:
        return layer.operand_bytes <= most_bytes and layer.flops <= most_flops

    layers: list[LayerSpec] = []
    for line, kind in enumerate(_kinds(most_bytes)):
        found = spread(
            len(kind.ranges),
            kind.at,
            seed=_SEED + line,
            count=math.ceil(share * kind.count),
            fits=fits,
        )
        layers += [dataclasses.replace(layer, sweep="space_filling", line=line) for layer in found]
    return layers


def _kinds(most_bytes: float) -> list[_Kind]:
    """The kinds with ranges as far as the memory goes for one operand."""
    items = most_bytes / 4
    width = min(2**15, math.sqrt(items))
    side, channels = (1, min(512, math.sqrt(items / 8))), (4, min(4096, math.sqrt(items)))
    kernel = (1, 11)
    return [
        _Kind(96, ((1, 256), side, channels, channels, kernel), _conv),
        _Kind(32, ((1, 256), side, channels, kernel), _depthwise),
        _Kind(64, ((1, 2**14), (4, width), (4, width)), _dense),
    ]


def _conv(sizes: Sizes) -> LayerSpec:
    batch, side, c_in, c_out, k = sizes
    return conv(side, c_in, c_out, k, batch=batch)


def _depthwise(sizes: Sizes) -> LayerSpec:
    batch, side, c, k = sizes
    return conv(side, c, c, max(k, 2), batch=batch, groups=c)


def _dense(sizes: Sizes) -> LayerSpec:
    batch, c_in, c_out = sizes
    return LayerSpec(op="dense", batch=batch, c_in=c_in, c_out=c_out)

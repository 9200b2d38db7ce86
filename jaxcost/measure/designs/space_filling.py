"""A design that fills the space of layers evenly in the logarithm of every size."""

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np

from jaxcost.measure.layers import LayerSpec

DEFAULT_MEMORY_BYTES = 8e9
_OF_MEMORY = 1 / 16  # that the operands of one layer may take
_MOST_FLOPS = {"cpu": 4e9}
_MOST_FLOPS_ELSEWHERE = 4e11
_SEED = 20  # of the shift; without one the first points are a grid

Sizes = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Kind:
    """One kind of layer: how many, the range of each size, and how sizes become one."""

    count: int
    ranges: tuple[tuple[float, float], ...]
    build: Callable[[Sizes], LayerSpec]


def space_filling(
    platform: str = "cpu", memory_bytes: float | None = None, *, share: float = 1.0
) -> list[LayerSpec]:
    """Convolutions, depthwise ones and matrix products, even in the logarithm of every size.

    A shifted Sobol sequence over batch, side, channels and kernel; points whose operands or FLOPs
    are too many are left out, and the sequence goes on.

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
    layers: list[LayerSpec] = []
    for line, kind in enumerate(_kinds(most_bytes)):
        found: dict[LayerSpec, None] = {}
        for sizes in _sizes(kind, line):
            layer = dataclasses.replace(kind.build(sizes), sweep="space_filling", line=line)
            if layer.operand_bytes <= most_bytes and layer.flops <= most_flops:
                found[layer] = None
            if len(found) >= share * kind.count:
                break
        layers += found
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


def _sizes(kind: _Kind, seed: int) -> Iterator[Sizes]:
    """Whole sizes in the kind's ranges, even in their logarithms."""
    from scipy.stats import qmc

    points = qmc.Sobol(len(kind.ranges), scramble=False).random_base2(13)
    points = (points + np.random.default_rng(_SEED + seed).random(len(kind.ranges))) % 1
    low, high = np.log(np.array(kind.ranges, dtype=float)).T
    for row in np.rint(np.exp(low + points * (high - low))).astype(int):
        yield tuple(row.tolist())


def _conv(sizes: Sizes) -> LayerSpec:
    batch, side, c_in, c_out, k = sizes
    return LayerSpec(
        op="conv2d", batch=batch, in_h=side, in_w=side, c_in=c_in, c_out=c_out, k_h=k, k_w=k
    )


def _depthwise(sizes: Sizes) -> LayerSpec:
    batch, side, c, k = sizes
    return dataclasses.replace(_conv((batch, side, c, c, max(k, 2))), groups=c)


def _dense(sizes: Sizes) -> LayerSpec:
    batch, c_in, c_out = sizes
    return LayerSpec(op="dense", batch=batch, c_in=c_in, c_out=c_out)

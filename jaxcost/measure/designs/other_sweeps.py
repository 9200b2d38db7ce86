"""Sweeps beside the paper's: what its layers leave out and networks have."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from jaxcost._support.messages import unknown
from jaxcost.measure.layers import LayerSpec, conv

_MOST_FLOPS = 1e10  # of a layer on a CPU: some tenths of a second
_POWERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def dense_vs_conv(platform: str) -> list[LayerSpec]:
    """Dense layers and convolutions of equal FLOPs: table 1a of the α-FLOPs paper, and K = 3.

    Lines: the dense layer, configurations (1) to (4), and K = 3 on 4 × 4 and 16 × 16 pixels, whose
    channels are rounded.
    """
    del platform
    shapes = ((1, 1, 1, 1), (2, 1, 2, 1), (2, 2, 2, 2), (4, 4, 4, 4))
    layers = []
    for width in (800, 1600, 3200, 6400, 12800):
        layers.append(LayerSpec(op="dense", c_in=width, c_out=width))
        for line, (high, wide, less_in, less_out) in enumerate(shapes, 1):
            c_in, c_out = width // less_in, width // less_out
            layers.append(conv(high, c_in, c_out, 1, in_w=wide, line=line))
        for line, side in enumerate((4, 16), 5):
            channels = round(width / (3 * side))
            layers.append(conv(side, channels, channels, 3, line=line))
    return layers


def depthwise(platform: str) -> list[LayerSpec]:
    """Depthwise convolutions of mobile networks; a line for each kernel and stride."""
    batch = 1 if platform == "cpu" else 32
    stages = (
        (112, 32),
        (112, 96),
        (56, 144),
        (28, 192),
        (28, 240),
        (14, 480),
        (14, 672),
        (7, 1152),
    )
    kinds = [(k, stride) for k in (3, 5, 7) for stride in (1, 2)]
    return [
        conv(side, c, c, k, line=line, batch=batch, stride=stride, groups=c)
        for line, (k, stride) in enumerate(kinds)
        for side, c in stages
    ]


def grouped(platform: str) -> list[LayerSpec]:
    """Grouped 3 × 3 convolutions of 1 to 128 groups; a line for each stage of a network."""
    batch = 1 if platform == "cpu" else 16
    return [
        conv(side, c, c, 3, line=line, batch=batch, groups=groups)
        for line, (side, c) in enumerate(((56, 128), (28, 256), (14, 512), (7, 1024)))
        for groups in _POWERS[:8]
    ]


def stride_2(platform: str) -> list[LayerSpec]:
    """Convolutions with stride 1 and with stride 2; a line for each kernel and stride."""
    batch = 1 if platform == "cpu" else 16
    stages = ((224, 3, 64), (112, 32, 64), (56, 64, 128), (28, 128, 256), (14, 256, 512))
    kinds = [(k, stride) for k in (1, 3, 5, 7) for stride in (1, 2)]
    return [
        conv(side, c_in, c_out, k, line=line, batch=batch, stride=stride)
        for line, (k, stride) in enumerate(kinds)
        for side, c_in, c_out in stages
    ]


def batch(platform: str) -> list[LayerSpec]:
    """Layers of every kind with growing batches; a line for each."""
    kinds = [
        conv(28, 64, 64, 3),
        conv(14, 256, 256, 3),
        conv(14, 256, 512, 1),
        conv(28, 128, 128, 3, groups=128),
        LayerSpec(op="dense", c_in=1024, c_out=1024),
        LayerSpec(op="dense", c_in=4096, c_out=1000),
    ]
    sizes = _POWERS[:8] if platform == "cpu" else _POWERS
    return [
        dataclasses.replace(kind, batch=size, line=line)
        for line, kind in enumerate(kinds)
        for size in sizes
    ]


def transformer(platform: str) -> list[LayerSpec]:
    """Matrix products of common transformers.

    Lines: projection to queries, keys and values; output projection; both layers of the MLP;
    attention scores and weighted values, the heads side by side; the scores as one flat product.
    Sizes: ViT-S; BERT base and GPT-2; BERT large; Llama 7B.
    """
    models = ((384, 6, 1536), (768, 12, 3072), (1024, 16, 4096), (4096, 32, 11008))
    tokens = (1, 16, 128, 512, 2048, 8192)
    lengths = (64, 197, 512, 1024, 2048)
    layers = [
        LayerSpec(op="dense", batch=many, c_in=c_in, c_out=c_out, line=line)
        for width, _, hidden in models
        for line, (c_in, c_out) in enumerate(
            ((width, 3 * width), (width, width), (width, hidden), (hidden, width))
        )
        for many in tokens
    ]
    for width, heads, _ in models:
        for length in lengths:
            layers += _attention(width, heads, length)
    return [layer for layer in layers if platform != "cpu" or layer.flops <= _MOST_FLOPS]


def _attention(width: int, heads: int, length: int) -> Iterable[LayerSpec]:
    pairs = heads * length
    for line, c_in, c_out in ((4, width, pairs), (5, pairs, width)):
        yield LayerSpec(op="dense", batch=length, c_in=c_in, c_out=c_out, groups=heads, line=line)
    yield LayerSpec(op="dense", batch=pairs, c_in=width // heads, c_out=length, line=6)


def memory_bound(platform: str) -> list[LayerSpec]:
    """Operations that are no product, from sizes that stay in cache to those that do not.

    Lines: elementwise; reduction over channels and over positions; normalisation; pooling with
    windows of 2 × 2 and 3 × 3, stride 2, and 3 × 3, stride 1; gather; addition; softmax.
    """
    batches = (1, 8, 32) if platform == "cpu" else (8, 64, 256)
    maps: list[dict[str, Any]] = [
        {"batch": many, "in_h": side, "in_w": side, "c_in": c}
        for many in batches
        for side, c in ((7, 512), (14, 256), (28, 128), (56, 64), (112, 32))
    ]
    rows: list[dict[str, Any]] = [
        {"batch": 32 * many, "c_in": c} for many in batches for c in (64, 768, 4096)
    ]
    layers = []
    for sizes in (*maps, *rows):
        c = sizes["c_in"]
        layers.append(LayerSpec(op="elementwise", **sizes, c_out=c, line=0))
        layers.append(LayerSpec(op="reduction", **sizes, c_out=1, line=1))
        layers.append(LayerSpec(op="normalisation", **sizes, c_out=c, line=3))
        layers.append(LayerSpec(op="addition", **sizes, c_out=c, line=8))
        layers.append(LayerSpec(op="softmax", **sizes, c_out=c, line=9))
    for sizes in maps:
        c = sizes["c_in"]
        layers.append(LayerSpec(op="reduction", **sizes, c_out=c, line=2))
        for line, (k, stride) in enumerate(((2, 2), (3, 2), (3, 1)), 4):
            window: dict[str, Any] = {"k_h": k, "k_w": k, "stride": stride}
            layers.append(LayerSpec(op="pooling", **sizes, **window, c_out=c, line=line))
    return layers + [
        LayerSpec(op="gather", batch=many * taken, c_in=words, c_out=c, line=7)
        for many in batches
        for taken in (1, 128)
        for words, c in ((1000, 64), (30522, 768), (50257, 1024))
    ]


# By name: what builds it for a platform, and what it is.
_SWEEPS: dict[str, tuple[Callable[[str], list[LayerSpec]], str]] = {
    "dense_vs_conv": (dense_vs_conv, "dense layers against convolutions of equal FLOPs"),
    "depthwise": (depthwise, "depthwise convolutions of mobile networks"),
    "grouped": (grouped, "grouped convolutions of 1 to 128 groups"),
    "stride_2": (stride_2, "convolutions with stride 1 against stride 2"),
    "batch": (batch, "layers of every kind with growing batches"),
    "transformer": (transformer, "matrix products of transformers: projections, MLP, attention"),
    "memory_bound": (memory_bound, "elementwise, addition, reduction, normalisation, softmax, ..."),
}
OTHER_SWEEPS = {name: words for name, (_, words) in _SWEEPS.items()}


def other_sweep(name: str, platform: str = "cpu") -> list[LayerSpec]:
    """One of `OTHER_SWEEPS`, every layer with its `sweep` and `line`.

    Args:
        name: which.
        platform: JAX's name of the device's kind; layers are larger on others than "cpu".
    Raises:
        ValueError: an unknown name.
    """
    if name not in _SWEEPS:
        raise ValueError(unknown("sweep", name, _SWEEPS))
    build, _ = _SWEEPS[name]
    first: dict[LayerSpec, LayerSpec] = {}  # of those that differ in their line alone
    for layer in build(platform):
        first.setdefault(dataclasses.replace(layer, line=0), layer)
    return [dataclasses.replace(layer, sweep=name) for layer in first.values()]

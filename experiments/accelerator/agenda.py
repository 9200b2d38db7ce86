"""What to measure of an accelerator in a short time, in order of value: `agenda`."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from epochs import butter_e_runs

import jaxcost as jc
from jaxcost.measure import OTHER_SWEEPS, PAPER_SWEEPS, other_sweep, paper_sweep, space_filling


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of the agenda.

    Args:
        name: in the summary.
        share: of all the time that it may take; what it leaves is for those after it.
        layers: a function of the platform and the memory in bytes; None for a part of its own.
        energy: whether energies are read.
        slot: how many fresh processes are to have measured each layer.
    """

    name: str
    share: float
    layers: Callable[[str, float | None], list[jc.LayerSpec]] | None = None
    energy: bool = False
    slot: int = 1


def agenda(rehearse: bool) -> list[Stage]:
    """What to measure, in order of value."""
    if rehearse:
        return [
            Stage("paper float32", 0.3, lambda *_: paper(1, 1, small=True)),
            Stage("memory-bound", 0.1, lambda *_: [sized(1 << 18, "float32")]),
            Stage("networks", 0.2),
            Stage("training", 0.2),
            Stage("energies", 0.1, lambda *_: [sized(1 << 20, "bfloat16", "energy")], energy=True),
            Stage("second process", 1.0, lambda *_: paper(1, 1, small=True)[:2], slot=2),
        ]
    return [
        Stage("paper float32", 0.24, lambda *_: paper(4, 7)),
        Stage("space-filling float32", 0.09, functools.partial(filling, share=0.35)),
        Stage("transformer", 0.09, lambda p, _: both(thinned(other_sweep("transformer", p), 6))),
        Stage("memory-bound", 0.05, lambda p, _: thinned(other_sweep("memory_bound", p), 4)),
        Stage("networks", 0.13),
        Stage("training", 0.15),
        *(Stage("energies", 0.04, part, energy=True) for part in energy_parts()),
        Stage("paper bfloat16", 0.1, lambda *_: typed(paper(4, 4), "bfloat16")),
        Stage("space-filling bfloat16", 0.1, lambda p, m: typed(filling(p, m, 0.35), "bfloat16")),
        Stage("kinds of mobile networks", 0.1, lambda p, _: both(mobile(p))),
        Stage("second process", 0.3, lambda *_: paper(4, 7), slot=2),
        Stage("everything", 1.0, everything),
        Stage("everything again", 1.0, everything, slot=2),
    ]


def paper(lines: int, points: int, small: bool = False) -> list[jc.LayerSpec]:
    """The eight sweeps of the α-FLOPs paper, so many lines of each with so many points."""
    found = [thinned(paper_sweep(name, small=small), points, lines) for name in PAPER_SWEEPS]
    return [layer for sweep in found for layer in sweep]


def filling(platform: str, memory: float | None, share: float = 1.0) -> list[jc.LayerSpec]:
    """The space-filling sweep, as far as the memory goes, or a share of it."""
    return space_filling(platform, memory, share=share)


def mobile(platform: str) -> list[jc.LayerSpec]:
    """Depthwise, grouped and strided convolutions, a few of each line."""
    names = ("depthwise", "grouped", "stride_2")
    return [x for name in names for x in thinned(other_sweep(name, platform), 3)]


def everything(platform: str, memory: float | None) -> list[jc.LayerSpec]:
    """Every sweep whole, in both types."""
    rest = [layer for name in OTHER_SWEEPS for layer in other_sweep(name, platform)]
    return both([*paper(99, 99), *filling(platform, memory), *rest])


def energy_parts() -> list[Callable[..., list[jc.LayerSpec]]]:
    """Layers whose energy tells most, a few at a time: by memory level, and by arithmetic."""

    def of(dtype: str, **sizes: Any) -> jc.LayerSpec:
        return jc.LayerSpec(**{"op": "dense", "dtype": dtype, "sweep": "energy"} | sizes)

    square = {"batch": 8192, "c_in": 8192, "c_out": 8192}
    conv = {"op": "conv2d", "batch": 64, "in_h": 56, "in_w": 56, "c_in": 256, "c_out": 256}
    types = ("float32", "bfloat16")
    parts = [
        [of(t, **square) for t in types] + [sized(n, "float32", "energy") for n in (2**30, 2**23)],
        [of(t, **conv, k_h=3, k_w=3) for t in types],
        [of(t, c_in=12800, c_out=12800) for t in types],
        [sized(n, "float32", "energy") for n in (2**20, 2**25, 2**26, 2**28)],
        [of(t, **conv) for t in types] + [sized(2**30, "bfloat16", "energy")],
        [of(t, batch=512, c_in=1024, c_out=1024) for t in types],
        [of(t, batch=2048, c_in=2048, c_out=2048) for t in types],
    ]
    return [lambda *_, part=part: part for part in parts]


def sized(moved: int, dtype: str, sweep: str = "memory_bound") -> jc.LayerSpec:
    """An elementwise operation that reads and writes so many bytes together."""
    rows = max(1, moved // (2 * jnp.dtype(dtype).itemsize * 1024))
    return jc.LayerSpec(
        op="elementwise", batch=rows, c_in=1024, c_out=1024, dtype=dtype, sweep=sweep, line=0
    )


def thinned(layers: Sequence[jc.LayerSpec], points: int, lines: int = 99) -> list[jc.LayerSpec]:
    """At most so many points, evenly spaced, of each of the first lines of a sweep."""
    chosen = []
    for name in list(dict.fromkeys(layer.line for layer in layers))[:lines]:
        line = [layer for layer in layers if layer.line == name]
        many = min(points, len(line))
        chosen += [line[round(i * (len(line) - 1) / max(many - 1, 1))] for i in range(many)]
    return list(dict.fromkeys(chosen))


def typed(layers: Sequence[jc.LayerSpec], dtype: str) -> list[jc.LayerSpec]:
    """The layers in another type."""
    return [dataclasses.replace(layer, dtype=dtype) for layer in layers]


def both(layers: Sequence[jc.LayerSpec]) -> list[jc.LayerSpec]:
    """The layers in float32 and in bfloat16."""
    return [*layers, *typed(layers, "bfloat16")]


def networks(rehearse: bool) -> list[tuple[str, int, str, bool]]:
    """Name, batch size, type of each network, and whether its energy is read; in order of value."""
    if rehearse:
        return [("mlp-512", 8, "float32", True), ("mlp-512", 8, "float16", False)]
    large = [("resnet-18", 32), ("transformer-768", 16), ("mlp-4096", 256), ("mobile", 32)]
    small = [("transformer-2048", 4), ("resnet-small", 64), ("transformer-384", 8)]
    single = [("resnet-18", 1), ("mobile", 1), ("mlp-512", 32), ("transformer-768", 1)]
    sizes = [*large, *small, *single]
    return [
        (name, batch, dtype, dtype == "float32" and place < len(large))
        for dtype in ("float32", "bfloat16")
        for place, (name, batch) in enumerate(sizes)
    ]


def training(rehearse: bool) -> list[dict[str, Any]]:
    """Runs of BUTTER-E's data sets, shapes and depths, sizes far apart first."""
    if not rehearse:
        return butter_e_runs()
    return [row | {"n_observations": 1000} for row in butter_e_runs([64, 4096])[:3]]

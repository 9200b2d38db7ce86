"""The eight sweeps of the α-FLOPs paper, at its sizes or smaller ones."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from jaxcost._support.messages import unknown
from jaxcost.measure.layers import LayerSpec, conv

_CHANNELS = (50, 70, 100, 150)
_STEPS_OF_20 = (10, *range(20, 641, 20))


def conv_k_vs_s(side: int = 300, channels: Sequence[int] = _CHANNELS) -> list[LayerSpec]:
    """Kernels K from 1 with a side of about `side` / K pixels, so that FLOPs hardly change."""
    kernels = {side // k: k for k in range(28, 0, -1)}  # the smallest K for each side
    return [
        conv(size, c, c, k, line=line)
        for line, c in enumerate(channels)
        for size, k in sorted(kernels.items(), reverse=True)
    ]


def conv_k_vs_c(
    side: int = 10, products: Sequence[int] = (1500, 2100, 3000, 4500)
) -> list[LayerSpec]:
    """Kernels K from 1 to 30 with `product` / K channels, so that FLOPs hardly change."""
    return [
        conv(side, round(product / k), round(product / k), k, line=line)
        for line, product in enumerate(products)
        for k in range(1, 31)
    ]


def increasing_w(side: int = 100, channels: Sequence[int] = (50, 100, 150)) -> list[LayerSpec]:
    """Heights up to 640 pixels at a width of `side`, K = 3."""
    return [
        conv(height, c, 100, 3, in_w=side, line=line)
        for line, c in enumerate(channels)
        for height in _STEPS_OF_20
    ]


def increasing_c_out(side: int = 100, channels: Sequence[int] = (50, 100, 150)) -> list[LayerSpec]:
    """Up to 640 output channels, K = 3."""
    return [
        conv(side, c_in, c_out, 3, line=line)
        for line, c_in in enumerate(channels)
        for c_out in _STEPS_OF_20
    ]


def increasing_c_out_k1(
    height: int = 300, widths: Sequence[int] = (100, 200, 300)
) -> list[LayerSpec]:
    """Up to 640 output channels, K = 1, at several widths in pixels."""
    return [
        conv(height, 50, c_out, 1, in_w=width, line=line)
        for line, width in enumerate(widths)
        for c_out in _STEPS_OF_20
    ]


def increasing_c_in(side: int = 10, c_out: int = 1000) -> list[LayerSpec]:
    """From 100 to 1000 input channels, K = 1, 3 and 5."""
    return [
        conv(side, c_in, c_out, k, line=line)
        for line, k in enumerate((1, 3, 5))
        for c_in in range(100, 1001, 100)
    ]


def increasing_batch(widths: Sequence[int] = (6400, 9050, 11085, 12800)) -> list[LayerSpec]:
    """Square dense layers with batches of 1 to 64: even ones, and odd ones in the fourth line."""
    odd = 3
    return [
        _dense(line, batch, width)
        for line, width in enumerate(widths)
        for batch in (range(1, 64, 2) if line == odd else (1, *range(2, 65, 2)))
    ]


def conv_fixed_progressive(
    widths: Sequence[int] = (400, 500, 800, 1100, 1600, 2200, 3200, 4500, 6400, 9000, 12800),
) -> list[LayerSpec]:
    """A dense layer and convolutions (K = 1) of equal FLOPs on 2, 4 and 16 pixels."""
    shapes = ((1, 1, 1, 1), (1, 2, 1, 2), (2, 2, 1, 4), (2, 2, 2, 2), (4, 4, 4, 4))
    return [
        _dense(line, 1, width)
        if height * breadth == 1
        else conv(height, width // less_in, width // less_out, 1, in_w=breadth, line=line)
        for line, (height, breadth, less_in, less_out) in enumerate(shapes)
        for width in widths
    ]


# By the authors' name: what builds it, its arguments for a laptop, and what it is.
_SWEEPS: dict[str, tuple[Callable[..., list[LayerSpec]], dict[str, Any], str]] = {
    "conv_K_vs_C": (
        conv_k_vs_c,
        {"products": (1000, 1500)},
        "kernels of 1 to 30 against channels, FLOPs about constant",
    ),
    "conv_K_vs_S": (
        conv_k_vs_s,
        {"side": 150, "channels": (50, 70)},
        "kernels of 1 to 28 against pixels, FLOPs about constant",
    ),
    "increasing_W": (increasing_w, {"side": 50, "channels": (50, 100)}, "heights up to 640 pixels"),
    "increasing_Cout": (
        increasing_c_out,
        {"side": 50, "channels": (50, 100)},
        "up to 640 output channels, K = 3",
    ),
    "increasing_Cout_with_K1": (
        increasing_c_out_k1,
        {"height": 150, "widths": (50, 100)},
        "up to 640 output channels, K = 1",
    ),
    "increasing_Cin_100-1000": (
        increasing_c_in,
        {"c_out": 500},
        "100 to 1000 input channels, K = 1, 3, 5",
    ),
    "increasing_batch": (
        increasing_batch,
        {"widths": (1100, 1600)},
        "large dense layers with batches of 1 to 64",
    ),
    "conv_fixed_progressive": (
        conv_fixed_progressive,
        {"widths": (400, 800, 1600, 3200)},
        "dense and K = 1 of equal FLOPs, ever wider",
    ),
}
PAPER_SWEEPS = {name: words for name, (_, _, words) in _SWEEPS.items()}


def paper_sweep(name: str, *, small: bool = False) -> list[LayerSpec]:
    """One of the paper's sweeps, every layer with its `sweep` and `line` as the authors name them.

    Args:
        name: one of `PAPER_SWEEPS`.
        small: at sizes that a laptop's processor runs in a few ms, keyword-only.
    Raises:
        ValueError: an unknown name.
    Source: Asperti, Evangelista & Marzolla, "Dissecting FLOPs along input dimensions for GreenAI
        cost estimations" (2021), sections 4 to 6; conv_K_vs_C is its figure 2a.
    """
    if name not in _SWEEPS:
        raise ValueError(unknown("sweep", name, PAPER_SWEEPS))
    build, reduced, _ = _SWEEPS[name]
    layers = build(**reduced) if small else build()
    return [dataclasses.replace(layer, sweep=name) for layer in layers]


def _dense(line: int, batch: int, width: int) -> LayerSpec:
    return LayerSpec(op="dense", batch=batch, c_in=width, c_out=width, line=line)

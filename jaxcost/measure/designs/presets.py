"""The presets: which layers a calibration measures, and for how long."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from jaxcost._support.messages import unknown
from jaxcost.measure.clock.timing import TimingRules
from jaxcost.measure.designs.other_sweeps import other_sweep
from jaxcost.measure.designs.paper_sweeps import PAPER_SWEEPS, paper_sweep
from jaxcost.measure.designs.space_filling import Point, spread
from jaxcost.measure.layers import LayerSpec, conv
from jaxcost.measure.process.schedule import SweepPlan
from jaxcost.workload.gradients import CONV2D_GRADIENTS

# Sizes that networks have; the space-filling design is moved to the nearest of them, so that
# most layers share some size with others and differ from them in the rest.
_SIDES = (7, 8, 14, 16, 28, 32, 56, 64, 112, 224)
_CHANNELS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
_FEATURES = (*_CHANNELS, 1536, 2048, 3072, 4096, 8192)
_POWERS = tuple(2**e for e in range(13))
_LONGEST_STEP_S, _SECONDS_A_LAYER = 4.0, 2.0  # of what a program has: it takes what it takes
PROGRAM = "program"  # the sweep of layers that a user's own program has
_SLOWER = 4  # how much longer XLA takes on a CPU for many a gradient than for its convolution
_ACCELERATOR = 100  # how much more work than on a CPU a layer may be elsewhere


@dataclasses.dataclass(frozen=True)
class Preset:
    """A list of layers with the time to be spent on it.

    Args:
        name: its name.
        layers: what to measure.
        plan: how, and for how long.
    """

    name: str
    layers: list[LayerSpec]
    plan: SweepPlan


@dataclasses.dataclass(frozen=True)
class _Size:
    """How large a preset is: layers of each kind, gradients of convolutions of each kind, products
    of transformers, memory-bound operations of each kind, by line of their sweep or by operation,
    lines of each paper sweep and points of a line, limits of a layer, how to measure.
    """

    counts: dict[str, int]
    gradients: dict[str, int]
    transformers: int
    side_by_side: int
    of_operation: int
    by_line: bool
    sweeps: tuple[str, ...]
    lines: int
    points: int
    most_flops: float
    most_bytes: float
    plan: SweepPlan


_QUICK_SWEEPS = ("conv_K_vs_S", "increasing_W", "increasing_Cout", "increasing_batch")
_SIZES = {
    "quick": _Size(
        counts={"conv": 14, "conv1x1": 8, "depthwise": 6, "grouped": 4, "dense": 12},
        gradients={},
        transformers=8,
        side_by_side=14,
        of_operation=3,
        by_line=False,
        sweeps=_QUICK_SWEEPS,
        lines=1,
        points=6,
        most_flops=1.5e9,
        most_bytes=32e6,
        plan=SweepPlan(budget_s=120, rules=TimingRules(longest_step_s=0.2)),
    ),
    "standard": _Size(
        counts={"conv": 50, "conv1x1": 24, "depthwise": 16, "grouped": 14, "dense": 32},
        gradients={"conv": 12, "conv1x1": 10, "depthwise": 6, "grouped": 4},
        transformers=20,
        side_by_side=24,
        of_operation=5,
        by_line=True,  # windows of one kind say nothing of another's, nor sums over one axis
        sweeps=tuple(PAPER_SWEEPS),
        lines=3,
        points=14,
        most_flops=2e9,
        most_bytes=128e6,
        plan=SweepPlan(
            budget_s=780,
            processes=3,
            rules=TimingRules(
                # Compiling and loading cost a visit 0.1 s: more blocks make it worth that.
                blocks_per_visit=8,
                longest_step_s=0.5,
                converged=0.02,
                rounds=6,
                most_rounds=6,
            ),
        ),
    ),
}
_FULL = SweepPlan(budget_s=4 * 3600, processes=3, rules=TimingRules(longest_step_s=2.0))
PRESETS = {
    "quick": "the preset of about 3 minutes: few layers of every kind",
    "standard": "the preset of about 15 minutes",
    "full": "the preset of hours: standard, and the paper's sweeps whole",
}


def preset(name: str, platform: str = "cpu") -> Preset:
    """The layers that a calibration measures, and for how long.

    "quick" and "standard" fill the space of convolutions (dense, 1x1, depthwise, grouped) and of
    matrix products evenly in the logarithm of every size, by a Sobol sequence, "standard" also that
    of gradients of convolutions by their input and their weights; they add products of transformers
    at their usual sizes, memory-bound operations of every kind from small to large, and a few
    points of the α-FLOPs paper's sweeps at smaller sizes. "full" is "standard" with the
    paper's eight sweeps at their own sizes.

    Args:
        name: "quick", "standard" or "full".
        platform: JAX's name of the device's kind; layers are larger on others than "cpu".
    Returns:
        The preset; the same one each time.
    Raises:
        ValueError: an unknown name.
    """
    if name not in PRESETS:
        raise ValueError(unknown("preset", name, PRESETS))
    scale = 1 if platform == "cpu" else _ACCELERATOR
    size = _SIZES["standard" if name == "full" else name]
    layers = [layer for kind in _KINDS for layer in _design(kind, size.counts[kind], size, scale)]
    layers += [layer for op in CONV2D_GRADIENTS for layer in _gradients(op, size, scale)]
    layers += _of_networks(platform, size, scale)
    if name == "full":
        layers += [layer for sweep in PAPER_SWEEPS for layer in paper_sweep(sweep)]
        return Preset(name, layers, _FULL)
    for sweep in size.sweeps:
        layers += _thinned(paper_sweep(sweep, small=platform == "cpu"), size.lines, size.points)
    return Preset(name, layers, size.plan)


def with_layers_of(program: Sequence[LayerSpec], found: Preset) -> Preset:
    """A preset that measures a program's own layers besides, longer ones among them."""
    own = [dataclasses.replace(layer, sweep=PROGRAM, line=0) for layer in program]
    others = [
        layer
        for layer in found.layers
        if dataclasses.replace(layer, sweep=PROGRAM, line=0) not in own
    ]
    rules = dataclasses.replace(found.plan.rules, longest_step_s=_LONGEST_STEP_S)
    seconds = found.plan.budget_s + _SECONDS_A_LAYER * len(own)
    plan = dataclasses.replace(found.plan, rules=rules, budget_s=seconds)
    return dataclasses.replace(found, layers=own + others, plan=plan)


def _of_networks(platform: str, size: _Size, scale: float) -> list[LayerSpec]:
    """Products of transformers and memory-bound operations within the limits, small to large."""
    most = {name: getattr(size, f"most_{name}") * scale for name in ("flops", "bytes")}
    # Of line 6 the scores of all heads are one product, as no network has them.
    found = [layer for layer in other_sweep("transformer", platform) if layer.line < 6]
    found += other_sweep("memory_bound", platform)
    fits = [
        layer
        for layer in found
        if layer.flops <= most["flops"] and layer.operand_bytes <= most["bytes"]
    ]
    kinds: dict[str, list[LayerSpec]] = {}
    for layer in sorted(fits, key=lambda one: (one.flops, one.bytes_moved)):
        apart = size.by_line and not layer.is_product
        name = f"{layer.op} {layer.line}" if apart else layer.op
        kinds.setdefault("side by side" if layer.groups > 1 else name, []).append(layer)
    counts = {"dense": size.transformers, "side by side": size.side_by_side}
    return [
        layer
        for kind, each in kinds.items()
        for layer in _evenly(each, counts.get(kind, size.of_operation))
    ]


def _gradients(op: str, size: _Size, scale: float) -> list[LayerSpec]:
    """Gradients of convolutions of every kind, other ones for each of both."""
    drawn = 1 + CONV2D_GRADIENTS.index(op)
    return [
        dataclasses.replace(layer, op=op, sweep=op)
        for kind, count in size.gradients.items()
        for layer in _design(kind, count, size, scale / _SLOWER, drawn)
    ]


def _design(kind: str, count: int, size: _Size, scale: float, drawn: int = 0) -> list[LayerSpec]:
    """Layers of one kind, within the limits; others each time that they are drawn."""
    dimensions, build, speed = _KINDS[kind]
    least, most = 2e5 * speed * math.sqrt(scale), size.most_flops * speed * scale

    def fits(layer: LayerSpec) -> bool:
        return least <= layer.flops <= most and layer.operand_bytes <= size.most_bytes

    seed = list(_KINDS).index(kind) + drawn * len(_KINDS)
    found = spread(dimensions, build, seed=seed, count=count, fits=fits)
    return [dataclasses.replace(layer, sweep=kind) for layer in found]


def _conv(point: Point, number: int, kernels: Sequence[int] = (3, 3, 3, 5, 5, 7)) -> LayerSpec:
    batch, side, c_in, c_out, kernel, stride = point
    k, pixels = _pick(kernel, kernels), _nearest(_log(side, 7, 224), _SIDES)
    return conv(
        pixels,
        3 if c_in < 0.06 else _nearest(_log(c_in, 8, 1024), _CHANNELS),
        _nearest(_log(c_out, 8, 1024), _CHANNELS),
        k,
        batch=_nearest(_log(batch, 1, 32), _POWERS),
        stride=_pick(stride, (1, 1, 1, 2)),
        padding="valid" if k <= 5 and number % 8 == 7 else "same",
        line=k,
    )


def _conv1x1(point: Point, number: int) -> LayerSpec:
    layer = _conv((*point[:4], 0.0, point[4]), number, kernels=(1,))
    return dataclasses.replace(layer, padding="same")


def _depthwise(point: Point, number: int) -> LayerSpec:
    batch, side, channels, kernel, stride = point
    layer = _conv((batch, side, 0.5, 0.5, kernel, stride), number, kernels=(3, 3, 5, 7))
    c = _nearest(_log(channels, 8, 1024), _CHANNELS)
    return dataclasses.replace(layer, c_in=c, c_out=c, groups=c, padding="same")


def _grouped(point: Point, number: int) -> LayerSpec:
    batch, side, c_in, c_out, kernel, stride, groups = point
    layer = _conv((batch, side, 0.5, 0.5, kernel, stride), number, kernels=(1, 3, 3, 5))
    g = _pick(groups, (2, 4, 8, 16, 32))
    each_in, each_out = (_nearest(_log(c, 4, 128), _POWERS) for c in (c_in, c_out))
    return dataclasses.replace(
        layer, c_in=g * each_in, c_out=g * each_out, groups=g, padding="same"
    )


def _dense(point: Point, number: int) -> LayerSpec:
    batch, c_in, c_out = point
    return LayerSpec(
        op="dense",
        batch=1 if batch < 0.15 else _nearest(_log(batch, 1, 4096), _POWERS),
        c_in=_nearest(_log(c_in, 16, 8192), _FEATURES),
        c_out=10 if c_out < 0.06 else _nearest(_log(c_out, 16, 8192), _FEATURES),
    )


# Dimensions of the design, how a point becomes a layer, and the speed of a CPU per FLOP against
# a dense convolution: XLA runs depthwise ones many times slower.
_KINDS: dict[str, tuple[int, Callable[[Point, int], LayerSpec], float]] = {
    "conv": (6, _conv, 1.0),
    "conv1x1": (5, _conv1x1, 1.0),
    "depthwise": (5, _depthwise, 0.02),
    "grouped": (7, _grouped, 0.1),
    "dense": (3, _dense, 1.0),
}


def _log(position: float, low: float, high: float) -> float:
    return low * (high / low) ** position


def _pick(position: float, choices: Sequence[int]) -> int:
    return choices[int(position * len(choices))]


def _nearest(size: float, used: Sequence[int]) -> int:
    return min(used, key=lambda one: abs(math.log(one / size)))


def _thinned(layers: Sequence[LayerSpec], lines: int, points: int) -> list[LayerSpec]:
    """At most `points` layers, evenly spaced, of each of the sweep's first lines."""
    chosen = []
    for name in list(dict.fromkeys(layer.line for layer in layers))[:lines]:
        chosen += _evenly([layer for layer in layers if layer.line == name], points)
    return chosen


def _evenly(layers: Sequence[LayerSpec], most: int) -> list[LayerSpec]:
    positions = np.linspace(0, len(layers) - 1, min(most, len(layers)))
    return [layers[round(position)] for position in positions]

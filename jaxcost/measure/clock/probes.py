"""Layers measured beside those asked for: they show drift, peaks and what a call costs."""

import dataclasses
import math
from collections.abc import Sequence

from jaxcost.measure.clock.gates import Block, rejections
from jaxcost.measure.clock.proofs import Peaks
from jaxcost.measure.layers import LayerSpec

PROBE = "probe"  # the sweep that they are in
# Square weights that are streamed as fast as the device can: on a CPU from a cache; elsewhere a
# small layer takes as long as its launch, and only a large one shows the rate.
_STREAMED_WIDTHS = {"cpu": (128, 512)}
_STREAMED_WIDTHS_ELSEWHERE = (2048, 8192)
_SQUARE = {"cpu": 1024}
_SQUARE_ELSEWHERE = 4096

Timed = tuple[LayerSpec, Sequence[Block], Sequence[Block]]  # with blocks of the loop and of calls


@dataclasses.dataclass(frozen=True)
class Baseline:
    """What the probes found.

    Args:
        peaks: the fastest rates seen.
        dispatch_s: what an isolated call of a very small layer takes beyond its loop step, in s.
        fresh_s_per_byte: what it takes more for each byte of a result that, unlike the loop's, the
            system has to provide anew, in s/B.
        loop_overhead_s: shortest loop step of a layer with one multiplication, in s.
    """

    peaks: Peaks
    dispatch_s: float = 0.0
    fresh_s_per_byte: float = 0.0
    loop_overhead_s: float = 0.0

    def most_overhead_s(self, fresh_bytes: float) -> float:
        """The most that a call with so much result and scratch costs besides its layer, in s.

        On a busy machine a call that wakes other threads takes several times its best.
        """
        return 10 * self.dispatch_s + 2 * self.fresh_s_per_byte * fresh_bytes


def sentinel(platform: str, dtype: str = "float32") -> LayerSpec:
    """A large matrix product, whose time over the rounds shows drift and whose rate is the peak."""
    width = _SQUARE.get(platform, _SQUARE_ELSEWHERE)
    return LayerSpec(op="dense", batch=width, c_in=width, c_out=width, dtype=dtype, sweep=PROBE)


def empty() -> LayerSpec:
    """One multiplication: its loop step is the loop's own cost."""
    return LayerSpec(op="dense", batch=1, c_in=1, c_out=1, sweep=PROBE)


def outer() -> LayerSpec:
    """An outer product, nearly all of whose call goes into memory for its 34 MB of result."""
    return LayerSpec(op="dense", batch=1024, c_in=1, c_out=8192, sweep=PROBE)


def probes(layers: Sequence[LayerSpec], platform: str) -> list[LayerSpec]:
    """The layers to measure in every round beside `layers`; the sentinel is the first."""
    dtypes = dict.fromkeys(["float32", *(layer.dtype for layer in layers)])
    squares = [sentinel(platform, dtype) for dtype in dtypes]
    return [*squares, empty(), *_streamed(platform), outer()]


def baseline(timed: Sequence[Timed], processors: int) -> Baseline:
    """What the probes' blocks say.

    Args:
        timed: each probe with its blocks of loop steps and of calls.
        processors: a probe that stays in cache keeps one busy; the peak is that of all.
    """
    timed = [probe for probe in timed if probe[1] and probe[2]]
    best = {
        layer: (min(b.step_s for b in loops), min(b.shortest_s for b in calls))
        for layer, loops, calls in timed
    }
    small = [times for layer, times in best.items() if layer == empty() or _is_streamed(layer)]
    dispatch = max((call - step for step, call in small), default=0.0)
    step, call = best.get(outer(), (0.0, 0.0))
    fresh = max(0.0, call - step - dispatch) / math.prod(outer().output_shape) / outer().item_bytes
    overhead = best.get(empty(), (0.0, 0.0))[0]
    return Baseline(_peaks(timed, processors), dispatch, fresh, overhead)


def _peaks(timed: Sequence[Timed], processors: int) -> Peaks:
    """From blocks that pass the noise gates alone: on a busy machine no peak is known."""
    flops: dict[str, float] = {}
    rates = []
    for layer, loops, _ in timed:
        reasons = rejections(loops, processors=processors)
        steps = [block.step_s for block, reason in zip(loops, reasons) if not reason]
        if steps and layer.c_in == layer.batch > 1:
            flops[layer.dtype] = layer.flops / min(steps)
        elif steps and _is_streamed(layer):
            rates.append(layer.operand_bytes / min(steps) * processors)
    return Peaks(flops, max(rates, default=None))


def _streamed(platform: str) -> list[LayerSpec]:
    return [
        LayerSpec(op="dense", batch=1, c_in=width, c_out=width, sweep=PROBE)
        for width in _STREAMED_WIDTHS.get(platform, _STREAMED_WIDTHS_ELSEWHERE)
    ]


def _is_streamed(layer: LayerSpec) -> bool:
    return layer.batch == 1 and layer.c_in == layer.c_out > 1

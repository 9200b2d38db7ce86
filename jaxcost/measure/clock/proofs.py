"""Proofs that the timed work was done, what fails them being never fitted; and the layers measured
beside those asked for, which say what a proof may ask: they show drift, peaks, a call's own cost.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from jaxcost.measure.clock.gates import rejections
from jaxcost.measure.clock.visit import Visit
from jaxcost.measure.layers import LayerSpec

LEAST_OF_CALL = 0.1
MARGIN = 2.0
MEMORY_MARGIN = 10.0  # a sum in cache beats the peak; of deleted work less than 1/40 is left


@dataclasses.dataclass(frozen=True)
class Peaks:
    """The fastest the device was seen to go.

    Args:
        flops_per_s: of a large matrix product, in FLOP/s, by dtype.
        bytes_per_s: of weights streamed, on a CPU from a cache, all processors together, in B/s.
    """

    flops_per_s: dict[str, float]
    bytes_per_s: float | None = None


def shorter_than_call(loop_s: float, call_s: float, overhead_s: float) -> str:
    """Why the loop is too short against the call, or an empty string.

    The most that the call's own cost can be is taken off first: for a small layer it is nearly
    all of the call, and this proof then says nothing.

    Args:
        loop_s: time of one step of the loop, in s.
        call_s: shortest isolated call, in s.
        overhead_s: the most a call costs that a step does not, for dispatch and memory, in s.
    """
    work = call_s - overhead_s
    if loop_s >= LEAST_OF_CALL * work:
        return ""
    return f"a loop step takes {loop_s:.3g} s but the call {work:.3g} s beyond its overhead"


def roofline_floor_s(layer: LayerSpec, peaks: Peaks) -> float:
    """The time that the layer cannot beat on any honest device, in s.

    Twice the fastest rate seen is granted, since a neighbour may have halved that one, and ten
    times to an operation that is no product, which may beat the products that show the peak. A
    convolution is granted as many multiplications fewer as its kernel has elements, more than any
    Winograd or Fourier method saves; of an input that strides skip, only what must be read is
    counted; of a table whose rows are taken, nothing, since all of them may be one.
    """
    rate = peaks.flops_per_s.get(layer.dtype)
    products = layer.flops / (layer.k_h * layer.k_w) if layer.is_product else 0
    arithmetic = products / (MARGIN * rate) if rate else 0.0
    margin = MARGIN if layer.is_product else MEMORY_MARGIN
    memory = _least_bytes(layer) / (margin * peaks.bytes_per_s) if peaks.bytes_per_s else 0.0
    return max(arithmetic, memory)


def _least_bytes(layer: LayerSpec) -> float:
    if layer.op == "gather":
        return layer.bytes_moved - layer.item_bytes * math.prod(layer.output_shape)
    if layer.op == "conv2d_input_gradient":
        return layer.bytes_moved  # what strides skip is written all the same
    read = min(1.0, layer.k_h / layer.stride) * min(1.0, layer.k_w / layer.stride)
    skipped = (1 - read) * math.prod(layer.input_shape)
    return layer.bytes_moved - layer.item_bytes * skipped


def below_floor(loop_s: float, floor_s: float) -> str:
    """Why the loop is too fast for the device, or an empty string; both in s."""
    if loop_s >= floor_s:
        return ""
    return f"a loop step takes {loop_s:.3g} s, below the roofline's {floor_s:.3g} s"


def not_in_loop(work: str | None) -> str:
    """Why the optimised loop does no work, or an empty string; `work` is of `hlo.work_in_loop`."""
    return "" if work else "the compiled loop's body does not contain the operation"


PROBE = "probe"  # the sweep that they are in
# Square weights that are streamed as fast as the device can: on a CPU from a cache; elsewhere a
# small layer takes as long as its launch, and only a large one shows the rate.
_STREAMED_WIDTHS = {"cpu": (128, 512)}
_STREAMED_WIDTHS_ELSEWHERE = (2048, 8192)
_SQUARE = {"cpu": 1024}
_SQUARE_ELSEWHERE = 4096


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


def baseline(timed: Mapping[LayerSpec, Visit], processors: int) -> Baseline:
    """What the probes' blocks say.

    Args:
        timed: each probe with all that was timed of it.
        processors: a probe that stays in cache keeps one busy; the peak is that of all.
    """
    best = {
        layer: (min(b.step_s for b in found.loops), min(b.least_s for b in found.calls))
        for layer, found in timed.items()
        if found.loops and found.calls
    }
    small = [times for layer, times in best.items() if layer == empty() or _is_streamed(layer)]
    dispatch = max((call - step for step, call in small), default=0.0)
    step, call = best.get(outer(), (0.0, 0.0))
    fresh = max(0.0, call - step - dispatch) / math.prod(outer().output_shape) / outer().item_bytes
    overhead = best.get(empty(), (0.0, 0.0))[0]
    return Baseline(_peaks(timed, processors), dispatch, fresh, overhead)


def _peaks(timed: Mapping[LayerSpec, Visit], processors: int) -> Peaks:
    """From blocks that pass the noise gates alone: on a busy machine no peak is known."""
    flops: dict[str, float] = {}
    rates = []
    for layer, found in timed.items():
        reasons = rejections(found.loops, processors=processors)
        steps = [block.step_s for block, reason in zip(found.loops, reasons) if not reason]
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

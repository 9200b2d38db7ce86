"""Proofs that the timed work was done; what fails them is never fitted. Pure functions."""

import dataclasses
import math
from collections.abc import Sequence

from jaxcost.measure.layers import LayerSpec

LEAST_OF_CALL = 0.1
DOUBLING = (1.9, 2.1)
ENOUGH_PAIRS = 3
AGREEMENT = 0.2
HARDLY_LONGER = 1.25  # above it, held-up blocks explain as much as an operation moved out
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


@dataclasses.dataclass(frozen=True)
class Doubling:
    """How the time of a block grew when its steps were doubled.

    Args:
        ratios: time of twice the steps over time of the steps, one for each pair of blocks.
        accepted: whether both blocks of the pair passed the noise gates.
    """

    ratios: Sequence[float] = ()
    accepted: Sequence[bool] = ()

    def with_pair(self, ratio: float, accepted: bool) -> "Doubling":
        """With one more pair of blocks."""
        return Doubling((*self.ratios, ratio), (*self.accepted, accepted))

    @property
    def ratio(self) -> float:
        """The median ratio of the accepted pairs, or of all where none was; NaN without any."""
        ratios = self._counting() or list(self.ratios)
        return _median(ratios) if ratios else math.nan

    @property
    def passed(self) -> bool:
        """Whether the median of the accepted pairs lies in 2 ± 0.1."""
        return bool(self._counting()) and DOUBLING[0] <= self.ratio <= DOUBLING[1]

    @property
    def failed(self) -> bool:
        """Whether enough undisturbed pairs agree that the time hardly grows with the steps."""
        ratios = self._counting()
        if len(ratios) < ENOUGH_PAIRS:
            return False
        return max(ratios) < HARDLY_LONGER and max(ratios) - min(ratios) <= AGREEMENT

    @property
    def reason(self) -> str:
        """Why the steps were not shown to be done, or an empty string."""
        if self.passed:
            return ""
        if not self._counting():
            return "no undisturbed pair of blocks shows that twice the steps take twice as long"
        return f"twice the steps take {self.ratio:.2f} times as long, not 2 ± 0.1"

    def _counting(self) -> list[float]:
        return [ratio for ratio, good in zip(self.ratios, self.accepted) if good]


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return (ordered[middle] + ordered[~middle]) / 2

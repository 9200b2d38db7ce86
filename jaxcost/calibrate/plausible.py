"""Values and times that no hardware has: most likely what was measured stands in another unit."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from jaxcost.calibrate.fit import Accuracy, Estimate
from jaxcost.device import Device
from jaxcost.device.data_sheets import PRECISIONS, data_sheets, variants
from jaxcost.workload import Workload, counts

_SLOWEST = 1e9  # FLOP/s of large layers; a single core of a telephone has more
_OF_PEAK = 1e-3  # large layers reach more of the peak than that
_BEYOND = 4.0  # times the highest peak: higher clocks, and algorithms that save work
_TYPES = 64.0  # times the peak in float32: small types on tensor cores
_BANDWIDTHS = (1e8, 1e15)  # B/s, those of caches with them
_LONGEST = 0.1  # s, of the smallest layer
# Of every table at hand (13 devices, products, convolutions, attention and the rest) one of any 15
# rows takes less than 23 times the data sheet's time and this start; in milliseconds none less
# than 49 times.
_START, _TIMES = 20e-6, 33.0
_FAR = 0.5  # of the median row: a formula of FLOPs alone is off by less on all tables at hand
_ASK = "are the times in seconds? --time-column NAME_ms converts others"


def implausible(estimates: Sequence[Estimate], device: Device) -> list[str]:
    """A line for each determined parameter of a model of times that no hardware has.

    Args:
        estimates: in the units of seconds.
        device: what was measured; where its peak is known, rates are held to it.
    """
    slowest, fastest = _rates(device)
    ranges = {
        "FLOP/s": (slowest, fastest),
        "s/FLOP": (1 / fastest, 1 / slowest),
        "B/s": _BANDWIDTHS,
        "s": (0.0, _LONGEST),
    }
    return [
        f"{e.name} ({e.doc}) = {e.value:.3g} {e.unit} is beyond any hardware's ({low:.2g} to "
        f"{high:.2g}): {_ASK}"
        for e in estimates
        for low, high in [ranges.get(e.unit, (-math.inf, math.inf))]
        if e.determined and not low <= e.value <= high
    ]


def too_slow(layers: Workload, time_s: np.ndarray, device: Device, dtype: str) -> list[str]:
    """A line where even the fastest layers take far longer than the device's data sheet says.

    Args:
        layers, time_s: what was measured, and how long each took, shape `(layers,)`.
        device: on what; nothing is said where its peak in `dtype` and bandwidth are not known.
    """
    known = _roofs(device, dtype)
    if known is None:
        return []
    flops, moved = (np.asarray(of(layers), float) for of in (counts.flops, counts.bytes_moved))
    least = _START + np.maximum(flops / known[0], moved / known[1])
    times = float(np.min(time_s / least))
    if times < _TIMES:
        return []
    line = (
        f"even the fastest layer takes {times:.0f} times as long as the data sheet of "
        f"{device.name} lets it take: {_ASK}"
    )
    return [line]


def far_off(errors: Mapping[str, Accuracy]) -> list[str]:
    """A line where half of the rows are off by half or more, left out or, if none was, fitted."""
    of, found = next((kind, errors[kind]) for kind in ("rows", "in_sample") if kind in errors)
    if found.median_absolute < _FAR:
        return []
    which = "left out" if of == "rows" else "of the fit itself"
    line = (
        f"half of the rows {which} are off by {found.median_absolute:.0%} or more: the model does "
        "not explain what was measured; are all rows in one unit, and of one device and program?"
    )
    return [line]


def _roofs(device: Device, dtype: str) -> tuple[float, float] | None:
    """FLOP/s and B/s of a device: of those that its name may mean, the slowest; None if unknown."""
    sheets = [
        (sheet.peak_flops, sheet.bandwidth)
        for sheet in variants(device.name, PRECISIONS.get(dtype, ""))
        if sheet.bandwidth is not None
    ]
    if sheets:
        return min(peak for peak, _ in sheets), min(bandwidth for _, bandwidth in sheets)
    if dtype != "float32" or device.peak_flops is None or device.bandwidth is None:
        return None
    return float(device.peak_flops), float(device.bandwidth)


def _rates(device: Device) -> tuple[float, float]:
    """The least and the most FLOP/s that large layers run at on a device."""
    if device.peak_flops is None:
        peaks = [sheet.peak_flops for of in data_sheets().values() for sheet in of.values()]
        return _SLOWEST, _BEYOND * max(peaks)
    peak = float(device.peak_flops)
    return max(_SLOWEST, _OF_PEAK * peak), _TYPES * peak

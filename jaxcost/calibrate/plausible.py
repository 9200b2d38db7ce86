"""Fitted values that no hardware has: most likely what was measured stands in another unit."""

import math
from collections.abc import Sequence

from jaxcost.calibrate.fit import Estimate
from jaxcost.device import Device
from jaxcost.device.data_sheets import data_sheets

_SLOWEST = 1e9  # FLOP/s of large layers; a single core of a telephone has more
_OF_PEAK = 1e-3  # large layers reach more of the peak than that
_BEYOND = 4.0  # times the highest peak: higher clocks, and algorithms that save work
_TYPES = 64.0  # times the peak in float32: small types on tensor cores
_BANDWIDTHS = (1e8, 1e15)  # B/s, those of caches with them
_LONGEST = 0.1  # s, of the smallest layer


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
        f"{high:.2g}): are the times in seconds? --time-column NAME_ms converts others"
        for e in estimates
        for low, high in [ranges.get(e.unit, (-math.inf, math.inf))]
        if e.determined and not low <= e.value <= high
    ]


def _rates(device: Device) -> tuple[float, float]:
    """The least and the most FLOP/s that large layers run at on a device."""
    if device.peak_flops is None:
        peaks = [sheet.peak_flops for of in data_sheets().values() for sheet in of.values()]
        return _SLOWEST, _BEYOND * max(peaks)
    peak = float(device.peak_flops)
    return max(_SLOWEST, _OF_PEAK * peak), _TYPES * peak

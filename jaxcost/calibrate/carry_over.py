"""What another device's calibration says of a device, by the data sheets of both."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np

from jaxcost.calibrate import Calibration, load_calibration
from jaxcost.calibrate.fit import Estimate
from jaxcost.calibrate.fit.space import Space
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.intervals import Z90, Intervals
from jaxcost.device import Device
from jaxcost.device.data_sheets import PRECISIONS, data_sheet, is_known, known_device
from jaxcost.models.base import LayerwiseCost, Parameter
from jaxcost.workload.layer_table import ITEM_BYTES

_TARGET = "time_s"
# What a layer takes before it is under way shrinks by the cube root of the peak: from the A100 to
# the H100 and the B200 by 1.5 and 1.3, as measured for AIConfigurator (experiments/accuracy).
_START = -1 / 3
# Standard deviations of ln(parameter) between what a data sheet says and what is measured, and
# where no data sheet says anything; of ratios a part of what is believed without a parent.
_RATES, _STARTS, _UNKNOWN, _RATIOS = 0.3, 0.5, 2.0, 0.2
# Half a 90 % interval of ln(time) of a device from its data sheet alone, beside the calibration's
# own: with it more than 80 % of the rows lay inside on every device left out, and of most of them
# nearly all (experiments/accuracy, split `left out`). The worst device sets it, since with so few
# devices no quantile of theirs is known better.
BETWEEN_DEVICES = 0.7


def carry_over(calibration: Calibration | str | Path, device: Device | str) -> Calibration:
    """A calibration of a device on which nothing was measured, from another device's; times, s.

    Rates change as the data sheets' peak and bandwidth do, in the precision that was measured where
    both are known; what a layer takes to begin by the cube root of the peak. The correction stays.

    Args:
        calibration: of the other device: itself, its file, or the name of a preset.
        device: itself, or its name, such as `h200-sxm`; its peak and bandwidth must be known.
    Returns: a `Calibration`, whose intervals hold what is not known of the device, and whose
        warnings say that nothing was measured on it.
    Raises: ValueError: an unknown name, a calibration without times of layers, a CPU's for a GPU, a
        peak or a bandwidth that is not known.
    Valid for: products of a card of the same maker and generation or the next, at the clocks it is
        sold for: median errors of 5 to 13 %. Of cards of 70 W, which do not hold their clocks, 30
        to 35 %; of convolutions 16 to 20 %, as a fit of their own has. See docs/accuracy.md.
    Example:
        >>> import jaxcost as jc
        >>> carried = jc.carry_over("h100-sxm", "h200-sxm")
        >>> carried.models["time_s"].warnings[0][:36]
        'nothing was measured on h200-sxm: ca'
    """
    device = known_device(device) if isinstance(device, str) else device
    origin = Origin.of(calibration, device)
    if origin.lacks:
        raise ValueError(
            f"the {' and the '.join(origin.lacks)} of {origin.name} and {device.name} are not both "
            "known; measure some layers and start from it: jaxcost fit TABLE.csv --from"
        )
    line = (
        f"nothing was measured on {device.name}: carried over from {origin.name} by the data sheets"
    )
    parts = {sort: origin.carried(part) for sort, part in origin.fitted.parts.items()}
    first = parts.pop(origin.fitted.sort)
    fitted = dataclasses.replace(first, apart=parts, warnings=(line, *first.warnings))
    return Calibration(device, {_TARGET: fitted}, {"carried_over_from": origin.told})


@dataclasses.dataclass(frozen=True)
class Origin:
    """Another device's calibration, and what the data sheets say of that device and of this one.

    Attributes:
        fitted: its times.
        peak, bandwidth: of this device relative to the other's; None where either is not known.
        name: of the other device.
        told: what a calibration that starts from it says of it.
    """

    fitted: Fitted
    peak: float | None
    bandwidth: float | None
    name: str
    told: dict[str, Any]

    @classmethod
    def of(
        cls, calibration: Calibration | str | Path, device: Device, dtype: str | None = None
    ) -> "Origin":
        """Of a precision that is asked for, or any.

        Raises: ValueError: another precision, or as `carry_over`, but for what is not known.
        """
        if not isinstance(calibration, Calibration):
            calibration = load_calibration(calibration)
        other = calibration.device
        fitted = calibration.models.get(_TARGET)
        if fitted is None or not isinstance(fitted.model, LayerwiseCost):
            raise ValueError(
                f"the calibration of {other.name} has no times of layers, which another device "
                "could start from; give one that has"
            )
        if {"cpu"} < {_platform(other), _platform(device)} - {None}:
            raise ValueError(
                f"of {other.name} and {device.name} one is a CPU and one is not, so that neither "
                "tells of the other; start from a calibration of a like device"
            )
        _check_dtype(fitted, other, dtype)
        told = {"device": other.name, "provenance": calibration.provenance}
        return cls(
            fitted, _peak(other, device, fitted.dtype), _ratio(other, device, "bandwidth"),
            other.name, told,
        )  # fmt: skip

    @property
    def lacks(self) -> list[str]:
        """What the data sheets do not say."""
        told = {"peak": self.peak, "bandwidth": self.bandwidth}
        return [name for name, ratio in told.items() if ratio is None]

    def space(self, part: Fitted) -> tuple[Space, np.ndarray]:
        """A model's parameters with what is believed of them on this device: spread, and where."""
        own = Space.of(part.model)
        at = own.vector({p.name: float(getattr(part.model, p.name)) for p in own.parameters})
        parameters = tuple(self._believed(p) for p in own.parameters)
        moved = at + np.array([_logarithm(p, self._factor(p)) for p in own.parameters])
        return dataclasses.replace(own, parameters=parameters), moved

    def _factor(self, p: Parameter) -> float:
        """What a parameter is multiplied by."""
        peak, bandwidth = self.peak or 1.0, self.bandwidth or 1.0
        scales = {"FLOP/s": peak, "s/FLOP": 1 / peak, "B/s": bandwidth, "s": peak**_START}
        return scales.get(p.unit, 1.0)

    def _believed(self, p: Parameter) -> Parameter:
        told = {"FLOP/s": self.peak, "s/FLOP": self.peak, "B/s": self.bandwidth}
        if p.unit in told:
            return dataclasses.replace(p, spread=_RATES if told[p.unit] else _UNKNOWN)
        return dataclasses.replace(
            p, spread=_STARTS if p.unit == "s" else _RATIOS * (p.spread or 1)
        )

    def carried(self, part: Fitted) -> Fitted:
        """A sort of layers as the data sheets alone say, its interval that much wider."""
        space, z = self.space(part)
        spread = Z90 * np.array([p.spread for p in space.parameters])
        low, value, high = (space.values(z + ends) for ends in (-spread, 0, spread))
        own = part.intervals
        half_width = math.hypot(own.half_width, BETWEEN_DEVICES)
        widening = own.widening * own.half_width / half_width
        return dataclasses.replace(
            part,
            model=space.build(value),
            intervals=Intervals(half_width, widening, own.usual),
            estimates=tuple(
                Estimate(p.name, value[p.name], low[p.name], high[p.name], p.unit, p.doc, False)
                for p in space.parameters
            ),
            covariance=np.zeros((0, 0)),
            singular_values=np.zeros(0),
            errors={},
            model_errors={},
            baselines={},
            warnings=(),
            apart={},
        )


def _logarithm(p: Parameter, factor: float) -> float:
    """By how much a parameter's `z` moves that is multiplied by a factor; of others nothing."""
    return math.log(factor) if p.lower == 0 and math.isinf(p.upper) else 0.0


def _platform(device: Device) -> str | None:
    """None where it is not known; data sheets are of accelerators."""
    return device.platform or ("gpu" if is_known(device.name) else None)


def _check_dtype(fitted: Fitted, other: Device, dtype: str | None) -> None:
    """Items of equal size, such as float16 and bfloat16, cost the same."""
    known = fitted.dtype
    if dtype is not None and known is not None and ITEM_BYTES[dtype] != ITEM_BYTES[known]:
        raise ValueError(
            f"the calibration of {other.name} was measured in {known}, and {dtype} is asked for; "
            f"give one in {dtype}, or measure in {known} with --dtype {known}"
        )


def _ratio(other: Device, device: Device, fact: str) -> float | None:
    before, now = getattr(other, fact), getattr(device, fact)
    return None if before is None or now is None else float(now) / float(before)


def _peak(other: Device, device: Device, dtype: str | None) -> float | None:
    """The ratio of peaks in a precision; where a data sheet lacks it, in float32."""
    precision = PRECISIONS.get(dtype or "")
    try:
        before, now = (data_sheet(d.name, precision) for d in (other, device) if is_known(d.name))
    except ValueError:  # one is unknown, or has no peak in this precision
        return _ratio(other, device, "peak_flops")
    return now.peak_flops / before.peak_flops

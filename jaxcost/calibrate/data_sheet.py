"""What an inference would cost where nothing was measured: from a data sheet, or from a trend."""

import dataclasses
from typing import Any

import numpy as np

from jaxcost._support.dates import fractional_year
from jaxcost._support.sizes import one
from jaxcost.calibrate.trends import efficiency_line
from jaxcost.device.data_sheets import DataSheet, data_sheet
from jaxcost.models.efficiency_trend import DataSheetEnergy, of_flops
from jaxcost.workload import Workload, counts

JOULES_PER_KWH = 3.6e6
_SHEET_WARNING = "estimated from a data sheet: nothing was measured, so there is no interval"
_TREND_WARNING = (
    "estimated from a trend of data sheets, of GPUs at their peak and design power; the interval "
    "is that of one GPU around the line, not of the network"
)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The cost of one inference as estimated, not measured; None is not known.

    Attributes:
        workload: what is estimated, one row a layer.
        basis: in words, the device that is estimated.
        latency: s.
        energy: J, with the ends of its 90 % interval where it has one.
        energy_reason: why there is no energy.
        assumptions: name -> value, of what was looked up or given.
        warnings: what the reader must mind.
    """

    workload: Workload
    basis: str
    latency: float | None
    energy: float | None
    energy_lower: float | None = None
    energy_upper: float | None = None
    energy_reason: str | None = None
    assumptions: dict[str, Any] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def flops(self) -> float:
        """FLOPs of one inference; a multiply-add is 2."""
        return _total_flops(self.workload)

    @property
    def kwh(self) -> float | None:
        """The energy in kWh."""
        return None if self.energy is None else self.energy / JOULES_PER_KWH

    def carbon(self, grams_per_kwh: float) -> float | None:
        """kg of CO2 (equivalent) where electricity emits `grams_per_kwh`, finite and >= 0.

        Raises: ValueError: another number. There is no default: it differs tenfold by country.
        """
        allowed = "grams of CO2 per kWh, 0 or more, such as your grid operator publishes"
        one("carbon intensity", grams_per_kwh, lambda g: 0 <= g < np.inf, allowed)
        return None if self.kwh is None else self.kwh * grams_per_kwh / 1000


def from_data_sheet(
    workload: Workload | float, device: str, *, assume_peak: float, precision: str | None = None
) -> Estimate:
    """Time and energy of one inference at a share of a device's peak and at its design power.

    Args:
        workload: the layers, or their FLOPs, > 0.
        device: such as `v100`, as `jaxcost.device.data_sheets.data_sheet` takes it.
        assume_peak: share of the peak that the network reaches, in (0, 1], keyword-only. There is
            no default: 1 is the thesis's own assumption, and real networks reach far less.
        precision: such as `fp16-tensor`; None is FP32, or the only one known, keyword-only.
    Returns: without energy, and with the reason, where no power is published.
    Raises: ValueError: an unknown device or precision, a share or FLOPs out of range.
    Example:
        >>> found = from_data_sheet(4.1e9, "v100", assume_peak=0.4)
        >>> f"{found.latency * 1e3:.3f} ms, {found.energy:.3f} J"
        '0.653 ms, 0.196 J'
    """
    allowed = "a share of the peak above 0 and up to 1, such as 0.4"
    assume_peak = one("assume-peak", assume_peak, lambda share: 0 < share <= 1, allowed)
    sheet, layers = data_sheet(device, precision), _layers(workload)
    latency = _total_flops(layers) / (assume_peak * sheet.peak_flops)
    reason = None if sheet.design_power else f"no power of {sheet.kind} is published"
    return Estimate(
        workload=layers,
        basis=f"{sheet.kind} ({sheet.precision})",
        latency=latency,
        energy=None if reason else _sheet_energy(layers, sheet, assume_peak),
        energy_reason=reason,
        assumptions=_assumptions(sheet, assume_peak),
        warnings=(
            _SHEET_WARNING,
            *([f"{sheet.kind}: {sheet.note}"] if sheet.note else []),
            *_traffic(layers, sheet, latency),
        ),
    )


def from_trend(
    workload: Workload | float, date: str, *, line: str = "fp32", extrapolate: bool = False
) -> Estimate:
    """Energy of one inference on hardware of a date, from the thesis's efficiency lines.

    Args:
        workload: the layers, or their FLOPs, > 0.
        date: of the hardware's launch, ISO.
        line: `fp32`, `cnn` or `nlp`, the last two with mixed precision, keyword-only.
        extrapolate: whether the date may lie outside the data, keyword-only.
    Returns: the energy with its 90 % interval, that of one GPU around the line; no latency.
    Raises: ValueError: an unknown line, a date outside the data, with how far.
    """
    fitted, layers = efficiency_line(line), _layers(workload)
    ends = fitted.energy(_total_flops(layers), date, extrapolate=extrapolate)
    energy, lower, upper = map(float, ends)
    beyond = [f"{fitted.outside(date)}: extrapolated"] if fitted.beyond(date) else []
    return Estimate(
        workload=layers,
        basis=f"a GPU of {date} on the {line} line of efficiency",
        latency=None,
        energy=energy,
        energy_lower=lower,
        energy_upper=upper,
        assumptions={
            "line": line,
            "date": date,
            "efficiency_flop_per_j": float(fitted.model.efficiency(fractional_year(date))),
            "source": "Desislavov (2021), table B.3",
        },
        warnings=(_TREND_WARNING, *beyond),
    )


def _layers(workload: Workload | float) -> Workload:
    if isinstance(workload, Workload):
        return workload
    allowed = "a finite number of at least 1, such as 4.1e9"
    return of_flops(one("flops", workload, lambda flops: 1 <= flops < np.inf, allowed))


def _total_flops(layers: Workload) -> float:
    # Summed in float64: a network has layers of very different sizes.
    return float(np.asarray(layers.repeat * counts.flops(layers), np.float64).sum())


def _sheet_energy(layers: Workload, sheet: DataSheet, share: float) -> float:
    return float(DataSheetEnergy(share=share)(layers, sheet.device()))


def _assumptions(sheet: DataSheet, share: float) -> dict[str, Any]:
    return {
        "device": sheet.name,
        "precision": sheet.precision,
        "assumed_share_of_peak": share,
        "peak_flop_per_s": sheet.peak_flops,
        "design_power_w": sheet.design_power,
        "source": sheet.source,
    }


def _traffic(layers: Workload, sheet: DataSheet, latency: float) -> list[str]:
    """A warning where moving each operand once takes longer than the arithmetic is assumed to."""
    if sheet.bandwidth is None:
        return []
    moved = float((layers.repeat * counts.bytes_moved(layers) * (layers.c_out > 0)).sum())
    seconds = moved / sheet.bandwidth
    if seconds <= latency:
        return []
    slower = f"moving the operands takes {seconds * 1e3:.3g} ms at the data sheet's bandwidth"
    return [f"{slower}, longer than the arithmetic: assume a smaller share of the peak"]

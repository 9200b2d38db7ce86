"""What a device can do at most, as measured or as its data sheet says, in one precision."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from jaxcost.calibrate import Calibration
from jaxcost.device.data_sheets import by_precision_of, data_sheet
from jaxcost.trace.counts import Counts

# By type, the precisions of data sheets in which XLA multiplies it, the first that a device has.
_MULTIPLIED_IN = {
    "float32": ("tf32", "fp32", "bf16"),  # on GPUs and TPUs in less than float32 unless told not to
    "bfloat16": ("bf16",),
    "float16": ("fp16-tensor", "fp16"),
    "float8_e4m3fn": ("fp8",),
    "float8_e5m2": ("fp8",),
}
_WHOLE_FLOAT32 = ("highest", "float32", "F32_F32_F32")  # of jax_default_matmul_precision


@dataclasses.dataclass(frozen=True)
class Ceilings:
    """What a device can do at most.

    Attributes:
        device: its name.
        peak_flops: FLOP/s of products in `precision`, without sparsity.
        bandwidths: B/s, by what is moved, the main memory's first; empty if unknown.
        precision: of the peak.
        source: `data sheet` or `measured`.
        design_power: W; None if unknown.
    """

    device: str
    peak_flops: float
    bandwidths: Mapping[str, float]
    precision: str
    source: str
    design_power: float | None = None

    @property
    def basis(self) -> str:
        """Where the figures are from, in words."""
        kind = "dense peak of the data sheet" if self.source == "data sheet" else "measured ceiling"
        return f"{kind}, {self.device}, {self.precision}"


def of_data_sheet(name: str, dtype: str, precision: str | None = None) -> Ceilings:
    """The dense peak and the bandwidth that a device's data sheet gives.

    Args:
        name: as `jaxcost devices --data-sheets` lists.
        dtype: of the products, such as `bfloat16`; float32 is taken for multiplied in TF32 where a
            device has it, as XLA does unless `jax_default_matmul_precision` says otherwise.
        precision: of the data sheet instead, such as `fp32`.
    Raises: ValueError: an unknown device, or one without a peak in that precision.
    """
    known = by_precision_of(name)
    if precision is None:
        choices = _MULTIPLIED_IN.get(dtype, ())
        if jax.config.jax_default_matmul_precision in _WHOLE_FLOAT32:  # type: ignore[attr-defined]
            choices = tuple(choice for choice in choices if choice != "tf32")
        precision = next((choice for choice in choices if choice in known), None)
    if precision is None:
        way_out = f"say which one to hold it against (precision=): {', '.join(known)}"
        raise ValueError(
            f"{name} has no published peak of products in {dtype or 'none'}; {way_out}"
        )
    sheet = data_sheet(name, precision)
    bandwidths = {} if sheet.bandwidth is None else {"memory": sheet.bandwidth}
    return Ceilings(
        sheet.name, sheet.peak_flops, bandwidths, precision, "data sheet", sheet.design_power
    )


def of_calibration(calibration: Calibration) -> Ceilings:
    """What a calibration measured: the rate of large products, and rates of moving bytes.

    Raises: ValueError: a calibration without times, or whose model knows no rate.
    """
    name = calibration.device.name
    if "time_s" not in calibration.models:
        raise ValueError(f"the calibration of {name} has no times; give one that has")
    fitted = calibration.models["time_s"]
    rate = _of(fitted.model, "rate")
    if rate is None:
        raise ValueError(
            f"{fitted.name}, the model of the calibration of {name}, knows no peak rate; give one "
            "of alpha-roofline or roofline, or a device by its data sheet"
        )
    bandwidths = {"inputs and outputs": _of(fitted.model, "bandwidth")}
    ratio = _of(fitted.model, "weight_ratio")
    if ratio is not None and bandwidths["inputs and outputs"] is not None:
        bandwidths["weights"] = bandwidths["inputs and outputs"] * ratio
    alone = fitted.parts.get("memory-bound")
    if alone is not None:
        bandwidths["what is no product"] = _of(alone.model, "mean_bandwidth")
    known = {what: value for what, value in bandwidths.items() if value is not None}
    return Ceilings(name, rate, known, fitted.dtype or "a precision not recorded", "measured")


def _of(model: Any, name: str) -> float | None:
    value = getattr(model, name, None)
    return None if value is None else float(value)


def main_dtype(found: Counts) -> tuple[str, float]:
    """The type in which most FLOPs of products are, and their share; '' and 0 without products."""
    flops: dict[str, float] = {}
    for operation in found.operations:
        if operation.work.sizes is not None:
            amount = operation.repeat * operation.flops
            flops[operation.dtype] = flops.get(operation.dtype, 0.0) + amount
    if not sum(flops.values()):
        return "", 0.0
    main = max(flops, key=flops.__getitem__)
    return main, flops[main] / sum(flops.values())

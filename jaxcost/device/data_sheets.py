"""Data sheets of GPUs and other accelerators: peak and power by precision, with their sources."""

import dataclasses
import difflib
import functools
import re
from typing import Any

from jaxcost._support.dates import fractional_year
from jaxcost._support.messages import shown, unknown
from jaxcost._support.published import published
from jaxcost.device import Device, detect_device, device, presets

_MAKERS = r"^(nvidia|nv|amd|instinct|google|geforce|tesla)-"
# As drivers, the calibrations that come with the package and DeepBench's tables name them, where
# data sheets do not. DeepBench's TitanX is the one of Maxwell, as its README says.
_ALSO = {
    "a100-sxm": "a100-sxm-80gb",
    "a100-sxm4-80gb": "a100-sxm-80gb",
    "a100-80gb-pcie": "a100-pcie-80gb",
    "h100-80gb-hbm3": "h100-sxm",
    "h200": "h200-sxm",
    "p100-pcie-16gb": "p100-pcie",
    "v100-pcie-16gb": "v100-pcie",
    "v100-pcie-32gb": "v100-pcie",
    "1080ti": "gtx-1080-ti",
    "titanx": "gtx-titan-x",
    "titanx-pascal": "titan-x-pascal",
    "titanxp": "titan-xp",
}
_USUAL = "fp32"
PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16-tensor"}  # by type of arrays
_TABLES = "Desislavov (2021), table"


@dataclasses.dataclass(frozen=True)
class DataSheet:
    """What the maker says of a device in one precision; None is not published.

    Attributes:
        name: as `data_sheet` takes it, such as `v100`.
        kind: as its source calls it.
        precision: `fp32`, `tf32`, `fp16`, `fp16-tensor`, `bf16`, `fp8`; `mixed-cnn` and the like
            are the thesis's FP32 peaks times measured speed-ups for that kind of network.
        peak_flops: FLOP/s, without sparsity.
        bandwidth: B/s.
        design_power: W.
        launch_date: ISO.
        source, note: where the figures are from, and what must be known to read them.
    """

    name: str
    kind: str
    precision: str
    peak_flops: float
    bandwidth: float | None
    design_power: float | None
    launch_date: str
    source: str
    note: str = ""

    def device(self) -> Device:
        """The same as a Device, which cost models take."""
        return Device(
            self.name,
            peak_flops=self.peak_flops,
            bandwidth=self.bandwidth,
            design_power=self.design_power,
            launch_year=fractional_year(self.launch_date),
            kind=self.kind,
        )


def data_sheet(name: str, precision: str | None = None) -> DataSheet:
    """The data sheet of a device in one precision.

    Args:
        name: such as `v100` or `h100-sxm`; case, and a maker before it, do not matter.
        precision: one of those that the device has; None is FP32, or the only one it has.
    Raises: ValueError: an unknown name, with the nearest; a precision that the device has not.
    Example:
        >>> data_sheet("Tesla V100").design_power
        300.0
    """
    by_precision, slug = by_precision_of(name), _slug(name)
    if precision is None and len(by_precision) == 1:
        return next(iter(by_precision.values()))
    wanted = precision or _USUAL
    if wanted not in by_precision:
        raise ValueError(unknown(f"precision of {slug}", wanted, by_precision))
    return by_precision[wanted]


def by_precision_of(name: str) -> dict[str, DataSheet]:
    """All data sheets of a device, by precision.

    Raises: ValueError: an unknown name, with the nearest.
    """
    known, slug = data_sheets(), _slug(name)
    if slug not in known:
        lacks = "is known, but no peak of it" if name in presets() else "has no data sheet here"
        raise ValueError(_unlisted(name, lacks, slug, list(known)))
    return known[slug]


def known_device(name: str) -> Device:
    """A device as `jaxcost.device` describes it or, where that does not know it, its data sheet.

    Raises: ValueError: a name that neither knows; the message gives the nearest.
    Example:
        >>> float(known_device("h100-sxm").bandwidth) > 3e12, known_device("eagle-gpu").name
        (True, 'eagle-gpu')
    """
    if name in presets():
        return device(name)
    known = data_sheets()
    if (slug := _slug(name)) not in known:
        raise ValueError(_unlisted(name, "is not known", slug, list({**presets(), **known})))
    return data_sheet(name).device()


def is_known(name: str) -> bool:
    """Whether `known_device` knows it."""
    return name in presets() or _slug(name) in data_sheets()


def variants(name: str, precision: str) -> list[DataSheet]:
    """The data sheets in a precision of a device, or of those that a short name such as `H100` may
    mean."""
    slug = _slug(name)
    names = [known for known in data_sheets() if known == slug or known.startswith(f"{slug}-")]
    return [of[precision] for of in map(data_sheets().__getitem__, names) if precision in of]


def same_device(one: str, other: str) -> bool:
    """Whether two names are of one device, however they are written.

    Example:
        >>> same_device("Tesla T4", "t4"), same_device("h100-sxm", "NVIDIA H100 80GB HBM3")
        (True, True)
    """
    return _slug(one) == _slug(other)


def may_be_here(device: Device) -> bool:
    """Whether a device is this machine's, or of a kind that is not known."""
    here = detect_device().kind
    return device.kind is None or (here is not None and same_device(device.kind, here))


@functools.cache
def data_sheets() -> dict[str, dict[str, DataSheet]]:
    """All data sheets: `{name: {precision: DataSheet}}`, the thesis's GPUs, then current ones."""
    found: dict[str, dict[str, DataSheet]] = {}
    for sheet in (*_of_thesis("b_1"), *_of_thesis("b_3"), *_current()):
        known = found.setdefault(sheet.name, {})
        if sheet.precision not in known or sheet.bandwidth:  # which the thesis does not give
            known[sheet.precision] = sheet
    return found


def _of_thesis(table: str) -> list[DataSheet]:
    rows = published(f"inference_trends_table_{table}").to_dict("records")
    source = f"{_TABLES} {table.upper().replace('_', '.')}"
    return [_thesis_sheet(row, source) for row in rows]


def _thesis_sheet(row: dict[str, Any], source: str) -> DataSheet:
    adapted = row.get("adapted_for", "none")
    factor = "" if adapted == "none" else f"-{adapted}"
    note = f"FP32 peak times the measured speed-up for {adapted.upper()}s" if factor else ""
    return DataSheet(
        name=_slug(row["gpu"]),
        kind=row["gpu"],
        precision=row["precision"] + factor,
        peak_flops=float(row["peak_flop_per_s"]),
        bandwidth=None,
        design_power=float(row["design_power_w"]),
        launch_date=row["launch_date"],
        source=source,
        note=note,
    )


def _current() -> list[DataSheet]:
    rows = published("data_sheets").to_dict("records")
    return [
        DataSheet(
            name=row["device"],
            kind=row["kind"],
            precision=row["precision"],
            peak_flops=float(row["peak_flop_per_s"]),
            bandwidth=float(row["bandwidth_b_per_s"]),
            design_power=_known(row["design_power_w"]),
            launch_date=row["launch_date"],
            source=row["source"],
            note=row["note"] if isinstance(row["note"], str) else "",
        )
        for row in rows
    ]


def _known(value: float) -> float | None:
    return None if value != value else float(value)  # an empty cell is NaN


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    while (shorter := re.sub(_MAKERS, "", slug)) != slug:
        slug = shorter
    return _ALSO.get(slug, slug)


def _unlisted(name: str, lacks: str, slug: str, known: list[str]) -> str:
    """The line that names those that contain what was given, or else look most like it."""
    parts = [other for other in known if slug and slug in other]
    near = parts[:3] or difflib.get_close_matches(slug, known, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return (
        f"device {shown(name)} {lacks}; {hint}"
        f"`jaxcost devices --data-sheets` lists all {len(known)}"
    )

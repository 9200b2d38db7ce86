"""Calibrations as JSON: what the file holds, writing it, and refusing one that is damaged."""

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from jaxcost._support.messages import shown, unknown
from jaxcost._support.strict_json import indented, read
from jaxcost.calibrate import UNITS, Calibration
from jaxcost.calibrate.correction import Correction, fit_correction
from jaxcost.calibrate.features import RESIDUAL, SORTS, sort_in
from jaxcost.calibrate.fit import Accuracy, Estimate
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.intervals import Intervals
from jaxcost.calibrate.likelihood import LENGTH
from jaxcost.device.facts import NUMBERS, from_facts, to_facts
from jaxcost.models.base import parameters_of, settings_of
from jaxcost.models.registry import ALL, model_class, sort_of
from jaxcost.workload.layer_table import ITEM_BYTES

VERSION = 1
# Strict: text that looks like a number, or a truth value, is none.
Number = Annotated[float, Field(strict=True), AllowInfNan(False)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Log = Annotated[Number, Field(ge=-700, le=700)]  # of a number that a float can hold
Rows = Annotated[int, Field(strict=True, ge=1)]
Errors = dict[str, "AccuracyRecord"]
Bounds = tuple[Number | None, Number | None]
_ASYMMETRY = 1e-6  # of a covariance, in standard deviations of its two parameters


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class LevelRecord(_Record):
    """One memory level: name, bytes per unit, units."""

    name: str
    bytes_per_unit: Positive
    units: Positive


class DeviceRecord(_Record):
    """A device; null is unknown. With its numbers as `Device` has them: FLOP/s, B/s, W."""

    name: str
    platform: str | None = None
    kind: str | None = None
    memory: tuple[LevelRecord, ...] = ()


if not TYPE_CHECKING:
    _numbers = dict.fromkeys(NUMBERS, (Positive | None, None))
    DeviceRecord = create_model("DeviceRecord", __base__=DeviceRecord, **_numbers)


class AccuracyRecord(_Record):
    """Relative errors as fractions; `layers` where several rows measured one."""

    rows: Rows
    layers: Rows | None = None
    mean_absolute: NotNegative
    median_absolute: NotNegative
    within_10_percent: Annotated[NotNegative, Field(le=1)]
    bias: Number

    @model_validator(mode="after")
    def _ordered(self) -> "AccuracyRecord":
        if self.layers is not None and self.layers > self.rows:
            raise ValueError(f"layers = {self.layers} must be at most rows = {self.rows}")
        return self


class ParameterRecord(_Record):
    """A parameter: value with its 90 % interval, and the bounds of the search (null: none)."""

    name: str
    value: Number
    lower: Number
    upper: Number
    bounds: Bounds
    unit: str
    doc: str
    determined: Annotated[bool, Field(strict=True)]

    @model_validator(mode="after")
    def _ordered(self) -> "ParameterRecord":
        least, most = self.bounds
        bounds = (-math.inf if least is None else least, math.inf if most is None else most)
        for kind, (low, high) in {"interval": (self.lower, self.upper), "bounds": bounds}.items():
            if not low <= self.value <= high:
                ends = f"{low:g} to {high:g}"
                raise ValueError(f"value = {self.value:g} must lie in its {kind}, {ends}")
        return self


class IntervalsRecord(_Record):
    """Half the width of the 90 % interval of ln(cost), and how far it widens for novel layers."""

    half_width: Positive
    widening: NotNegative
    usual: NotNegative = 0.0


class KernelRecord(_Record):
    """How a correction carries from layer to layer: as in `calibrate.correction.Correction`.

    `doubted`: noises from the others at which a layer counts half; earlier files have none, and
    their residuals were cut instead.
    """

    amplitude: Positive
    noise: Positive
    doubted: Positive | None = None
    lengths: tuple[Positive, ...]


class ModelRecord(_Record):
    """One target: the model, its parameters, and how well it predicts."""

    model: str
    unit: str
    dtype: Literal[tuple(ITEM_BYTES)] | None = None  # type: ignore[valid-type]
    settings: dict[str, Number | str] = Field(default_factory=dict)
    parameters: tuple[ParameterRecord, ...]
    intervals: IntervalsRecord
    errors: Errors
    model_errors: Errors
    baselines: dict[str, Errors]
    warnings: tuple[str, ...]
    singular_values: tuple[NotNegative, ...]
    covariance: tuple[tuple[Number, ...], ...]
    correction_columns: tuple[str, ...] | None
    correction_kernel: KernelRecord | None = None  # earlier files have none
    correction_layers: Annotated[tuple[tuple[Log, ...], ...], Field(min_length=1)] | None
    apart: dict[str, "ModelRecord"] = Field(default_factory=dict)  # other sorts of layers

    @model_validator(mode="after")
    def _consistent(self) -> "ModelRecord":
        kind = model_class(self.model, ALL)
        given, declared = [p.name for p in self.parameters], parameters_of(kind)
        names = [p.name for p in declared if p.name in given or p.absent is None]
        if given != names:
            raise ValueError(f"parameters must be {', '.join(names)}")
        sides = {len(self.covariance), *map(len, self.covariance)}
        if sides not in ({0}, {len(names)}):
            raise ValueError(f"covariance must be {len(names)} x {len(names)}")
        _check_covariance(np.array(self.covariance), names)
        for name in self.settings:
            if name not in (known := settings_of(kind)):
                raise ValueError(unknown("setting", name, known))
        if (self.correction_columns is None) != (self.correction_layers is None):
            raise ValueError("correction_columns and correction_layers must come together")
        if self.correction_columns is not None:
            sort_in(self.correction_columns)
            self._check_correction(len(self.correction_columns))
        for strange in self.apart.keys() - SORTS.keys():
            raise ValueError(unknown("apart", strange, SORTS))
        return self

    def _check_correction(self, columns: int) -> None:
        if {len(row) for row in self.correction_layers or ()} - {columns}:
            raise ValueError(f"each row of correction_layers must have {columns} numbers")
        kernel = self.correction_kernel
        if kernel is not None and len(kernel.lengths) != columns - 1:
            raise ValueError(f"correction_kernel.lengths must have {columns - 1} numbers")


class CalibrationRecord(_Record):
    """The whole file."""

    schema_version: Annotated[int, Field(strict=True)]
    device: DeviceRecord
    models: Annotated[dict[str, ModelRecord], Field(min_length=1)]
    provenance: dict[str, Any]

    @model_validator(mode="after")
    def _targets(self) -> "CalibrationRecord":
        for target, model in self.models.items():
            if target not in UNITS:
                raise ValueError(unknown("target", target, UNITS))
            # Files of earlier versions give a model of energies the unit of its times.
            earlier = {model_class(model.model, ALL).unit} if target == "energy_j" else set()
            if model.unit not in {UNITS[target], *earlier}:
                raise ValueError(f"models.{target}: unit must be {UNITS[target]}")
        return self


def dump(calibration: Calibration) -> str:
    """The calibration as JSON text, keys in a fixed order, one measured layer a line."""
    record = CalibrationRecord(
        schema_version=VERSION,
        device=DeviceRecord.model_validate(to_facts(calibration.device)),
        models={target: _model_record(target, f) for target, f in calibration.models.items()},
        provenance=calibration.provenance,
    )
    return indented(record.model_dump(mode="json")) + "\n"


def load(path: Path) -> Calibration:
    """The calibration in a file.

    Raises: ValueError: one line that names the file, the place in it, and what is wrong there.
    """
    try:
        content = read(path.read_text(encoding="utf-8"))
        _check_version(content)
        record = CalibrationRecord.model_validate(content)
        models = {target: _fitted(model) for target, model in record.models.items()}
        return Calibration(from_facts(record.device.model_dump()), models, record.provenance)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{path}, {place}: not JSON ({error.msg}); calibrate again") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        value = "" if isinstance(first["input"], dict | list) else f" = {shown(first['input'])}"
        reason = first["msg"].removeprefix("Value error, ")
        way = "" if ";" in reason else "; calibrate again"  # a reason may have its own way out
        raise ValueError(f"{path}: {place}{value}: {reason}{way}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}; give a calibration that jaxcost wrote") from None


def _check_version(content: Any) -> None:
    if not isinstance(content, dict) or "schema_version" not in content:
        raise ValueError("has no schema_version, so it is no calibration")
    if content["schema_version"] != VERSION:
        found = shown(content["schema_version"])
        raise ValueError(f"schema_version = {found}, but this jaxcost reads {VERSION}")


def _check_covariance(covariance: np.ndarray, names: list[str]) -> None:
    """ValueError where a variance is negative, or two entries of one pair differ."""
    if not covariance.size:
        return
    variances = np.diag(covariance)
    if (bad := variances < 0).any():
        first = int(bad.argmax())
        raise ValueError(f"covariance: variance of {names[first]} = {variances[first]:g} < 0")
    scale = np.sqrt(variances)
    apart = np.abs(covariance - covariance.T) > _ASYMMETRY * np.multiply.outer(scale, scale)
    if apart.any():
        row, column = np.argwhere(apart)[0]
        raise ValueError(f"covariance must be symmetric; {row}.{column} and {column}.{row} differ")


def _model_record(target: str, fitted: Fitted) -> ModelRecord:
    bounds = {p.name: _finite(p.lower, p.upper) for p in parameters_of(fitted.model)}
    parameters = tuple(
        ParameterRecord(**dataclasses.asdict(e), bounds=bounds[e.name]) for e in fitted.estimates
    )
    layers = None if fitted.layers is None else fitted.layers.tolist()
    known = fitted.correction
    columns = None if known is None else (*known.sort.columns, RESIDUAL)
    return ModelRecord(
        model=fitted.name,
        unit=UNITS[target],
        dtype=fitted.dtype,
        settings={name: getattr(fitted.model, name) for name in settings_of(fitted.model)},
        parameters=parameters,
        intervals=IntervalsRecord(**dataclasses.asdict(fitted.intervals)),
        errors=_error_records(fitted.errors),
        model_errors=_error_records(fitted.model_errors),
        baselines={name: _error_records(errors) for name, errors in fitted.baselines.items()},
        warnings=fitted.warnings,
        singular_values=fitted.singular_values.tolist(),
        covariance=fitted.covariance.tolist(),
        correction_columns=columns,
        correction_kernel=_kernel_record(fitted.correction),
        correction_layers=layers,
        apart={sort: _model_record(target, of) for sort, of in fitted.apart.items()},
    )


def _fitted(record: ModelRecord) -> Fitted:
    kind = model_class(record.model, ALL)
    fields = {field.name for field in dataclasses.fields(Estimate)}
    rows = record.correction_layers
    layers = None if rows is None else np.array(rows)
    values = {p.name: p.absent for p in parameters_of(kind)}
    values |= {p.name: p.value for p in record.parameters}
    return Fitted(
        name=record.model,
        model=kind(**values, **record.settings),
        intervals=Intervals(**dict(record.intervals)),
        estimates=tuple(Estimate(**p.model_dump(include=fields)) for p in record.parameters),
        covariance=np.array(record.covariance),
        singular_values=np.array(record.singular_values),
        errors=_accuracies(record.errors),
        model_errors=_accuracies(record.model_errors),
        baselines={name: _accuracies(errors) for name, errors in record.baselines.items()},
        warnings=record.warnings,
        correction=_correction(layers, record),
        layers=layers,
        dtype=record.dtype,
        sort=sort_of(record.model) if rows is None else sort_in(record.correction_columns)[0],
        apart={sort: _fitted(of) for sort, of in record.apart.items()},
    )


def _kernel_record(correction: Correction | None) -> KernelRecord | None:
    if correction is None or np.isinf(correction.least).any():  # from a file that had none
        return None
    return KernelRecord(
        amplitude=float(correction.amplitude),
        noise=float(correction.noise),
        doubted=correction.doubted,
        lengths=tuple(correction.lengths.tolist()),
    )


def _correction(layers: np.ndarray | None, record: ModelRecord) -> Correction | None:
    """Anew from its layers, which takes less room in a file than its matrices do."""
    if layers is None or record.correction_columns is None:
        return None
    x, residual, kernel = layers[:, :-1], layers[:, -1], record.correction_kernel
    _, sort = sort_in(record.correction_columns)
    if kernel is None:
        lengths = np.full(x.shape[1], LENGTH)
        return fit_correction(x, residual, lengths=lengths, doubted=None, sort=sort)
    values = kernel.amplitude, kernel.noise, np.array(kernel.lengths)
    return fit_correction(x, residual, values, doubted=kernel.doubted, sort=sort)


def _error_records(errors: dict[str, Accuracy]) -> Errors:
    return {kind: AccuracyRecord(**dataclasses.asdict(a)) for kind, a in errors.items()}


def _accuracies(errors: Errors) -> dict[str, Accuracy]:
    return {kind: Accuracy(**dict(record)) for kind, record in errors.items()}


def _finite(lower: float, upper: float) -> Bounds:
    return (lower if np.isfinite(lower) else None, upper if np.isfinite(upper) else None)

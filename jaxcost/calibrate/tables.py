"""From a table of measurements, as it stands in a file, to a calibration: `fit`."""

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcost._support.provenance import provenance
from jaxcost.calibrate import Calibration
from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.carry_over import Origin
from jaxcost.calibrate.fit import fit_model
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.plausible import far_off, too_slow
from jaxcost.calibrate.run_build import fit_runs
from jaxcost.device import Device, detect_device
from jaxcost.device.data_sheets import is_known, known_device
from jaxcost.models.base import CostModel
from jaxcost.models.registry import (
    ALL,
    LAYER_MODELS,
    RUN_MODELS,
    model_class,
    name_of,
    register_model,
)
from jaxcost.workload import from_table
from jaxcost.workload.columns import Columns, as_frame
from jaxcost.workload.layer_table import read_layer_table, read_text, validate_layers
from jaxcost.workload.run_table import RUN_TARGET, is_run_table, read_run_table, validate_runs
from jaxcost.workload.selection import names_in, one_of, rows_to_fit

if TYPE_CHECKING:
    import pandas as pd

_FOR_LAYERS = "is for tables of layers; leave it out for training runs"


def _models_as_before(fit: Callable[..., Calibration]) -> Callable[..., Any]:
    """In 0.1 `jaxcost.fit` fitted a model's parameters; given a model it does so until 0.3."""

    @functools.wraps(fit)
    def either(table: Any, *given: Any, **settings: Any) -> Any:
        if not isinstance(table, CostModel | type):
            return fit(table, *given, **settings)
        words = "jaxcost.fit of a model is now jaxcost.fit_model; jaxcost.fit is of a table"
        warnings.warn(words, DeprecationWarning, stacklevel=2)
        return fit_model(table, *given, **settings)

    return either


@_models_as_before
def fit(
    table: "str | Path | pd.DataFrame",
    device: str | Device | None = None,
    *,
    target: str = "time_s",
    model: str | type[CostModel] | None = None,
    dtype: str | None = None,
    time_column: str | None = None,
    energy_column: str | None = None,
    rename: Mapping[str, str] | None = None,
    correction: bool | None = None,
    start_from: str | Path | Calibration | None = None,
    seed: int = 0,
) -> Calibration:
    """A calibration fitted to a table of measured layers or training runs, as `jaxcost fit` does.

    Args:
        table: a CSV file, or the same in memory; with a column `widths` it is of training runs.
        device: what was measured, by name or itself, `"this"` for this machine; of a table of
            several, only its rows. None: what the table says.
        target: the measured column of a table of layers, `time_s` or `energy_j`, keyword-only.
        model: one of `jaxcost models`, or a class of one's own, which is registered; None: the one
            that cross-validation chooses. keyword-only.
        dtype: of a table of several precisions, the one to fit; of one without such a column, that
            of all rows. keyword-only.
        time_column, energy_column: columns in the unit their name ends in, keyword-only.
        rename: from names in the table to those they are read by, keyword-only.
        correction: whether to correct the model near measured layers; None: unless a model is
            given. keyword-only.
        start_from: another device's calibration of times, by file or name or itself, from which a
            fit to few rows starts: what they do not say is as there, rates changed as the data
            sheets are. It brings its model and correction. keyword-only.
        seed: of the starts and the folds, keyword-only.
    Returns: a `Calibration`; `save` writes what `jaxcost fit` writes.
    Raises: ValueError: whatever the command refuses, in the same words.
    """
    if isinstance(model, type):
        model = name_of(model if model in ALL.values() else register_model(model))
    columns = Columns(tuple((rename or {}).items()), time_column, energy_column, dtype)
    measured = MeasuredTable.read(
        table, target=target, model=model, device=device, dtype=dtype, columns=columns,
        correction=correction, start_from=start_from,
    )  # fmt: skip
    return measured.fit(model=model, correction=correction, seed=seed)


@dataclasses.dataclass(frozen=True)
class MeasuredTable:
    """The rows of a table that are fitted, validated, and the device that they were measured on."""

    name: str
    source: str
    content: bytes
    frame: "pd.DataFrame"
    device: Device
    target: str
    origin: Origin | None = None  # what another device's calibration says of this one

    @property
    def of_runs(self) -> bool:
        """Whether the rows are training runs, and not layers."""
        return self.target == RUN_TARGET

    @classmethod
    def read(
        cls,
        table: "str | Path | pd.DataFrame",
        *,
        target: str,
        model: str | None,
        device: str | Device | None,
        dtype: str | None,
        columns: Columns,
        correction: bool | None = None,
        start_from: str | Path | Calibration | None = None,
    ) -> "MeasuredTable":
        """The table's rows of one device, in one precision; `correction` is only checked."""
        path = Path(table) if isinstance(table, str | Path) else None
        source = str(path) if path else "table"
        frame = read_text(path, columns)[0] if path else columns.of(as_frame(table), source)
        of_runs = is_run_table(frame)
        if start_from is not None:
            _check_start(of_runs, target, model, correction)
        if of_runs:
            _check_run_options(target, dtype, correction)
            target = RUN_TARGET
        if model is not None:
            model_class(model, RUN_MODELS if of_runs else LAYER_MODELS)  # before a wrong table
        whole = _validated(path, frame, target, columns)
        name = device.name if isinstance(device, Device) else device
        if of_runs:
            rows = one_of(whole, "device", name, source)
        else:
            rows = rows_to_fit(whole, name, dtype, source)
        if not isinstance(device, Device):
            device = run_device(rows, name, source) if of_runs else hardware(rows, name)
        content = path.read_bytes() if path else whole.to_csv(index=False).encode()
        origin = None
        if start_from is not None:
            origin = Origin.of(start_from, device, str(rows["dtype"].iloc[0]))
        return cls(path.name if path else source, source, content, rows, device, target, origin)

    def fit(self, *, model: str | None, correction: bool | None, seed: int) -> Calibration:
        """The calibration of these rows, with where it comes from."""
        settings: dict[str, Any] = {"model": model, "seed": seed}
        if not self.of_runs:
            settings = {"model": model, "correction": correction, "seed": seed}
        start = {} if self.origin is None else {"origin": self.origin}
        try:
            if self.of_runs:
                fitted = fit_runs(self.frame, self.device, **settings)
            else:
                fitted = fit_layers(
                    self.frame, self.device, target=self.target, **settings, **start
                )
        except ValueError as error:
            raise ValueError(f"{self.source}: {error}") from None
        fitted = dataclasses.replace(fitted, warnings=(*self._doubts(fitted), *fitted.warnings))
        source = provenance(self.name, self.content, rows=len(self.frame), **settings)
        if self.origin is not None:
            source |= {"started_from": self.origin.told}
        return Calibration(self.device, {self.target: fitted}, source)

    def _doubts(self, fitted: Fitted) -> list[str]:
        """A line where the model fits its own rows badly, or the times are most likely in another
        unit, and no value fitted says so."""
        if far := far_off(fitted.errors):
            return far
        if self.target != "time_s" or any("in seconds?" in line for line in fitted.warnings):
            return []
        times, dtype = self.frame["time_s"].to_numpy(float), str(self.frame["dtype"].iloc[0])
        return too_slow(from_table(self.frame), times, self.device, dtype)


def _validated(
    path: Path | None, frame: "pd.DataFrame", target: str, columns: Columns
) -> "pd.DataFrame":
    """A file is read once more, since errors then name its lines."""
    if target == RUN_TARGET:
        if path:
            return read_run_table(path, target=True, columns=columns)
        return validate_runs(frame, target=True)
    if path:
        return read_layer_table(path, target=target, columns=columns)
    return validate_layers(frame, target=target)


def hardware(frame: "pd.DataFrame", name: str | None) -> Device:
    """The device called `name`, or what the table's column says; without facts where unknown.

    Raises: ValueError: a name that is neither in the table nor known.
    """
    names = names_in(frame, "device").unique()
    own = str(names[0]) if len(names) == 1 and names[0] else None
    if name == "this":
        return detect_device()
    wanted = name or own
    if wanted is None:
        return Device("unknown")
    return Device(wanted) if wanted == own and not is_known(wanted) else known_device(wanted)


def run_device(frame: "pd.DataFrame", wanted: str | None, source: str) -> Device:
    """The device that training runs were measured on, which has to be known."""
    if wanted is None and "device" not in frame:
        raise ValueError(
            f"{source}: no column 'device' says what was measured, and where working sets lie "
            "depends on it; give --device, one of `jaxcost devices`"
        )
    return known_device(wanted or str(frame["device"].iloc[0]))


def _check_start(of_runs: bool, target: str, model: str | None, correction: bool | None) -> None:
    """Refuse what another device's calibration decides, and what it does not tell of."""
    given = {"--model": model, "--correction or --no-correction": correction}
    if of_runs or target != "time_s":
        raise ValueError("--from is for times of layers; leave it out for energies")
    for option, value in given.items():
        if value is not None:
            raise ValueError(f"{option} is that of the calibration given with --from; leave it out")


def _check_run_options(target: str, dtype: str | None, correction: bool | None) -> None:
    """Refuse what there is for layers only."""
    if target not in ("time_s", RUN_TARGET):
        raise ValueError(f"--target = {target!r}: training runs are measured in {RUN_TARGET}")
    if correction:
        raise ValueError(f"--correction {_FOR_LAYERS}")
    if dtype is not None:
        raise ValueError(f"--dtype {_FOR_LAYERS}")

"""`jaxcost fit` and `jaxcost predict` for tables of training runs."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from jaxcost.calibration import Calibration
    from jaxcost.calibration.fitted import Fitted
    from jaxcost.columns import Columns
    from jaxcost.device import Device


def fit_run_table(
    table: Path, out: Path, *, model: str | None, device: str | None, seed: int, columns: "Columns"
) -> None:
    """Fit a calibration to the energies per epoch of a table of training runs, and print it."""
    from jaxcost.calibration import Calibration
    from jaxcost.calibration.run_build import fit_runs
    from jaxcost.cli import show
    from jaxcost.cli.progress import working
    from jaxcost.cli.provenance import provenance
    from jaxcost.models.registry import RUN_MODELS, model_class
    from jaxcost.report import text
    from jaxcost.run_table import RUN_TARGET, read_run_table

    if model is not None:
        model_class(model, RUN_MODELS)
    content = table.read_bytes()
    runs = of_device(read_run_table(table, target=True, columns=columns), device, table)
    measured_on = _device_of(runs, device, table)
    console = show.console()
    with working(console, f"fitting and cross-validating on {text.count(len(runs), 'row')}"):
        try:
            fitted = fit_runs(runs, measured_on, model=model, seed=seed)
        except ValueError as error:
            raise ValueError(f"{table}: {error}") from None
    source = provenance(table.name, content, rows=len(runs), model=model, seed=seed)
    Calibration(measured_on, {RUN_TARGET: fitted}, source).save(out)
    found = fitted.errors["in_sample"]
    words = text.of_rows(found.distinct, found.rows, "run")
    _print(console, fitted, f"{words} in {table.name}; device {measured_on.name}")
    show.written(console, [out])


def of_device(frame: "pd.DataFrame", device: str | None, source: Path) -> "pd.DataFrame":
    """The rows of one device; ValueError where there are several and none is chosen."""
    from jaxcost.selection import one_of

    return one_of(frame, "device", device, str(source))


def check_device(calibration: "Calibration", frame: "pd.DataFrame") -> list[str]:
    """A warning where a table was measured on another device than the calibration."""
    names = set(frame["device"].astype(str)) - {""} if "device" in frame else set()
    own = calibration.device.name
    if names <= {own} or own == "unknown":
        return []
    what = "times" if "time_s" in calibration.models else "energies"
    other = ", ".join(sorted(names))
    return [f"the table is of {other}, the calibration of {own}: {what} of another device"]


def _device_of(frame: "pd.DataFrame", wanted: str | None, source: Path) -> "Device":
    from jaxcost.data_sheets import known_device

    if wanted is None and "device" not in frame:
        raise ValueError(
            f"{source}: no column 'device' says what was measured, and where working sets lie "
            "depends on it; give --device, one of `jaxcost devices`"
        )
    return known_device(wanted or str(frame["device"].iloc[0]))


def _print(console: "Console", fitted: "Fitted", words: str) -> None:
    from jaxcost.cli import show
    from jaxcost.report import tables

    show.title(console, fitted.name)
    show.line(console, f"fitted to energy_per_epoch_j of {words}", style="dim")
    console.print()
    show.table(console, tables.accuracy(fitted, "runs"))
    if fitted.baselines:
        show.title(console, "Beside other models, fitted to the same rows")
        show.table(console, tables.models(fitted, "runs"))
    show.title(console, f"Parameters of {fitted.name}")
    show.table(console, tables.parameters(fitted))
    show.warnings(console, fitted.warnings)

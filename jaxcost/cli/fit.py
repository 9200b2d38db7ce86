"""`jaxcost fit`: a calibration from a table of measurements."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxcost.cli.options import Seed, check_outputs
from jaxcost.cli.runs import fit_run_table
from jaxcost.cli.selecting import (
    Dtype,
    EnergyColumn,
    Rename,
    TimeColumn,
    columns_asked,
    hardware,
    rows_to_fit,
)

if TYPE_CHECKING:
    from rich.console import Console

    from jaxcost.device import Device
    from jaxcost.report import Study


def fit(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE.csv", help="Layers or runs, one a row, with what was measured."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="CALIBRATION.json", help="Where the calibration goes.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="One of `jaxcost models`; without it, cross-validation chooses."
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option(metavar="time_s|energy_j", help="The measured column of a table of layers."),
    ] = "time_s",
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What was measured: one of `jaxcost devices`, or `this` machine's; of a table "
            "of several, only its rows.",
        ),
    ] = None,
    dtype: Dtype = None,
    time_column: TimeColumn = None,
    energy_column: EnergyColumn = None,
    rename: Rename = None,
    correction: Annotated[
        bool | None,
        typer.Option(
            "--correction/--no-correction",
            help="Correct the model near measured layers; without either: unless --model is given.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a report with plots, too.")
    ] = None,
) -> None:
    """Fit a calibration to a table of measured layers, or of measured training runs.

    A table of training runs has a column `widths` and the measured energy_per_epoch_j.

    Prints in-sample and cross-validated errors, those of simpler models beside them, and the
    parameters with 90 % intervals.

    \b
    Example:
      jaxcost fit measurements.csv --out calibration.json --report report.html
      jaxcost fit several.csv --device h100-sxm --dtype bfloat16 --out h100-bfloat16.json
      jaxcost fit benchmark.csv --rename type=op --time-column latency_ms --out calibration.json
      jaxcost fit training_runs.csv --device eagle-gpu --out energy.json
    """
    from jaxcost.cli import show
    from jaxcost.models.registry import model_class
    from jaxcost.run_table import is_run_table
    from jaxcost.table import read_layer_table, read_text

    check_outputs({"--out": out, "--report": report}, [table])
    columns = columns_asked(rename, time_column, energy_column)
    if is_run_table(read_text(table, columns)[0]):
        _check_run_options(target, correction, report, dtype)
        fit_run_table(table, out, model=model, device=device, seed=seed, columns=columns)
        return
    if model is not None:
        model_class(model)  # a wrong name is found before a wrong table
    layers = rows_to_fit(
        read_layer_table(table, target=target, columns=columns), device, dtype, table
    )
    measured_on = hardware(layers, device)
    console = show.console()
    settings = {"model": model, "correction": correction, "seed": seed}
    study = _fitted(console, table, layers, measured_on, target, settings, report is not None)
    study.calibration.save(out)
    _print(console, study, table.name)
    if report is not None:
        from jaxcost.report import write_report

        write_report(report, study)
    show.written(console, [path for path in (out, report) if path])


def _check_run_options(
    target: str, correction: bool | None, report: Path | None, dtype: str | None
) -> None:
    """Refuse what there is for layers only."""
    from jaxcost.run_table import RUN_TARGET

    if target not in ("time_s", RUN_TARGET):
        raise ValueError(f"--target = {target!r}: training runs are measured in {RUN_TARGET}")
    if correction:
        raise ValueError("--correction is for tables of layers; leave it out for training runs")
    if report is not None:
        raise ValueError("--report is for tables of layers; leave it out for training runs")
    if dtype is not None:
        raise ValueError("--dtype is for tables of layers; leave it out for training runs")


def _fitted(
    console: "Console",
    path: Path,
    layers: Any,
    device: "Device",
    target: str,
    settings: dict[str, Any],
    with_report: bool,
) -> "Study":
    from jaxcost.calibration import Calibration
    from jaxcost.calibration.build import fit_table
    from jaxcost.cli.held_out import predict_each_unseen
    from jaxcost.cli.progress import working
    from jaxcost.cli.provenance import provenance
    from jaxcost.report import Study
    from jaxcost.report.study import in_words

    content = path.read_bytes()
    with working(console, f"fitting and cross-validating on {in_words(layers)}"):
        try:
            fitted = fit_table(layers, device, target=target, **settings)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        unseen = None
        if with_report:
            unseen = predict_each_unseen(fitted, layers, device, target, seed=settings["seed"])
    source = provenance(path.name, content, rows=len(layers), **settings)
    calibration = Calibration(device, {target: fitted}, source)
    return Study.of(calibration, target, layers, unseen=unseen)


def _print(console: "Console", study: "Study", source: str) -> None:
    from jaxcost.cli import show
    from jaxcost.report import tables
    from jaxcost.report.study import in_words

    fitted = study.fitted
    corrected = ", corrected between measured layers" if fitted.correction else ""
    show.title(console, f"{fitted.name}{corrected}")
    words = f"fitted to {study.target} of {in_words(study.table)} in {source}, {fitted.dtype}"
    show.line(console, f"{words}; device {study.calibration.device.name}", style="dim")
    console.print()
    show.table(console, tables.accuracy(fitted))
    show.title(console, "Beside other models, fitted to the same rows")
    show.table(console, tables.models(fitted))
    show.title(console, f"Parameters of {fitted.name}")
    show.table(console, tables.parameters(fitted))
    show.warnings(console, fitted.warnings)

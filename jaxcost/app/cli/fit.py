"""`jaxcost fit`: a calibration from a table of measurements."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.app.cli.options import Seed, StartFrom, check_outputs
from jaxcost.app.cli.selecting import Dtype, EnergyColumn, Rename, TimeColumn, columns_asked

if TYPE_CHECKING:
    from rich.console import Console

    from jaxcost.app.report import Study
    from jaxcost.calibrate import Calibration
    from jaxcost.calibrate.tables import MeasuredTable
    from jaxcost.workload.columns import Columns

Corrected = Annotated[
    bool | None,
    typer.Option(
        "--correction/--no-correction",
        help="Correct the model near measured layers; without either: unless --model is given.",
        show_default=False,
    ),
]


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
            metavar="NAME",
            help="One of `jaxcost models`, or MODULE:CLASS of your own; without it, the "
            "first, unless cross-validation finds another clearly better.",
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
    correction: Corrected = None,
    start_from: StartFrom = None,
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
      jaxcost fit several.csv --device h100-sxm --dtype bfloat16 \\
          --out h100-bfloat16.json
      jaxcost fit benchmark.csv --rename type=op --time-column latency_ms \\
          --out calibration.json
      jaxcost fit twenty-layers.csv --device h200-sxm --from h100-sxm \\
          --out h200.json
      jaxcost fit training_runs.csv --device eagle-gpu --out energy.json
    """
    from jaxcost.app.cli import show
    from jaxcost.app.cli.compilations import keep_compilations
    from jaxcost.app.cli.own_model import registered
    from jaxcost.app.cli.progress import working
    from jaxcost.calibrate.tables import MeasuredTable

    check_outputs({"--out": out, "--report": report}, [table])
    columns = columns_asked(rename, time_column, energy_column, dtype)
    if report is not None:
        _refuse_runs(table, columns)
    measured = MeasuredTable.read(
        table, target=target, model=registered(model), device=device, dtype=dtype,
        columns=columns, correction=correction, start_from=start_from,
    )  # fmt: skip
    keep_compilations()
    console = show.console()
    with working(console, f"fitting and cross-validating on {_rows_in_words(measured)}"):
        calibration = measured.fit(model=model, correction=correction, seed=seed)
        study = None if measured.of_runs else _study(calibration, measured, report, seed)
    calibration.save(out)
    if study is None:
        _print_runs(console, calibration, measured)
    else:
        _print(console, study, table.name)
    if report is not None and study is not None:
        from jaxcost.app.report import write_report

        write_report(report, study)
    show.written(console, [out, report])


def _refuse_runs(table: Path, columns: "Columns") -> None:
    from jaxcost.workload.layer_table import read_text
    from jaxcost.workload.run_table import is_run_table

    if is_run_table(read_text(table, columns)[0]):
        raise ValueError("--report is for tables of layers; leave it out for training runs")


def _rows_in_words(measured: "MeasuredTable") -> str:
    from jaxcost._support import text
    from jaxcost.app.report.study import in_words

    return text.count(len(measured.frame), "row") if measured.of_runs else in_words(measured.frame)


def _study(
    calibration: "Calibration", measured: "MeasuredTable", report: Path | None, seed: int
) -> "Study":
    from jaxcost.app.report import Study
    from jaxcost.calibrate.held_out import predict_each_unseen

    frame, target, unseen = measured.frame, measured.target, None
    if report is not None:
        fitted = calibration.models[target]
        unseen = predict_each_unseen(
            fitted, frame, measured.device, target, seed=seed, origin=measured.origin
        )
    return Study.of(calibration, target, frame, unseen=unseen)


def _print_runs(console: "Console", calibration: "Calibration", measured: "MeasuredTable") -> None:
    from jaxcost._support import text
    from jaxcost.app.cli.runs import print_run_fit

    fitted = calibration.models[measured.target]
    found = fitted.errors["in_sample"]
    words = text.of_rows(found.distinct, found.rows, "run")
    print_run_fit(console, fitted, f"{words} in {measured.name}; device {measured.device.name}")


def _print(console: "Console", study: "Study", source: str) -> None:
    from jaxcost.app.cli import show
    from jaxcost.app.report import tables
    from jaxcost.app.report.study import in_words

    fitted = study.fitted
    corrected = ", corrected between measured layers" if fitted.correction else ""
    show.title(console, f"{fitted.name}{corrected}")
    words = f"fitted to {study.target} of {in_words(study.table)} in {source}, {fitted.dtype}"
    show.line(console, f"{words}; device {study.calibration.device.name}", style="dim")
    console.print()
    show.table(console, tables.accuracy(fitted))
    if fitted.baselines:
        show.title(console, "Beside other models, fitted to the same rows")
        show.table(console, tables.models(fitted))
    show.parameters(console, fitted)

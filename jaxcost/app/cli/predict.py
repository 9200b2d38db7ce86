"""`jaxcost predict`: a table of layers with what a calibration predicts beside each."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.app.cli.options import check_outputs
from jaxcost.app.cli.own_model import OwnModel
from jaxcost.app.cli.runs import of_device
from jaxcost.app.cli.selecting import (
    Dtype,
    EnergyColumn,
    Rename,
    TimeColumn,
    columns_asked,
    rows_to_predict,
)

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from jaxcost.app.cli.predict_summary import Summary
    from jaxcost.calibrate import Calibration
    from jaxcost.workload.columns import Columns


def predict(
    calibration: Annotated[
        str,
        typer.Argument(metavar="CALIBRATION", help="A calibration file, or a preset's name."),
    ],
    table: Annotated[Path, typer.Argument(metavar="TABLE.csv", help="Layers or runs, one a row.")],
    out: Annotated[Path, typer.Option(metavar="OUT.csv", help="Where the predictions go.")],
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of a table of several devices: only the rows of one."),
    ] = None,
    dtype: Dtype = None,
    time_column: TimeColumn = None,
    energy_column: EnergyColumn = None,
    rename: Rename = None,
    model: OwnModel = None,
) -> None:
    """Predict the cost of every layer, or training run, of a table, with a 90 % interval.

    Writes every row and column of the table, and predicted_time_s, predicted_time_s_lo,
    predicted_time_s_hi beside them (or the same of the calibration's own target, energy_j or
    energy_per_epoch_j). Where
    the table has the measured column, prints how far the predictions are from it.

    \b
    Example:
      jaxcost predict calibration.json layers.csv --out predicted.csv
      jaxcost predict quadro-t2000 layers.csv --out predicted.csv
      jaxcost predict butter-e-gpu training_runs.csv --device eagle-gpu \\
          --out predicted.csv
    """
    from jaxcost.app.cli import show
    from jaxcost.app.cli.own_model import load
    from jaxcost.app.cli.predict_parquet import check_parquet, predict_parquet
    from jaxcost.app.cli.predict_summary import Summary, compare
    from jaxcost.workload.parquet import is_parquet

    parquet = is_parquet(table)
    if parquet:
        check_parquet(table, out)
    else:
        check_outputs({"--out": out}, [table, Path(calibration)])
        if out.suffix == ".parquet":
            raise ValueError(f"--out = {str(out)!r}: the table is no Parquet; give NAME.csv")
    loaded = load(calibration, model)
    summary = Summary(loaded)
    asked = Asked(device, dtype, columns_asked(rename, time_column, energy_column, dtype))
    compared, every = (predict_parquet if parquet else _predict_csv)(
        loaded, summary, table, out, asked
    )
    console = show.console()
    _say_of_what(console, loaded, summary.rows)
    for target in loaded.models:
        compare(console, target, compared, every)
    show.warnings(console, summary.lines())
    show.written(console, [out])


def _predict_csv(
    calibration: "Calibration", summary: "Summary", table: Path, out: Path, asked: "Asked"
) -> tuple["pd.DataFrame", str]:
    """Writes the table with its predictions; returns both, and no words, since it is all of it."""
    import numpy as np
    import pandas as pd

    from jaxcost._support.files import write_text
    from jaxcost.app.cli.predict_summary import measured_in, places_outside
    from jaxcost.workload.layer_table import read_layer_table, read_text
    from jaxcost.workload.run_table import RUN_TARGET, read_run_table

    # As the file has it: the validated table may write its numbers otherwise.
    whole, numbers = read_text(table)
    of_runs = RUN_TARGET in calibration.models
    check_kind(read_text(table, asked.columns)[0], of_runs, table, asked)
    read = read_run_table if of_runs else read_layer_table
    layers = asked.rows(read(table, columns=asked.columns), of_runs, table)
    lines = pd.Series(numbers, whole.index)[layers.index].tolist()

    def name(row: int) -> str:
        return f"{table}, line {lines[row]}"

    predicted = summary.predicted(layers, table, name)
    columns = {c: predicted[c].map("{:.9g}".format) for c in predicted}
    full = whole.loc[layers.index].assign(**columns)
    write_text(out, full.to_csv(index=False, lineterminator="\n"))
    summary.rows += len(layers)
    if not of_runs:
        ops, once = layers["op"].tolist(), np.ones(len(layers), int)
        outside = places_outside(calibration, layers)
        summary.outside.add(outside, once, lambda row: f"{name(row)} ({ops[row]})")
    for target, unread in summary.unread.items():
        if target in layers:
            unread.add(layers[target], measured_in(layers, target), name)
    return layers.assign(**{c: predicted[c] for c in predicted}), ""


@dataclasses.dataclass(frozen=True)
class Asked:
    """Which rows and columns of the table are predicted."""

    device: str | None
    dtype: str | None
    columns: "Columns"

    def rows(self, frame: "pd.DataFrame", of_runs: bool, source: Path) -> "pd.DataFrame":
        """The rows of the device and the precision that are asked for."""
        if of_runs:
            return of_device(frame, self.device, source)
        return rows_to_predict(frame, self.device, self.dtype, source)


def check_kind(frame: "pd.DataFrame", of_runs: bool, table: Path, asked: Asked) -> None:
    """ValueError where a table is not of the kind that the calibration is of."""
    from jaxcost.workload.run_table import is_run_table

    if is_run_table(frame) != of_runs:
        kinds = ("training runs", "layers") if of_runs else ("layers", "training runs")
        raise ValueError(
            f"{table}: the calibration is of {kinds[0]}, but the table is of {kinds[1]}; "
            "give a calibration fitted to a table like it"
        )
    if of_runs and asked.dtype is not None:
        raise ValueError("--dtype chooses among layers; leave it out for training runs")


def _say_of_what(console: "Console", calibration: "Calibration", rows: int) -> None:
    from jaxcost._support import text
    from jaxcost.app.cli import show
    from jaxcost.workload.run_table import RUN_TARGET

    of_runs = RUN_TARGET in calibration.models
    what = "training run" if of_runs else "layer"
    words = "" if of_runs else _device_words(calibration)
    words = words or calibration.device.kind or calibration.device.name
    show.line(console, f"{text.count(rows, what)} predicted for {words}")


def _device_words(calibration: "Calibration") -> str:
    """The calibration's device; that it is not this machine, where both are known."""
    from jaxcost.device.data_sheets import may_be_here

    known = calibration.device
    kind = known.kind or known.name
    if kind == "unknown":
        return "an unknown device"
    return kind if may_be_here(known) else f"{kind}, not this machine"

"""`jaxcost predict`: a table of layers with what a calibration predicts beside each."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.app.cli.options import check_outputs
from jaxcost.app.cli.own_model import OwnModel
from jaxcost.app.cli.runs import check_device, of_device
from jaxcost.app.cli.selecting import (
    Dtype,
    EnergyColumn,
    Rename,
    TimeColumn,
    columns_asked,
    rows_to_predict,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from rich.console import Console

    from jaxcost.calibrate import Calibration
    from jaxcost.calibrate.fit.repeats import Repeats
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
      jaxcost predict butter-e-gpu training_runs.csv --device eagle-gpu --out predicted.csv
    """
    import pandas as pd

    from jaxcost._support import text
    from jaxcost._support.files import write_text
    from jaxcost.app.cli import show
    from jaxcost.app.cli.own_model import load
    from jaxcost.workload.layer_table import read_text
    from jaxcost.workload.run_table import RUN_TARGET

    check_outputs({"--out": out}, [table, Path(calibration)])
    loaded = load(calibration, model)
    of_runs = RUN_TARGET in loaded.models
    layers = _read(table, of_runs, device, dtype, columns_asked(rename, time_column, energy_column))
    predicted, warned = _predicted(loaded, layers, table)
    # As the file has it: the validated table may write its numbers otherwise.
    whole, numbers = read_text(table)
    original = whole.loc[layers.index]
    lines = pd.Series(numbers, whole.index)[layers.index].tolist()
    full = original.assign(**{name: predicted[name].map("{:.9g}".format) for name in predicted})
    write_text(out, full.to_csv(index=False, lineterminator="\n"))
    console = show.console()
    what = "training run" if of_runs else "layer"
    words = "" if of_runs else _device_words(loaded)
    words = words or loaded.device.kind or loaded.device.name
    show.line(console, f"{text.count(len(layers), what)} predicted for {words}")
    notes = [] if of_runs else _outside(loaded, layers, table, lines)
    for target in loaded.models:
        measured = _measured(layers, target)
        notes += _unread(table, layers, target, measured, lines)
        _compare(console, target, layers, measured, predicted, what)
    show.warnings(console, [*warned, *notes, *loaded.unmeasured, *check_device(loaded, layers)])
    show.written(console, [out])


def _read(
    table: Path, of_runs: bool, device: str | None, dtype: str | None, columns: "Columns"
) -> "pd.DataFrame":
    """The table of the kind that the calibration is of."""
    from jaxcost.workload.layer_table import read_layer_table, read_text
    from jaxcost.workload.run_table import is_run_table, read_run_table

    if is_run_table(read_text(table, columns)[0]) != of_runs:
        kinds = ("training runs", "layers") if of_runs else ("layers", "training runs")
        raise ValueError(
            f"{table}: the calibration is of {kinds[0]}, but the table is of {kinds[1]}; "
            "give a calibration fitted to a table like it"
        )
    if of_runs:
        if dtype is not None:
            raise ValueError("--dtype chooses among layers; leave it out for training runs")
        return of_device(read_run_table(table, columns=columns), device, table)
    return rows_to_predict(read_layer_table(table, columns=columns), device, dtype, table)


def _predicted(
    calibration: "Calibration", layers: "pd.DataFrame", source: Path
) -> tuple["pd.DataFrame", list[str]]:
    """The columns that are added, and what is to be minded of them.

    Raises: ValueError: a prediction that is no finite number, or whatever the calibration refuses.
    """
    import warnings

    import numpy as np

    from jaxcost.calibrate.run_build import check_runs
    from jaxcost.workload.run_table import RUN_TARGET, runs_from_table

    if RUN_TARGET in calibration.models:
        check_runs(runs_from_table(layers), calibration.device)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            full = calibration.predict(layers)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None
    ends = [f"predicted_{t}{end}" for t in calibration.models for end in ("", "_lo", "_hi")]
    found = full[ends]
    bad = ~np.isfinite(found.to_numpy()).all(axis=1)
    if bad.any():
        row = int(bad.argmax()) + 1
        raise ValueError(
            f"{source}, row {row}: the calibration predicts no finite number for this layer; "
            "remove it or use another model"
        )
    return found, [str(line.message) for line in warned]


def _device_words(calibration: "Calibration") -> str:
    """The calibration's device; that it is not this machine, where both are known."""
    from jaxcost.device.data_sheets import may_be_here

    known = calibration.device
    kind = known.kind or known.name
    if kind == "unknown":
        return "an unknown device"
    return kind if may_be_here(known) else f"{kind}, not this machine"


def _measured(layers: "pd.DataFrame", target: str) -> "np.ndarray":
    """What was measured of each row, NaN where that is no finite number above 0."""
    import numpy as np
    import pandas as pd

    if target not in layers:
        return np.full(len(layers), np.nan)
    numbers = pd.to_numeric(layers[target], errors="coerce").to_numpy(float)
    return np.where((numbers > 0) & (numbers < np.inf), numbers, np.nan)


def _outside(
    calibration: "Calibration", layers: "pd.DataFrame", table: Path, lines: list[int]
) -> list[str]:
    """Lines on the layers that lie outside what was measured, equal ones together."""
    from jaxcost._support import text
    from jaxcost.calibrate.outside import MOST_LINES, outside
    from jaxcost.workload import from_table

    workload = from_table(layers)
    places: dict[str, list[int]] = {}
    for fitted in calibration.models.values():
        for row, words in outside(workload, fitted).items():
            places.setdefault(words, []).append(row)
    told = []
    for words, rows in list(places.items())[:MOST_LINES]:
        first = f"{table}, line {lines[rows[0]]} ({layers['op'].iloc[rows[0]]})"
        others = len(set(rows)) - 1
        more = f" and {text.count(others, 'more row')} lie" if others else " lies"
        told.append(f"{first}{more} outside the calibration: {words}")
    rest = {row for rows in list(places.values())[MOST_LINES:] for row in rows}
    return [*told, *([f"{text.count(len(rest), 'more row')} outside it"] if rest else [])]


def _unread(
    table: Path,
    layers: "pd.DataFrame",
    target: str,
    measured: "np.ndarray",
    lines: list[int],
) -> list[str]:
    """A line that names what stands in the measured column and is no measurement, if anything."""
    import numpy as np

    from jaxcost._support.messages import shown

    if target not in layers:
        return []
    given = layers[target].astype(str).str.strip().to_numpy()
    bad = np.flatnonzero(np.isnan(measured) & (given != ""))
    if not len(bad):
        return []
    first = f"{table}, line {lines[bad[0]]}: {target} = {shown(given[bad[0]])}"
    others = f" ({len(bad) - 1} more rows alike)" if len(bad) > 1 else ""
    return [f"{first} is no finite number above 0 and is left out of the comparison{others}"]


def _compare(
    console: "Console",
    target: str,
    layers: "pd.DataFrame",
    measured: "np.ndarray",
    predicted: "pd.DataFrame",
    what: str,
) -> None:
    """Where the table has what was measured: the errors, and how many intervals hold it."""
    import numpy as np

    from jaxcost._support import text
    from jaxcost.app.cli import show
    from jaxcost.calibrate.fit import Accuracy

    rows = np.isfinite(measured)
    if not rows.any():
        return
    value, low, high = (predicted[f"predicted_{target}{e}"].to_numpy() for e in ("", "_lo", "_hi"))
    repeats = _repeats(layers[rows])
    found = Accuracy.of(np.log(value[rows]), np.log(measured[rows]), repeats)
    inside = ((low <= measured) & (measured <= high))[rows]
    covered = np.average(inside, weights=repeats.weights)
    show.line(
        console,
        f"against {target} of {text.of_rows(found.distinct, found.rows, what)}: "
        f"mean error {text.error(found.mean_absolute)}, "
        f"median {text.error(found.median_absolute)}, "
        f"{text.share(found.within_10_percent)} within ±10 %, "
        f"{text.share(covered)} inside their 90 % interval",
    )


def _repeats(table: "pd.DataFrame") -> "Repeats":
    """Which rows of a table of layers or runs measured the same."""
    from jaxcost.calibrate.fit.repeats import Repeats
    from jaxcost.workload import from_table
    from jaxcost.workload.run_table import is_run_table, runs_from_table

    return Repeats.of(runs_from_table(table) if is_run_table(table) else from_table(table))

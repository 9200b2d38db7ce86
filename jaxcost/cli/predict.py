"""`jaxcost predict`: a table of layers with what a calibration predicts beside each."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.cli.options import check_outputs

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from jaxcost.calibration import Calibration


def predict(
    calibration: Annotated[
        str,
        typer.Argument(metavar="CALIBRATION", help="A calibration file, or a preset's name."),
    ],
    table: Annotated[Path, typer.Argument(metavar="TABLE.csv", help="Layers, one a row.")],
    out: Annotated[Path, typer.Option(metavar="OUT.csv", help="Where the predictions go.")],
) -> None:
    """Predict the cost of every layer of a table, with a 90 % interval.

    Writes every row and column of the table, and predicted_time_s, predicted_time_s_lo,
    predicted_time_s_hi beside them (or energy_j, if the calibration was fitted to energies). Where
    the table has the measured column, prints how far the predictions are from it.

    \b
    Example:
      jaxcost predict calibration.json layers.csv --out predicted.csv
      jaxcost predict quadro-t2000 layers.csv --out predicted.csv
    """
    from jaxcost.calibration import load_calibration
    from jaxcost.cli import show
    from jaxcost.files import write_text
    from jaxcost.table import read_layer_table, read_text

    check_outputs({"--out": out}, [table, Path(calibration)])
    loaded = load_calibration(calibration)
    layers = read_layer_table(table)
    predicted = _predicted(loaded, layers, table)
    # As the file has it: the validated table may write its numbers otherwise.
    original, _ = read_text(table)
    full = original.assign(**{name: predicted[name].map("{:.9g}".format) for name in predicted})
    write_text(out, full.to_csv(index=False, lineterminator="\n"))
    console = show.console()
    show.line(console, f"{len(layers)} layers predicted for {_device_words(loaded)}")
    for target in loaded.models:
        _compare(console, target, layers, predicted)
    show.written(console, [out])


def _predicted(calibration: "Calibration", layers: "pd.DataFrame", source: Path) -> "pd.DataFrame":
    """The columns that are added; ValueError where a prediction is no finite number."""
    import numpy as np

    full = calibration.predict(layers)
    ends = [f"predicted_{t}{end}" for t in calibration.models for end in ("", "_lo", "_hi")]
    found = full[ends]
    bad = ~np.isfinite(found.to_numpy()).all(axis=1)
    if bad.any():
        row = int(bad.argmax()) + 1
        raise ValueError(
            f"{source}, row {row}: the calibration predicts no finite number for this layer; "
            "remove it or use another model"
        )
    return found


def _device_words(calibration: "Calibration") -> str:
    """The calibration's device; that it is not this machine, where both are known."""
    from jaxcost.device import detect_device

    known = calibration.device
    kind = known.kind or known.name
    if kind == "unknown":
        return "an unknown device"
    return kind if known.kind in (None, detect_device().kind) else f"{kind}, not this machine"


def _compare(
    console: "Console", target: str, layers: "pd.DataFrame", predicted: "pd.DataFrame"
) -> None:
    """Where the table has what was measured: the errors, and how many intervals hold it."""
    import numpy as np
    import pandas as pd

    from jaxcost.cli import show
    from jaxcost.fit import Accuracy
    from jaxcost.report import text

    if target not in layers:
        return
    measured = pd.to_numeric(layers[target], errors="coerce").to_numpy(float)
    rows = np.isfinite(measured) & (measured > 0)
    if not rows.any():
        return
    value, low, high = (predicted[f"predicted_{target}{e}"].to_numpy() for e in ("", "_lo", "_hi"))
    found = Accuracy.of(np.log(value[rows]), np.log(measured[rows]))
    covered = ((low <= measured) & (measured <= high))[rows].mean()
    show.line(
        console,
        f"against {target} of {text.count(found.rows, 'layer')}: "
        f"mean error {text.error(found.mean_absolute)}, "
        f"median {text.error(found.median_absolute)}, "
        f"{text.share(found.within_10_percent)} within ±10 %, "
        f"{text.share(covered)} inside their 90 % interval",
    )

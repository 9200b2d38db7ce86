"""What `jaxcost predict` says of a table's rows, gathered while they are read."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from rich.console import Console

    from jaxcost.calibrate import Calibration
    from jaxcost.calibrate.fit.repeats import Repeats
    from jaxcost.calibrate.outside import First


class Unread:
    """What stands in a measured column and is no measurement."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._first: First | None = None

    def add(self, column: "pd.Series", measured: "np.ndarray", name: Callable[[int], str]) -> None:
        """Adds rows: their cells, the measurements they are (NaN: none), and each row's name."""
        import numpy as np

        from jaxcost._support.messages import shown
        from jaxcost.calibrate.outside import First
        from jaxcost.workload.cells import filled

        bad = np.flatnonzero(np.isnan(measured))
        bad = bad[filled(column.iloc[bad])]
        if len(bad) and self._first is None:
            cell = column.iloc[bad[0]]
            cell = cell.strip() if isinstance(cell, str) else cell
            self._first = First(f"{name(bad[0])}: {self._target} = {shown(cell)}", 0)
        if self._first is not None:
            self._first.rows += len(bad)

    def lines(self) -> list[str]:
        """A line that names the first of them, if there is any."""
        if self._first is None:
            return []
        more = self._first.rows - 1
        others = f" ({more} more rows alike)" if more else ""
        out = "is no finite number above 0 and is left out of the comparison"
        return [f"{self._first.row} {out}{others}"]


class Summary:
    """All that is said of a table's rows.

    Attributes:
        rows: predicted so far.
        outside, unread, warned: of these; `warned` has each line once, in order.
    """

    def __init__(self, calibration: "Calibration") -> None:
        from jaxcost.calibrate.outside import Outside

        self._calibration = calibration
        self.rows = 0
        self.outside = Outside()
        self.unread = {target: Unread(target) for target in calibration.models}
        self.warned: dict[str, None] = {}

    def predicted(
        self, layers: "pd.DataFrame", source: Path, name: Callable[[int], str]
    ) -> "pd.DataFrame":
        """The columns that are added to validated rows, each of which has a name for errors.

        Raises: ValueError: a prediction that is no finite number, or whatever the calibration
            refuses.
        """
        import numpy as np

        from jaxcost._support.messages import RowError
        from jaxcost.calibrate.outside import OutsideWarning

        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", OutsideWarning)  # told by the names of the rows
            try:
                full = self._priced(layers)
            except RowError as error:
                raise ValueError(f"{name(error.row)}: {error.text}") from None
            except ValueError as error:
                raise ValueError(f"{source}: {error}") from None
        self.warned |= dict.fromkeys(str(line.message) for line in warned)
        models = self._calibration.models
        found = full[[f"predicted_{t}{end}" for t in models for end in ("", "_lo", "_hi")]]
        bad = ~np.isfinite(found.to_numpy()).all(axis=1)
        if bad.any():
            raise ValueError(
                f"{name(int(bad.argmax()))}: the calibration predicts no finite number for this "
                "layer; remove it or use another model"
            )
        return found

    def _priced(self, layers: "pd.DataFrame") -> "pd.DataFrame":
        from jaxcost.calibrate.run_build import check_runs
        from jaxcost.workload.run_table import RUN_TARGET, runs_from_table

        if RUN_TARGET in self._calibration.models:
            check_runs(runs_from_table(layers), self._calibration.device)
        return self._calibration.predict(layers)

    def lines(self) -> list[str]:
        """What is to be minded of the rows, the table and the calibration."""
        unread = [line for each in self.unread.values() for line in each.lines()]
        return [*self.warned, *self.outside.lines(), *unread, *self._calibration.unmeasured]


def places_outside(calibration: "Calibration", layers: "pd.DataFrame") -> dict[str, list[int]]:
    """Of each line on what lies outside what was measured, the rows that it is said of."""
    from jaxcost._support.precision import double_precision
    from jaxcost.calibrate.outside import places
    from jaxcost.workload.builders import from_valid

    with double_precision():  # as the prediction, so that nothing is compiled again
        return places(from_valid(layers), calibration.models.values())


def measured_in(layers: "pd.DataFrame", target: str) -> "np.ndarray":
    """What was measured of each row, NaN where that is no finite number above 0."""
    import numpy as np
    import pandas as pd

    if target not in layers:
        return np.full(len(layers), np.nan)
    numbers = pd.to_numeric(layers[target], errors="coerce").to_numpy(float, na_value=np.nan)
    return np.where((numbers > 0) & (numbers < np.inf), numbers, np.nan)


def compare(console: "Console", target: str, rows: "pd.DataFrame", every: str) -> None:
    """Where the table has what was measured: the errors, and how many intervals hold it.

    Args:
        rows: of the table, validated, with their predictions.
        every: which of the table's rows these are, in words; empty for all.
    """
    import numpy as np

    from jaxcost._support import text
    from jaxcost.app.cli import show
    from jaxcost.calibrate.fit import Accuracy
    from jaxcost.workload.run_table import is_run_table

    measured = measured_in(rows, target)
    rows, measured = rows[np.isfinite(measured)], measured[np.isfinite(measured)]
    if not len(rows):
        return
    value, low, high = (rows[f"predicted_{target}{e}"].to_numpy() for e in ("", "_lo", "_hi"))
    repeats = _repeats(rows)
    found = Accuracy.of(np.log(value), np.log(measured), repeats)
    covered = np.average((low <= measured) & (measured <= high), weights=repeats.weights)
    what = "training run" if is_run_table(rows) else "layer"
    show.line(
        console,
        f"against {target} of {text.of_rows(found.distinct, found.rows, what)}{every}: "
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

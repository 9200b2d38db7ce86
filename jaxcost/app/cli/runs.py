"""What `jaxcost fit` and `jaxcost predict` say of tables of training runs."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from jaxcost.calibrate.fitted import Fitted


def of_device(frame: "pd.DataFrame", device: str | None, source: Path) -> "pd.DataFrame":
    """The rows of one device; ValueError where there are several and none is chosen."""
    from jaxcost.workload.selection import one_of

    return one_of(frame, "device", device, str(source))


def print_run_fit(console: "Console", fitted: "Fitted", words: str) -> None:
    """What was fitted to training runs, of which `words` say how many and which."""
    from jaxcost.app.cli import show
    from jaxcost.app.report import tables

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

"""`jaxcost measure`: time a sweep of layers into a store, and nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.app.cli.options import Minutes, Seed, check_outputs

if TYPE_CHECKING:
    from rich.console import Console

    from jaxcost.measure import Measurements

_PROCESSES = 3  # as `jaxcost.measure.run` has it, which is slow to import


def measure(
    sweep: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE.csv", help="A sweep by name (--sweep list shows them), or a table."
        ),
    ],
    store: Annotated[
        Path, typer.Option(metavar="FILE.db", help="Where every timing is kept.")
    ] = Path("measurements.db"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the store has.")
    ] = False,
    processes: Annotated[
        int, typer.Option(metavar="N", min=1, max=100, help="Fresh processes, one after another.")
    ] = _PROCESSES,
    dtype: Annotated[
        list[str] | None,
        typer.Option(metavar="DTYPE", help="Measure in this precision; more than once for more."),
    ] = None,
    energy: Annotated[
        bool, typer.Option("--energy", help="Read energies, too: 5 s a layer at least.")
    ] = False,
    budget: Minutes = None,
    seed: Seed = 0,
) -> None:
    """Measure a sweep of layers on this device, every timing on disk before the next begins.

    A run that was interrupted goes on with --resume, on the same store.

    \b
    Example:
      jaxcost measure --sweep increasing_batch --store measurements.db
      jaxcost measure --sweep my_layers.csv --store measurements.db --budget 20
      jaxcost measure --sweep list
    """
    from jaxcost.app.cli import show
    from jaxcost.app.cli.sweeping import announce, store_path, sweep_into
    from jaxcost.app.report.sweep import sweeps
    from jaxcost.measure.designs import SWEEPS
    from jaxcost.measure.run import planned_sweep

    console = show.console()
    if sweep == "list":
        show.table(console, sweeps(SWEEPS))
        return
    check_outputs({"--store": store}, [Path(sweep)] if Path(sweep).suffix == ".csv" else [])
    seconds = float("inf") if budget is None else 60 * budget
    device, planned = planned_sweep(
        sweep, processes=processes, dtypes=dtype or (), energy=energy, budget_s=seconds, seed=seed
    )
    announce(console, device, f"sweep {sweep}", len(planned.layers), planned.plan)
    with store_path(store, store) as path:
        measured = sweep_into(console, path, planned.layers, planned.plan, resume)
    _print(console, measured)
    show.written(console, [store])


def _print(console: "Console", measured: "Measurements") -> None:
    from jaxcost._support.text import count, duration
    from jaxcost.app.cli import show
    from jaxcost.app.report import sweep as told

    frame = measured.to_frame()
    timed = int(frame["time_s"].notna().sum())
    show.title(console, f"{timed} of {count(len(frame), 'layer')} have a time")
    show.table(console, told.statuses(frame))
    for words in (told.repeatability(frame), told.shares(measured)):
        if words:
            show.line(console, words)
    show.line(console, f"after {duration(measured.elapsed_s)}", "dim")

"""`jaxcost measure`: time a sweep of layers into a store, and nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.app.cli.options import Minutes, Seed, check_outputs

if TYPE_CHECKING:
    from rich.console import Console

    from jaxcost.measure import Measurements, SweepPlan

_PROCESSES = 3  # fresh ones: the spread between them is part of the result


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
    from jaxcost.app.cli.sweeping import announce, look, store_path, sweep_into
    from jaxcost.app.report.sweep import sweeps
    from jaxcost.measure.designs.catalogue import SWEEPS, check_sweep, sweep_layers

    console = show.console()
    if sweep == "list":
        show.table(console, sweeps(SWEEPS))
        return
    check_outputs({"--store": store}, [Path(sweep)] if Path(sweep).suffix == ".csv" else [])
    check_sweep(sweep, dtype or ())
    device, platform = look()
    memory = float(device.memory[-1].capacity) if device.memory else None
    layers = sweep_layers(sweep, platform, dtype or (), memory)
    plan = _plan(processes, energy, budget, seed)
    announce(console, device, f"sweep {sweep}", len(layers), plan)
    with store_path(store, store) as path:
        measured = sweep_into(console, path, layers, plan, resume)
    _print(console, measured)
    show.written(console, [store])


def _plan(processes: int, energy: bool, budget: float | None, seed: int) -> "SweepPlan":
    import math

    from jaxcost.measure import SweepPlan, TimingRules

    return SweepPlan(
        rules=TimingRules(seed=seed, longest_step_s=2.0),
        processes=processes,
        budget_s=math.inf if budget is None else 60 * budget,
        energy=energy,
    )


def _print(console: "Console", measured: "Measurements") -> None:
    from jaxcost.app.cli import show
    from jaxcost.app.report import sweep as told
    from jaxcost.app.report.text import count, duration

    frame = measured.to_frame()
    timed = int(frame["time_s"].notna().sum())
    show.title(console, f"{timed} of {count(len(frame), 'layer')} have a time")
    show.table(console, told.statuses(frame))
    for words in (told.repeatability(frame), told.shares(measured)):
        if words:
            show.line(console, words)
    show.line(console, f"after {duration(measured.elapsed_s)}", "dim")

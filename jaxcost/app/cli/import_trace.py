"""`jaxcost import-trace`: a profile of a user's own run as a table of layers."""

from pathlib import Path
from typing import Annotated

import typer

from jaxcost.app.cli.count import Backward, Call, Inputs, ModelArgument, Step, Trips, trips_of
from jaxcost.app.cli.options import check_outputs


def import_trace(
    profile: Annotated[
        Path, typer.Argument(metavar="PROFILE", help="What jax.profiler.trace wrote: the folder.")
    ],
    model: ModelArgument,
    out: Annotated[
        Path, typer.Option(metavar="LAYERS.csv", help="Where the table of layers goes.")
    ],
    inputs: Inputs = None,
    call: Call = False,
    backward: Backward = False,
    step: Step = None,
    trips: Trips = None,
    calls: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Calls in the profile, where it does not say."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="OUT", help="And every kernel, with its reason, here.")
    ] = None,
) -> None:
    """Make a table of layers of a profile: a calibration without a sweep.

    The profile is one that JAX wrote around calls of the program; the model and its inputs are
    those that ran. A kernel is the layer whose product it computes, with what is fused into it.
    Kernels of several products or of none, and those that ran beside others, are listed with the
    reason; no time is split.
    Tried on CPUs; on GPUs it should do the same, which nobody has tried.

    \b
    Example:
      jaxcost import-trace /tmp/profile models:net --call --input f32[8,64] \\
          --out layers.csv
      jaxcost fit layers.csv --device this --out calibration.json
    """
    from jaxcost._support.files import write_json, write_text
    from jaxcost.app.cli import show
    from jaxcost.app.cli.count import asked_for
    from jaxcost.app.report import imported as report
    from jaxcost.calibrate.this_device import as_text
    from jaxcost.trace.profile.imported import import_trace as import_

    check_outputs({"--out": out, "--json": json}, [profile] if profile.is_file() else [])
    asked, specs = asked_for(model, inputs, call)
    found = import_(
        profile, asked, *specs,
        calls=calls, backward=backward, step=step, trips=trips_of(trips),
    )  # fmt: skip
    console = show.console()
    show.title(console, f"{model} in {profile}")
    show.table(console, report.whole(found))
    show.title(console, "Kernels")
    show.table(console, report.kernels(found))
    show.warnings(console, found.warnings)
    table = found.table()
    if table.empty:
        raise ValueError(f"{profile}: no kernel is a layer of {model}, and no table was written")
    write_text(out, as_text(table))
    if json is not None:
        write_json(json, found.record())
    show.written(console, [out, json])

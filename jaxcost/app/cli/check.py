"""`jaxcost check`: whether a model keeps to a budget, and what is over it."""

from pathlib import Path
from typing import Annotated

import typer

from jaxcost.app.cli.count import Backward, Call, Inputs, ModelArgument, Step, Trips
from jaxcost.app.cli.options import check_outputs
from jaxcost.app.cli.own_model import OwnModel

FAILED = 3


def check(
    model: ModelArgument,
    budget: Annotated[Path, typer.Option(metavar="FILE.toml", help="Its limits.")],
    inputs: Inputs = None,
    calibration: Annotated[
        str | None,
        typer.Option(metavar="CALIBRATION", help="For limits on latency and energy."),
    ] = None,
    call: Call = False,
    backward: Backward = False,
    step: Step = None,
    trips: Trips = None,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Judge what is known alone.")
    ] = False,
    own_model: OwnModel = None,
    json: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the verdicts here.")
    ] = None,
) -> None:
    """Check a model against a budget: exit status 3, and a line for each limit that is exceeded.

    The budget is a TOML file with at least one of flops, macs, parameters, bytes_moved,
    peak_bytes, latency_s and energy_j: numbers in the unit of the name, or text with a unit, such
    as flops = 4.2e9 or latency_s = "2 ms". A latency or energy is judged by its estimate. A total
    of which not all is known is a lower bound: where that is within its limit, the status is 3,
    too, unless --allow-unknown is given.

    \b
    Example:
      jaxcost check models:resnet --call --input f32[1,224,224,3] \\
          --budget budget.toml
      jaxcost check models:net --input f32[8,64] --budget budget.toml \\
          --calibration calibration.json
    """
    from jaxcost._support.files import write_json
    from jaxcost.app.cli import show
    from jaxcost.app.cli.count import asked_for, trips_of
    from jaxcost.app.cli.own_model import load
    from jaxcost.app.report import budget as report
    from jaxcost.trace.budget import check as check_

    check_outputs({"--json": json}, [budget])
    loaded = None if calibration is None else load(calibration, own_model)
    asked, specs = asked_for(model, inputs, call)
    found = check_(
        asked, *specs, budget=budget, calibration=loaded, allow_unknown=allow_unknown,
        backward=backward, step=step, trips=trips_of(trips),
    )  # fmt: skip
    if json is not None:
        write_json(json, found.record())
    console = show.console()
    show.title(console, f"{model} beside {budget}")
    show.table(console, report.limits(found))
    if found.failed:
        show.title(console, "Not within the budget")
        for one in found.failed:
            show.line(console, str(one))
    show.warnings(console, found.warnings)
    show.written(console, [json])
    if not found.passed:
        raise typer.Exit(FAILED)

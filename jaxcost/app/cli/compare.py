"""`jaxcost compare`: a model on several calibrated devices, side by side."""

from pathlib import Path
from typing import Annotated

import typer

from jaxcost.app.cli.count import Backward, Call, Inputs, ModelArgument, Step, Trips
from jaxcost.app.cli.options import check_outputs
from jaxcost.app.cli.own_model import OwnModel


def compare(
    calibrations: Annotated[
        list[str], typer.Argument(metavar="CALIBRATION...", help="Files, or presets.")
    ],
    model: ModelArgument,
    inputs: Inputs = None,
    call: Call = False,
    backward: Backward = False,
    step: Step = None,
    trips: Trips = None,
    own_model: OwnModel = None,
    json: Annotated[Path | None, typer.Option(metavar="OUT", help="Write it here.")] = None,
) -> None:
    """Compare what a model costs on several calibrated devices, with 90 % intervals.

    And what share of the cost is of layers unlike those that a calibration was measured on.

    \b
    Example:
      jaxcost compare a100-sxm h100-sxm models:net --call --input bf16[8,64]
      jaxcost compare a.json b.json models:resnet --call \\
          --input f32[1,224,224,3] --step adam
    """
    from jaxcost._support.files import write_json
    from jaxcost.app.cli import show
    from jaxcost.app.cli.count import asked_for, trips_of
    from jaxcost.app.cli.own_model import registered
    from jaxcost.app.report import comparison as report
    from jaxcost.trace.comparison import compare as compare_

    check_outputs({"--json": json}, [Path(name) for name in calibrations])
    registered(own_model)
    asked, specs = asked_for(model, inputs, call)
    found = compare_(
        asked, *specs, calibrations=calibrations, backward=backward, step=step,
        trips=trips_of(trips),
    )  # fmt: skip
    if json is not None:
        write_json(json, found.record())
    console = show.console()
    show.title(console, model)
    show.table(console, report.devices(found))
    own = [f"{name}: {line}" for name, lines in found.warnings.items() for line in lines]
    show.warnings(console, [*found.counts.warnings, *own])
    show.written(console, [json])

"""`jaxcost roofline`: a model's layers under a device's ceilings, as a figure."""

from pathlib import Path
from typing import Annotated

import typer

from jaxcost.app.cli.count import Backward, Call, Inputs, ModelArgument, Step, Trips
from jaxcost.app.cli.options import check_outputs
from jaxcost.app.cli.own_model import OwnModel


def roofline(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="Where the figure goes.")],
    inputs: Inputs = None,
    calibration: Annotated[
        str | None,
        typer.Option(metavar="CALIBRATION", help="Of the device: a file, or a preset."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Or its name, of those with a data sheet."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --device: such as bf16, fp16-tensor.")
    ] = None,
    call: Call = False,
    backward: Backward = False,
    step: Step = None,
    trips: Trips = None,
    own_model: OwnModel = None,
) -> None:
    """Draw a model's layers under a device's roofline, the area of each its share of the time.

    With a calibration times are predicted, and ceilings as measured; with a device, times are the
    least that the peak and the bandwidth of its data sheet allow.

    \b
    Example:
      jaxcost roofline models:net --call --input bf16[8,64] \\
          --calibration h100-sxm --out net.png
      jaxcost roofline models:net --call --input bf16[8,64] \\
          --device a100-pcie-80gb --out net.png
    """
    from jaxcost.app.cli import show
    from jaxcost.app.cli.count import asked_for, trips_of
    from jaxcost.app.cli.own_model import load
    from jaxcost.app.report import roofline as report
    from jaxcost.figures import save
    from jaxcost.trace.roofline import roofline as roofline_

    if (calibration is None) == (device is None):
        raise ValueError("give one of --calibration and --device, to hold the layers against")
    if precision is not None and device is None:
        raise ValueError("--precision is of a data sheet; give --device with it, or leave it out")
    check_outputs({"--out": out})
    loaded = None if calibration is None else load(calibration, own_model)
    asked, specs = asked_for(model, inputs, call)
    found = roofline_(
        asked, *specs, calibration=loaded, device=device, precision=precision,
        backward=backward, step=step, trips=trips_of(trips),
    )  # fmt: skip
    title = f"{model} on {found.ceilings.device}"
    save(found.figure(title), out)
    console = show.console()
    show.title(console, title)
    show.table(console, report.layers(found))
    show.warnings(console, found.warnings)
    show.written(console, [out])

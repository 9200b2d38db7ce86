"""`jaxcost where-unsure`: which layers of a model to measure next."""

from pathlib import Path
from typing import Annotated

import typer

from jaxcost.app.cli.count import Backward, Call, Inputs, ModelArgument, Step, Trips
from jaxcost.app.cli.options import check_outputs
from jaxcost.app.cli.own_model import OwnModel


def where_unsure(
    calibration: Annotated[
        str, typer.Argument(metavar="CALIBRATION", help="A calibration file, or a preset.")
    ],
    model: ModelArgument,
    inputs: Inputs = None,
    call: Call = False,
    backward: Backward = False,
    step: Step = None,
    trips: Trips = None,
    own_model: OwnModel = None,
    json: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the figures here.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="LAYERS.csv", help="And the layers, as a table to be measured, here."),
    ] = None,
) -> None:
    """Rank a model's layers by how much measuring each would narrow its predicted latency.

    The table of --out is one that `jaxcost measure --sweep` and `jaxcost calibrate --for` take,
    the first layers first. What is no layer by itself, and how programs differ from their layers,
    stays as unsure as it is.

    \b
    Example:
      jaxcost where-unsure calibration.json models:resnet --call \\
          --input f32[1,224,224,3]
      jaxcost where-unsure laptop.json models:net --input f32[8,64] --step adam \\
          --out layers.csv
      jaxcost calibrate --for layers.csv
    """
    from jaxcost._support.files import write_json, write_text
    from jaxcost.app.cli import show
    from jaxcost.app.cli.count import counted
    from jaxcost.app.cli.own_model import load
    from jaxcost.app.report import unsure as report
    from jaxcost.calibrate.this_device import as_text
    from jaxcost.trace.unsure import unsure_of

    check_outputs({"--json": json, "--out": out}, inputs=[Path(calibration)])
    loaded = load(calibration, own_model)
    found = unsure_of(counted(model, inputs, call, backward, step, trips), loaded)
    if out is not None and not found.to_measure():
        raise ValueError(f"--out = {str(out)!r}: {model} has no layer that can be measured")
    if json is not None:
        write_json(json, found.record())
    if out is not None:
        write_text(out, as_text(found.table()))
    console = show.console()
    show.title(console, f"{model} on {loaded.device.kind or loaded.device.name}")
    show.table(console, report.whole(found))
    show.title(console, "To be measured first")
    show.table(console, report.layers(found))
    show.warnings(console, found.warnings)
    show.written(console, [json, out])

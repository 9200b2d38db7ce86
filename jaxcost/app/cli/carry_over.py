"""`jaxcost carry-over`: a calibration of a device that nobody measured, from another's."""

from pathlib import Path
from typing import Annotated

import typer

from jaxcost.app.cli.options import check_outputs


def carry_over(
    calibration: Annotated[
        str,
        typer.Argument(metavar="CALIBRATION", help="The other device's: a file, or a preset."),
    ],
    to: Annotated[
        str, typer.Option(metavar="DEVICE", help="As `jaxcost devices --data-sheets` lists.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="CALIBRATION.json", help="Where the calibration goes.")
    ],
) -> None:
    """Make a calibration of a device on which nothing was measured, from its data sheet.

    Another device's calibration is changed as the data sheets of both differ: times only, with
    intervals wide enough for what a data sheet does not tell. With 20 measured layers,
    `jaxcost fit --from` does better.

    \b
    Example:
      jaxcost carry-over h100-sxm --to h200-sxm --out h200.json
    """
    from jaxcost.app.cli import show
    from jaxcost.calibrate.carry_over import carry_over as carried_over

    check_outputs({"--out": out}, [Path(calibration)])
    carried = carried_over(calibration, to)
    carried.save(out)
    console = show.console()
    fitted = carried.models["time_s"]
    show.title(
        console, f"{fitted.name} for {carried.device.name}, {fitted.dtype}: nothing measured"
    )
    show.warnings(console, fitted.warnings)
    show.written(console, [out])

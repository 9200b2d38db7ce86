"""`jaxcost datasheet`: what an inference costs by a data sheet or a date; nothing is measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.app.cli.count import Backward, Call, Inputs, Step
from jaxcost.app.cli.options import check_outputs

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.calibrate.data_sheet import Estimate
    from jaxcost.workload import Workload


def datasheet(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODULE:ATTR]", help="A function of arrays, or a model."),
    ] = None,
    inputs: Inputs = None,
    call: Call = False,
    backward: Backward = False,
    step: Step = None,
    flops: Annotated[
        float | None,
        typer.Option(metavar="N", help="FLOPs of one inference (a multiply-add is 2)."),
    ] = None,
    layers: Annotated[
        Path | None, typer.Option(metavar="TABLE.csv", help="Or its layers, one a row.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="As `jaxcost devices --data-sheets` lists.")
    ] = None,
    assume_peak: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of the peak that it reaches, such as 0.4."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="NAME", help="Such as fp16-tensor; default fp32.")
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM-DD", help="Instead of a device: when a GPU was launched."),
    ] = None,
    line: Annotated[
        str, typer.Option(metavar="fp32|cnn|nlp", help="With --date: which efficiency line.")
    ] = "fp32",
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Allow a date outside the trend's data.")
    ] = False,
    inferences: Annotated[
        float, typer.Option(metavar="N", help="How many inferences kWh and CO2 are of.")
    ] = 1.0,
    carbon_intensity: Annotated[
        float | None,
        typer.Option(metavar="G_PER_KWH", help="Your electricity's, for CO2; no default."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the figures here.")
    ] = None,
) -> None:
    """Time and energy of an inference by a device's data sheet, or by a date: nothing is measured.

    A device is taken to reach a share of its peak at its design power. With a calibration, which
    is measured, `jaxcost estimate` gives intervals, too.

    \b
    Example:
      jaxcost datasheet --flops 4.1e9 --device v100 --assume-peak 0.4
      jaxcost datasheet models:net --call --input f32[1,32,32,3] --device a100 \\
          --assume-peak 0.4
      jaxcost datasheet --layers layers.csv --device h100-sxm --precision tf32 \\
          --assume-peak 0.3
      jaxcost datasheet --flops 4.1e9 --date 2019-05-28 --line cnn \\
          --carbon-intensity 250
    """
    from jaxcost._support.files import write_json
    from jaxcost.app.cli import show
    from jaxcost.app.report import estimate as report

    check_outputs({"--json": json}, inputs=[layers] if layers else [])
    _check_positive("--inferences", inferences)
    frame, work = _work(model, flops, layers, inputs, call, backward, step)
    found = _estimated(work, device, assume_peak, precision, date, line, extrapolate)
    use = report.Use(inferences, carbon_intensity)
    content = report.table(found, use)
    if json is not None:
        write_json(json, report.record(found, use, frame))
    console = show.console()
    show.title(console, f"{report.MARK.capitalize()}: {found.basis}")
    show.table(console, content)
    show.warnings(console, found.warnings)
    show.written(console, [json])


def _check_positive(option: str, value: float) -> None:
    from jaxcost._support.messages import refused

    if not 0 < value < float("inf"):
        raise ValueError(refused(option, value, "a finite number above 0"))


def _work(
    model: str | None, flops: float | None, layers: Path | None,
    inputs: list[str] | None, call: bool, backward: bool, step: str | None,
) -> tuple["pd.DataFrame | None", "Workload | float"]:  # fmt: skip
    """What is to be estimated: a table and its layers, or FLOPs alone, given or counted."""
    from jaxcost.workload import from_table
    from jaxcost.workload.layer_table import read_layer_table

    if model is not None:
        from jaxcost.app.cli.count import counted

        if flops is not None or layers is not None:
            raise ValueError("give MODULE:ATTR, or --flops, or --layers, and only one of them")
        return None, counted(model, inputs, call, backward, step).flops
    if (flops is None) == (layers is None):
        raise ValueError("give MODULE:ATTR, or either --flops N or --layers TABLE.csv, not both")
    if layers is None:
        assert flops is not None
        return None, flops
    frame = read_layer_table(layers)
    return frame, from_table(frame)


def _estimated(
    work: "Workload | float", device: str | None, assume_peak: float | None,
    precision: str | None, date: str | None, line: str, extrapolate: bool,
) -> "Estimate":  # fmt: skip
    from jaxcost.calibrate.data_sheet import from_data_sheet, from_trend

    if (device is None) == (date is None):
        raise ValueError("give either --device NAME or --date YYYY-MM-DD, and not both")
    if date is not None:
        if precision is not None or assume_peak is not None:
            raise ValueError("--precision and --assume-peak need --device; with --date give --line")
        return from_trend(work, date, line=line, extrapolate=extrapolate)
    assert device is not None
    if assume_peak is None:
        raise ValueError(
            "--assume-peak is missing; give the share of the peak that the network reaches, "
            "above 0 and up to 1: 0.4 is a good one, 1 the thesis's assumption"
        )
    return from_data_sheet(work, device, assume_peak=assume_peak, precision=precision)

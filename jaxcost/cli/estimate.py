"""`jaxcost estimate`: what an inference would cost on a device that was not measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxcost.cli.options import check_outputs

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.estimates import Estimate
    from jaxcost.workload import Workload


def estimate(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODULE:ATTR]", help="Not yet: give --flops or --layers."),
    ] = None,
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
    """Estimate time and energy of one inference from a device's data sheet, or from its date.

    Nothing is measured: the device is taken to reach a share of its peak at its design power.

    \b
    Example:
      jaxcost estimate --flops 4.1e9 --device v100 --assume-peak 0.4
      jaxcost estimate --layers layers.csv --device h100-sxm --precision tf32 --assume-peak 0.3
      jaxcost estimate --flops 4.1e9 --date 2019-05-28 --line cnn --carbon-intensity 250
    """
    from jaxcost.cli import show
    from jaxcost.report import estimate as report

    check_outputs({"--json": json}, inputs=[layers] if layers else [])
    _check_positive("--inferences", inferences)
    frame, work = _work(model, flops, layers)
    found = _estimated(work, device, assume_peak, precision, date, line, extrapolate)
    use = report.Use(inferences, carbon_intensity)
    content = report.table(found, use)
    if json is not None:
        _write(json, report.record(found, use, frame))
    console = show.console()
    show.title(console, f"{report.MARK.capitalize()}: {found.basis}")
    show.table(console, content)
    show.warnings(console, found.warnings)
    if json is not None:
        show.written(console, [json])


def _check_positive(option: str, value: float) -> None:
    from jaxcost.messages import refused

    if not 0 < value < float("inf"):
        raise ValueError(refused(option, value, "a finite number above 0"))


def _write(path: Path, record: dict[str, Any]) -> None:
    import json

    from jaxcost.files import write_text

    write_text(path, json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _work(
    model: str | None, flops: float | None, layers: Path | None
) -> tuple["pd.DataFrame | None", "Workload | float"]:
    """What is to be estimated: a table and its layers, or FLOPs alone.

    MODULE:ATTR belongs here, once a callable can be traced to a Workload.
    """
    from jaxcost.table import read_layer_table
    from jaxcost.workload import from_table

    if model is not None:
        raise ValueError(
            f"MODULE:ATTR = {model!r} cannot be counted yet; give --flops N or --layers TABLE.csv"
        )
    if (flops is None) == (layers is None):
        raise ValueError("give either --flops N or --layers TABLE.csv, and not both")
    if layers is None:
        assert flops is not None
        return None, flops
    frame = read_layer_table(layers)
    return frame, from_table(frame)


def _estimated(
    work: "Workload | float", device: str | None, assume_peak: float | None,
    precision: str | None, date: str | None, line: str, extrapolate: bool,
) -> "Estimate":  # fmt: skip
    from jaxcost.estimates import from_data_sheet, from_trend

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

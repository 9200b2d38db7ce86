"""`jaxcost estimate`: what a model costs on a calibrated device."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.app.cli.count import Backward, By, Call, Inputs, Step, Trips
from jaxcost.app.cli.options import check_outputs
from jaxcost.app.cli.own_model import OWN_MODEL

if TYPE_CHECKING:
    from jaxcost.trace.estimate import ProgramEstimate
    from jaxcost.trace.training_cost import TrainingCost

# What 0.1 took without a calibration, and `jaxcost datasheet` takes now.
_OF_DATA_SHEETS = ("--flops", "--layers", "--device", "--date")


def estimate(
    model: Annotated[
        str, typer.Argument(metavar="MODULE:ATTR", help="A function of arrays, or a model.")
    ],
    calibration: Annotated[
        str, typer.Option(metavar="CALIBRATION", help="A calibration file, or a preset.")
    ],
    inputs: Inputs = None,
    call: Call = False,
    backward: Backward = False,
    step: Step = None,
    trips: Trips = None,
    by: By = "layer",
    measure: Annotated[
        bool, typer.Option("--measure", help="Run it here, too, and show how long it takes.")
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Of a training: what all of them take, and emit."),
    ] = None,
    trials: Annotated[int, typer.Option(metavar="N", help="Trainings in all, with --steps.")] = 1,
    carbon_intensity: Annotated[
        float | None,
        typer.Option(metavar="G_PER_KWH", help="Your electricity's, for CO2; no default."),
    ] = None,
    own_model: Annotated[
        str | None, typer.Option("--model", metavar="MODULE:CLASS", help=OWN_MODEL)
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the figures here.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="And a page with pictures here.")
    ] = None,
) -> None:
    """Estimate what a model costs on a calibrated device: latency and energy, with 90 % intervals.

    By layer and in total; the model is not run, unless --measure asks for it. Without a
    calibration, `jaxcost datasheet` estimates from what a device's data sheet says. With --steps,
    also hours, kWh and CO2 of a training, before it is begun.

    \b
    Example:
      jaxcost estimate models:resnet --call --input f32[1,224,224,3] \\
          --calibration calibration.json
      jaxcost estimate models:resnet --call --input f32[8,224,224,3] --step adam \\
          --calibration calibration.json --measure
      jaxcost estimate models:net --input f32[8,64] --calibration amd-epyc \\
          --report net.html
      jaxcost estimate models:net --input f32[8,64] --calibration b200 \\
          --step adam --steps 90000 --trials 20 --carbon-intensity 250
    """
    from jaxcost._support.files import write_json
    from jaxcost.app.cli import show
    from jaxcost.app.cli.count import asked_for, check_by, trips_of
    from jaxcost.app.cli.own_model import load
    from jaxcost.trace import estimate as of_programs

    check_outputs({"--json": json, "--report": report}, inputs=[Path(calibration)])
    check_by(by)
    loaded = load(calibration, own_model)
    asked, specs = asked_for(model, inputs, call)
    found = of_programs.estimate(
        asked,
        *specs,
        calibration=loaded,
        backward=backward,
        step=step,
        trips=trips_of(trips),
        measure=measure,
    )
    of_all = _of_training(found, steps, trials, carbon_intensity)
    if json is not None:
        training = {"training": of_all.record()} if of_all is not None else {}
        write_json(json, found.record() | training)
    if report is not None:
        from jaxcost.app.report.model_page import write_model_report

        write_model_report(report, model, found, loaded)
    _show(f"{model} on {loaded.device.kind or loaded.device.name}", found, of_all, by)
    show.written(show.console(), [json, report])


def _show(title: str, found: "ProgramEstimate", of_all: "TrainingCost | None", by: str) -> None:
    """What is printed of it."""
    from jaxcost._support import text
    from jaxcost.app.cli import show
    from jaxcost.app.report import counts, program

    console = show.console()
    show.title(console, title)
    show.table(console, program.layers(found) if by == "layer" else program.groups(found, by))
    show.title(console, "In total")
    show.table(console, program.totals(found))
    if of_all is not None:
        show.title(console, f"{text.count(of_all.trials, 'training')} of {of_all.steps:,} steps")
        show.table(console, program.training(of_all))
    if found.counts.unknown:
        show.title(console, f"Unknown: {text.count(len(found.counts.unknown), 'operation')}")
        show.table(console, counts.unknown(found.counts))
    show.warnings(console, found.warnings)


def _of_training(
    found: "ProgramEstimate", steps: int | None, trials: int, grams_per_kwh: float | None
) -> "TrainingCost | None":
    if steps is not None:
        return found.training(steps=steps, trials=trials, grams_per_kwh=grams_per_kwh)
    if trials != 1 or grams_per_kwh is not None:
        option = "--trials" if trials != 1 else "--carbon-intensity"
        raise ValueError(f"{option} is of a training; say of how many steps (--steps N)")
    return None


def in_new_words(arguments: list[str]) -> list[str]:
    """What 0.1 was asked to estimate from a data sheet, as `datasheet` is asked now."""
    given = {word.partition("=")[0] for word in arguments[1:]}
    if arguments[:1] != ["estimate"] or "--calibration" in given:
        return arguments
    if not given & set(_OF_DATA_SHEETS):
        return arguments
    line = "jaxcost: without --calibration, `estimate` is `datasheet` now, and will be until 0.3"
    print(line, file=sys.stderr)
    return ["datasheet", *arguments[1:]]

"""`jaxcost diff`: what changed between two models, two saved counts, or two devices."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxcost.app.cli.count import Backward, Call, Inputs, Step, Trips
from jaxcost.app.cli.options import check_outputs
from jaxcost.app.cli.own_model import OwnModel

if TYPE_CHECKING:
    from jaxcost.trace.counts import Counts
    from jaxcost.trace.estimate import ProgramEstimate

_SIDE = "What count or estimate wrote with --json, or MODULE:ATTR."


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    after: Annotated[
        str | None,
        typer.Argument(metavar="[B]", help="The same; by default A, on the second calibration."),
    ] = None,
    inputs: Inputs = None,
    calibration: Annotated[
        list[str] | None,
        typer.Option(metavar="CALIBRATION", help="Of models: for both, or twice, A's and B's."),
    ] = None,
    call: Call = False,
    backward: Backward = False,
    step: Step = None,
    trips: Trips = None,
    own_model: OwnModel = None,
    json: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the differences here.")
    ] = None,
) -> None:
    """Show what changed between two models, two commits' counts, or two devices.

    In total, and by layer: what grew, shrank, appeared and vanished. Layers are taken for the same
    where they have the same name.

    \b
    Example:
      jaxcost diff models:resnet18 models:resnet34 --call --input f32[1,224,224,3]
      jaxcost diff before.json after.json --json differences.json
      jaxcost diff models:net --input f32[8,64] --calibration a100-sxm \\
          --calibration h100-sxm
    """
    from jaxcost._support.files import write_json
    from jaxcost.app.cli import show
    from jaxcost.app.report import difference as report
    from jaxcost.trace.difference import diff as diff_

    given = calibration or []
    if len(given) > 2:
        raise ValueError(f"--calibration is given {len(given)} times; give one, or A's and B's")
    if after is None and len(given) != 2:
        raise ValueError("B is missing; give it, or --calibration twice to compare A on both")
    words = (before, before if after is None else after)
    check_outputs({"--json": json}, [Path(word) for word in words if is_file(word)])
    pair: list[str | None] = [*given, *given, None, None][:2]
    asked = {"call": call, "backward": backward, "step": step, "trips": trips}
    sides = [_side(w, inputs, c, own_model, **asked) for w, c in zip(words, pair)]
    found = diff_(*sides)
    if json is not None:
        write_json(json, found.record())
    console = show.console()
    for letter, word, on in zip("AB", words, pair):
        show.line(console, f"{letter}: {word}" + (f" on {on}" if on else ""))
    show.title(console, "In total")
    show.table(console, report.totals(found))
    if found.layers:
        show.title(console, "Layers that changed")
        show.table(console, report.layers(found))
    else:
        show.line(console, "No layer changed.")
    show.written(console, [json])


def is_file(word: str) -> bool:
    """Whether a side is a file rather than MODULE:ATTR."""
    return word.endswith(".json") or Path(word).exists()


def _side(
    word: str,
    inputs: list[str] | None,
    calibration: str | None,
    own_model: str | None,
    **asked: Any,
) -> "Counts | ProgramEstimate | str":
    from jaxcost.app.cli.count import counted

    if is_file(word):
        if calibration or inputs:
            option = "--calibration" if calibration else "--input"
            raise ValueError(f"{option} is of models, and {word!r} is a file; leave it out")
        return word
    found = counted(word, inputs, **asked)
    if calibration is None:
        return found
    from jaxcost.app.cli.own_model import load
    from jaxcost.trace.estimate import estimate_counts

    return estimate_counts(found, load(calibration, own_model))

"""`jaxcost count`: what a JAX callable or model computes, layer by layer; nothing is run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxcost.app.cli.options import check_outputs

if TYPE_CHECKING:
    from jaxcost.trace.counts import Counts

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODULE:ATTR", help="A function of arrays, or a model.")
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="SPEC", help="An input's shape: f32[1,224,224,3]; repeatable."),
]
Call = Annotated[
    bool, typer.Option("--call", help="Call it without arguments first, to build the model.")
]
Backward = Annotated[bool, typer.Option("--backward", help="With the gradient of a loss.")]
Step = Annotated[
    str | None,
    typer.Option(metavar="OPTIMIZER", help="With a training step of sgd, momentum, adam, ..."),
]
Trips = Annotated[
    list[float] | None,
    typer.Option("--trips", metavar="N", help="How often while loops run: once, or one for each."),
]

By = Annotated[str, typer.Option(metavar="layer|module|op", help="What a row of the table is.")]


def count(
    model: ModelArgument,
    inputs: Inputs = None,
    call: Call = False,
    backward: Backward = False,
    step: Step = None,
    trips: Trips = None,
    by: By = "layer",
    json: Annotated[Path | None, typer.Option(metavar="OUT", help="Write the counts here.")] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", help="And the layers here.")
    ] = None,
) -> None:
    """Count FLOPs, multiply-adds, parameters and bytes of any JAX callable or model.

    It is traced at the shapes of its inputs: nothing is run, compiled or put on a device. What is
    not known is listed, and never counted as zero.

    \b
    Example:
      jaxcost count models:resnet --call --input f32[1,224,224,3]
      jaxcost count models:attention --input bf16[1,512,768] --backward \\
          --json counts.json
    """
    from jaxcost._support.files import write_json, write_text
    from jaxcost.app.cli import show
    from jaxcost.app.report import counts as report

    check_outputs({"--json": json, "--csv": csv})
    check_by(by)
    found = counted(model, inputs, call, backward, step, trips)
    if json is not None:
        write_json(json, found.record())
    if csv is not None:
        write_text(csv, report.as_csv(found))
    console = show.console()
    show.title(console, model)
    show.table(console, report.layers(found, by))
    show.title(console, "In total")
    show.table(console, report.totals(found))
    _unknown(console, found)
    show.warnings(console, found.warnings)
    show.written(console, [json, csv])


def check_by(by: str) -> None:
    """ValueError where a table cannot have such rows."""
    from jaxcost._support.messages import unknown
    from jaxcost.app.report.counts import BY

    if by not in BY:
        raise ValueError(unknown("--by", by, BY))


def asked_for(model: str, inputs: list[str] | None, call: bool) -> tuple[Any, list[Any]]:
    """What `MODULE:ATTR` is, and the shapes of its inputs."""
    from jaxcost.trace.specs import load_attribute, parse_spec

    specs = [parse_spec(text) for text in inputs or ()]
    return load_attribute(model, call=call), specs


def counted(
    model: str,
    inputs: list[str] | None,
    call: bool,
    backward: bool = False,
    step: str | None = None,
    trips: list[float] | None = None,
) -> "Counts":
    """What is counted of `MODULE:ATTR` at the shapes of its inputs."""
    from jaxcost.trace import count as count_

    found, specs = asked_for(model, inputs, call)
    return count_(found, *specs, backward=backward, step=step, trips=trips_of(trips))


def trips_of(trips: list[float] | None) -> float | list[float] | None:
    """One number for all loops, or one for each; None where none was given."""
    return trips[0] if trips and len(trips) == 1 else trips or None


def _unknown(console: Any, found: "Counts") -> None:
    from jaxcost.app.cli import show
    from jaxcost.app.report import counts as report

    if found.unknown:
        show.title(console, "Unknown: not in the totals")
        show.table(console, report.unknown(found))

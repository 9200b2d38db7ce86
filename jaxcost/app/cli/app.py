"""The commands by name; each imports what is slow to import only when it runs."""

from typing import Annotated

import typer

from jaxcost.app.cli.calibrate import calibrate
from jaxcost.app.cli.carry_over import carry_over
from jaxcost.app.cli.check import check
from jaxcost.app.cli.compare import compare
from jaxcost.app.cli.count import count
from jaxcost.app.cli.datasheet import datasheet
from jaxcost.app.cli.diff import diff
from jaxcost.app.cli.estimate import estimate
from jaxcost.app.cli.fit import fit
from jaxcost.app.cli.import_trace import import_trace
from jaxcost.app.cli.measure import measure
from jaxcost.app.cli.predict import predict
from jaxcost.app.cli.reproduce import reproduce
from jaxcost.app.cli.roofline import roofline
from jaxcost.app.cli.stores import export, merge
from jaxcost.app.cli.tables import devices, models
from jaxcost.app.cli.unsure import where_unsure

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command(short_help="Measure this device, fit a cost model, check it.")(calibrate)
app.command(short_help="Measure a sweep of layers into a store, no more.")(measure)
app.command(short_help="Write a store as a table of layers.")(export)
app.command(short_help="Merge several stores into one.")(merge)
app.command(short_help="Make a table of layers of a profile that JAX wrote.")(import_trace)
app.command(short_help="Fit a calibration to a table of measurements.")(fit)
app.command(short_help="Carry a calibration over to a device that nobody measured.")(carry_over)
app.command(short_help="Predict every layer of a table, with intervals.")(predict)
app.command(short_help="Count what a JAX model computes.")(count)
app.command(short_help="Estimate what a model costs on a calibrated device.")(estimate)
app.command(short_help="Which layers to measure next for a model.")(where_unsure)
app.command(short_help="Compare a model on several calibrated devices.")(compare)
app.command(short_help="Check a model against a budget, for CI.")(check)
app.command(short_help="Show what changed between two models or devices.")(diff)
app.command(short_help="Draw a model's layers under a device's roofline.")(roofline)
app.command(short_help="Estimate an inference from a data sheet.")(datasheet)
app.command(short_help="Recompute a paper's tables and figures.")(reproduce)
app.command(short_help="The devices that are known, and this machine.")(devices)
app.command(short_help="The cost models that can be fitted.")(models)


def _version(asked: bool) -> None:
    if asked:
        from jaxcost._support.provenance import version_of

        typer.echo(f"jaxcost {version_of('jaxcost')}")
        raise typer.Exit()


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Cost models of neural networks in JAX: measured, fitted, and checked on your own device.

    \b
    Example:
      jaxcost calibrate
      jaxcost predict calibration.json layers.csv --out predicted.csv
    """

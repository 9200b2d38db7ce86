"""`jaxcost models` and `jaxcost devices`: what is known, in a table."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from jaxcost.device import Device


def models() -> None:
    """List the cost models that `jaxcost fit --model` takes, and what each one is.

    \b
    Example:
      jaxcost models
    """
    from jaxcost.app.cli import show
    from jaxcost.app.report.tables import Table
    from jaxcost.models.base import parameters_of
    from jaxcost.models.registry import ALL

    rows = tuple(
        (name, str(len(parameters_of(kind))), (kind.__doc__ or "").split("\n")[0])
        for name, kind in ALL.items()
    )
    console = show.console()
    show.table(console, Table(("model", "parameters", "what it is"), rows, (False, True, False)))


def devices(
    data_sheets: Annotated[
        bool, typer.Option("--data-sheets", help="Those that `jaxcost datasheet --device` takes.")
    ] = False,
) -> None:
    """List the devices known by name, this machine, and the calibrations that come with jaxcost.

    \b
    Example:
      jaxcost devices
      jaxcost devices --data-sheets
    """
    if data_sheets:
        _show_data_sheets()
        return
    from jaxcost.app.cli import show
    from jaxcost.app.report.tables import Table
    from jaxcost.calibrate.presets import PRESETS
    from jaxcost.device import detect_device, presets

    known = [_row(name, device) for name, device in presets().items()]
    here = _row("this machine", detect_device())
    columns = ("device", "what it is", "platform", "units", "memory", "peak", "bandwidth")
    numbers = (False, False, False, True, False, True, True)
    console = show.console()
    show.table(console, Table(columns, (*known, here), numbers))
    console.print()
    show.line(console, f"Calibrations for `jaxcost predict`: {', '.join(PRESETS)}")


def _show_data_sheets() -> None:
    from jaxcost._support import text
    from jaxcost.app.cli import show
    from jaxcost.app.report.tables import Table
    from jaxcost.device.data_sheets import data_sheets

    rows = []
    for name, by_precision in data_sheets().items():
        for sheet in by_precision.values():
            power = text.quantity(sheet.design_power, "W")
            peak = text.quantity(sheet.peak_flops, "FLOP/s")
            first = sheet is next(iter(by_precision.values()))
            rows.append((name if first else "", sheet.precision, peak, power, sheet.launch_date))
    columns = ("device", "precision", "peak", "power", "launched")
    note = "As published: no measurement. Sources stand in data/README.md and data_sheets.csv."
    content = Table(columns, tuple(rows), (False, False, True, True, True), note=note)
    show.table(show.console(), content)


def _row(name: str, device: "Device") -> tuple[str, ...]:
    from jaxcost._support import text
    from jaxcost.app.report.tables import memory

    units = device.compute_units
    peak, bandwidth = device.peak_flops, device.bandwidth
    return (
        name,
        device.kind or text.NONE,
        device.platform or text.NONE,
        text.NONE if units is None else f"{float(units):.0f}",
        memory(device).replace(", ", "\n"),
        text.NONE if peak is None else text.quantity(float(peak), "FLOP/s"),
        text.NONE if bandwidth is None else text.quantity(float(bandwidth), "B/s"),
    )

"""`jaxcost models` and `jaxcost devices`: what is known, in a table."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxcost.device import Device


def models() -> None:
    """List the cost models that `jaxcost fit --model` takes, and what each one is.

    \b
    Example:
      jaxcost models
    """
    from jaxcost.cli import show
    from jaxcost.models.base import parameters_of
    from jaxcost.models.registry import ALL
    from jaxcost.report.tables import Table

    rows = tuple(
        (name, str(len(parameters_of(kind))), (kind.__doc__ or "").split("\n")[0])
        for name, kind in ALL.items()
    )
    console = show.console()
    show.table(console, Table(("model", "parameters", "what it is"), rows, (False, True, False)))


def devices() -> None:
    """List the devices known by name, this machine, and the calibrations that come with jaxcost.

    \b
    Example:
      jaxcost devices
    """
    from jaxcost.calibration.presets import PRESETS
    from jaxcost.cli import show
    from jaxcost.device import detect_device, presets
    from jaxcost.report.tables import Table

    known = [_row(name, device) for name, device in presets().items()]
    here = _row("this machine", detect_device())
    columns = ("device", "what it is", "platform", "units", "memory", "peak", "bandwidth")
    numbers = (False, False, False, True, False, True, True)
    console = show.console()
    show.table(console, Table(columns, (*known, here), numbers))
    console.print()
    show.line(console, f"Calibrations for `jaxcost predict`: {', '.join(PRESETS)}")


def _row(name: str, device: "Device") -> tuple[str, ...]:
    from jaxcost.report import text
    from jaxcost.report.tables import memory

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

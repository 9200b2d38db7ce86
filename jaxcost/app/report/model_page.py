"""The page of a model: where its time, energy and memory go, its roofline, and its layers."""

from collections.abc import Mapping
from pathlib import Path

from jaxcost._support import text
from jaxcost._support.files import write_text
from jaxcost.app.report import counts, html, program, roofline
from jaxcost.app.report.icicle import icicle
from jaxcost.app.report.page import in_template
from jaxcost.calibrate import Calibration
from jaxcost.trace.by_layer import by_layer
from jaxcost.trace.ceilings import of_calibration
from jaxcost.trace.estimate import ProgramEstimate
from jaxcost.trace.roofline import of_estimate

_COSTS = (("latency_s", "time", "s"), ("energy_j", "energy", "J"))


def write_model_report(
    path: str | Path, name: str, found: ProgramEstimate, calibration: Calibration
) -> Path:
    """Write the page as one HTML file that opens without network, whole or not at all."""
    return write_text(path, render(name, found, calibration))


def render(name: str, found: ProgramEstimate, calibration: Calibration) -> str:
    """The page as HTML: figures are within it, and nothing is fetched from elsewhere.

    Args:
        name: what the program is called.
        found: as `jaxcost.estimate` returned it.
        calibration: with which.
    """
    rows, counted = found.layers(), found.counts
    parts = [
        html.cards(_headline(found)),
        html.warnings(found.warnings),
        *(
            _where(what, by_layer(rows, key), unit)
            for key, what, unit in _COSTS
            if key in found.costs
        ),
        _where("memory at its peak", counted.peak_layers, "B"),
        _where("FLOPs", by_layer(rows, "flops"), "FLOP"),
        _roofline(name, found, calibration),
        html.section("Layers", html.table(program.layers(found))),
        html.section(
            "In total", html.table(program.costs(found)), html.table(counts.totals(counted))
        ),
        html.section("Unknown: not in the totals", html.table(counts.unknown(counted))),
    ]
    device = calibration.device.kind or calibration.device.name
    title, subtitle = f"{name} on {device}", "estimated from a calibration, not measured"
    return in_template(title, subtitle, parts)


def _headline(found: ProgramEstimate) -> list[tuple[str, str]]:
    cards = []
    for key, what, unit in _COSTS:
        if key in found.costs:
            of = found.costs[key]
            ends = text.interval(of.total_lower, of.total_upper, unit)
            cards.append((text.quantity(of.total, unit), f"{what} of one run, 90 % {ends}"))
    cards.append((text.quantity(found.counts.flops, "FLOP"), "arithmetic of products"))
    cards.append((f"{found.counts.parameters:,}", "parameters"))
    cards.append((text.storage(found.counts.peak_bytes), "peak memory, unfused, estimated"))
    return cards


def _where(what: str, sizes: Mapping[str, float], unit: str) -> str:
    """A section on what holds most of something, by module."""
    drawn = icicle(sizes, unit, f"Share of the {what} by module.")
    words = (
        "Each box is a module, as wide as its share; what it holds is below it." if drawn else ""
    )
    title = f"Where the {what} {'go' if what == 'FLOPs' else 'goes'}"
    return html.section(title, html.paragraph(words, "note"), drawn)


def _roofline(name: str, found: ProgramEstimate, calibration: Calibration) -> str:
    """The roofline, where the calibration knows ceilings and a layer computes."""
    try:
        under = of_estimate(found, of_calibration(calibration))
        drawn = under.figure()
    except ValueError:  # no times, no rate, or nothing to draw
        return ""
    says = f"Layers of {name} under the roofline of {under.ceilings.device}."
    return html.section(
        "Roofline", html.scrolled(html.figure(drawn, says)), html.table(roofline.layers(under))
    )

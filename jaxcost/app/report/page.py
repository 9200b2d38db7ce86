"""The whole page: what stands on it, in what order, and in what words."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from jaxcost._support import text
from jaxcost._support.files import write_text
from jaxcost.app.report import html, tables
from jaxcost.app.report.curves import curves
from jaxcost.app.report.figures import agreement, errors_by_kind
from jaxcost.app.report.study import Study, in_words
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.units import QUANTITIES

_MOST_HELD_OUT = 60


def write_report(path: str | Path, study: Study) -> Path:
    """Write the report as one HTML file that opens without network, whole or not at all."""
    return write_text(path, render(study))


def render(study: Study) -> str:
    """The report as HTML: figures are within it, and nothing is fetched from elsewhere."""
    parts = [
        html.cards(_headline(study)),
        html.warnings(tables.warnings(study.fitted)),
        _agreement(study),
        _by_kind(study),
        html.section("Accuracy", html.table(tables.accuracy(study.fitted))),
        _models(study),
        _held_out(study),
        _curves(study),
        _parameters(study),
        _measured(study),
        html.section("Device", html.table(tables.device(study.calibration.device))),
        html.section("Where this comes from", html.table(_provenance(study))),
    ]
    return in_template(_title(study), _subtitle(study), parts)


def in_template(title: str, subtitle: str, parts: Sequence[str]) -> str:
    """A whole page of pieces of HTML, below a title in plain text."""
    template = Template(
        files("jaxcost.app.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    body = "\n".join(part for part in parts if part)
    return template.substitute(title=escape(title), subtitle=escape(subtitle), body=body)


def _title(study: Study) -> str:
    device = study.calibration.device
    kind = device.kind or device.name
    what = "Latency" if study.target == "time_s" else "Energy"
    return f"{what} of layers on {'an unknown device' if kind == 'unknown' else kind}"


def _subtitle(study: Study) -> str:
    known = study.calibration.provenance
    corrected = ", corrected between measured layers" if study.fitted.correction else ""
    words = [
        f"{study.fitted.name}{corrected}",
        f"fitted to {in_words(study.table[~study.table['held_out']])}",
        str(known.get("date_utc", ""))[:10],
        f"jaxcost {known['jaxcost']}" if "jaxcost" in known else "",
    ]
    return " · ".join(word for word in words if word)


def _headline(study: Study) -> list[tuple[str, str]]:
    errors = study.fitted.errors
    if "held_out" in errors:
        found, of = tables.accuracy_of(study.held_out), "layers the model had never seen"
        cards = [(text.error(found.median_absolute), f"median error on {found.distinct} {of}")]
        cards.append((text.share(found.within_10_percent), "of them predicted within ±10 %"))
        cards.append((text.share(study.coverage), "of them inside their 90 % interval"))
        return cards
    if "rows" not in errors:
        return []
    found = errors["rows"]
    cards = [
        (text.error(found.mean_absolute), "mean error on rows left out of the fit"),
        (text.share(found.within_10_percent), "of them predicted within ±10 %"),
    ]
    if "sweeps" in errors:
        mean = text.error(errors["sweeps"].mean_absolute)
        cards.append((mean, "mean error on whole sweeps left out of the fit"))
    return cards


def _agreement(study: Study) -> str:
    if len(study.held_out):
        words = (
            "Each point is a layer. Those held out, a fifth drawn at random before the fit, were "
            "not used in it: they show how well new layers are predicted."
        )
    else:
        words = "Each point is a layer, predicted by a fit that was made without it."
    drawn = html.figure(agreement(study), "Predicted against measured cost of every layer.")
    return html.section("Predicted against measured", html.paragraph(words), drawn)


def _by_kind(study: Study) -> str:
    if not np.isfinite(study.table["unseen"]).any():
        return ""
    words = "Layers that the fit had not seen; the black bar spans the middle half of them."
    drawn = html.figure(errors_by_kind(study), "Relative error of each layer by kind of layer.")
    content = html.table(tables.by_kind(study))
    return html.section("Error by kind of layer", html.paragraph(words), drawn, content)


def _models(study: Study) -> str:
    words = "Each was fitted to the same rows."
    content = html.table(tables.models(study.fitted))
    return html.section("Beside other models", html.paragraph(words), content)


def _held_out(study: Study) -> str:
    content = tables.held_out(study, _MOST_HELD_OUT)
    shown, there = len(content.rows), len(study.held_out)
    words = f"{shown} of {there}, evenly by measured cost." if shown < there else ""
    return html.section("The layers held out", html.paragraph(words), html.table(content))


def _curves(study: Study) -> str:
    figures = curves(study)
    quantity = QUANTITIES[study.target][0]
    drawn = [
        html.figure(f, f"{title}: {quantity}, measured and predicted.")
        for title, f in figures.items()
    ]
    words = "Measured solid, predicted dashed, its 90 % interval shaded."
    if len(study.held_out):
        words += " Hollow points were held out."
    said = html.paragraph(words) if drawn else ""
    return html.section("Along each sweep", said, html.grid(drawn))


def _parameters(study: Study) -> str:
    return "\n".join(_parameters_of(study.fitted, part) for part in study.fitted.parts.values())


def _parameters_of(fitted: Fitted, part: Fitted) -> str:
    doc = (type(part.model).__doc__ or "").split("\n")[0]
    return html.section(
        f"Parameters of {tables.name_of(fitted, part)}",
        html.paragraph(doc),
        html.table(tables.parameters(part)),
    )


def _measured(study: Study) -> str:
    table = html.table(tables.facts(study.facts)) if study.facts else ""
    missing = html.table(tables.unmeasured(study))
    words = "Layers that are not fitted, and why:" if missing else ""
    return html.section("Measurement", table, html.paragraph(words), missing)


def _provenance(study: Study) -> tables.Table:
    return tables.facts(study.calibration.provenance)

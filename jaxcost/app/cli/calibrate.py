"""`jaxcost calibrate`: measure this device, fit, check on layers held out, report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.app.cli.options import Minutes, Seed, check_outputs
from jaxcost.app.cli.sweeping import announce, look, store_path, sweep_into

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from jaxcost.app.report import Study
    from jaxcost.calibrate.fitted import Fitted
    from jaxcost.device import Device
    from jaxcost.measure import Measurements, Preset

_SHOWN = 12  # held-out layers on the terminal; the report has all
_TABLE = "measurements.csv"  # what --table writes, under whatever name


def calibrate(
    preset: Annotated[
        str,
        typer.Option(
            metavar="quick|standard|full",
            help="How much to measure: 3 minutes, 15 minutes, or hours for the paper's sweeps.",
        ),
    ] = "quick",
    out: Annotated[
        Path, typer.Option(metavar="CALIBRATION.json", help="Where the calibration goes.")
    ] = Path("calibration.json"),
    report: Annotated[
        Path, typer.Option(metavar="FILE.html", help="Where the report with plots goes.")
    ] = Path("report.html"),
    table: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Write the measurements as a table, too."),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.db", help="Keep every timing in this store; with it a run can go on."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the store has.")
    ] = False,
    dtype: Annotated[
        str, typer.Option(metavar="DTYPE", help="Measure in this precision, such as bfloat16.")
    ] = "float32",
    budget: Minutes = None,
    seed: Seed = 0,
) -> None:
    """Measure layers on this device, fit a cost model, and check it on layers it has never seen.

    The device is the one that JAX uses; choose another with JAX_PLATFORMS. A fifth of the layers,
    drawn at random, is held out: the fit does not see them, and the calibration that is written is
    the one whose error on them is shown.

    \b
    Example:
      jaxcost calibrate
      jaxcost calibrate --dtype bfloat16 --out laptop-bfloat16.json
      jaxcost calibrate --preset standard --out laptop.json --report laptop.html
      jaxcost calibrate --preset full --store full.db --resume
    """
    check_outputs({"--out": out, "--report": report, "--table": table, "--store": store})
    if resume and store is None:
        raise ValueError("--resume needs --store FILE.db; give the store of the earlier run")
    from jaxcost.app.cli import show

    console = show.console()
    device, plan = _plan(preset, dtype, budget, seed)
    title = f"preset {plan.name}" + (f" in {dtype}" if dtype != "float32" else "")
    announce(console, device, title, len(plan.layers), plan.plan)
    with store_path(store, out) as path:
        measured = sweep_into(console, path, plan.layers, plan.plan, resume)
        study = _study(console, device, plan, measured, table, dtype, seed)
        study.calibration.save(out)
    _print(console, study)
    _write_report(report, study)
    show.written(console, [path for path in (out, report, table, store) if path])


def _write_report(path: Path, study: "Study") -> None:
    from jaxcost.app.report import write_report

    write_report(path, study)


def _plan(name: str, dtype: str, budget: float | None, seed: int) -> tuple["Device", "Preset"]:
    import dataclasses

    from jaxcost._support.messages import unknown
    from jaxcost.measure import PRESETS, preset
    from jaxcost.measure.designs.catalogue import check_sweep

    if name not in PRESETS:
        raise ValueError(unknown("preset", name, PRESETS))
    check_sweep(name, [dtype])
    device, platform = look()
    found = preset(name, platform)
    rules = dataclasses.replace(found.plan.rules, seed=seed)
    seconds = found.plan.budget_s if budget is None else 60 * budget
    plan = dataclasses.replace(found.plan, rules=rules, budget_s=seconds)
    layers = [dataclasses.replace(layer, dtype=dtype) for layer in found.layers]
    return device, dataclasses.replace(found, layers=layers, plan=plan)


def _study(
    console: "Console",
    device: "Device",
    plan: "Preset",
    measured: "Measurements",
    table: Path | None,
    dtype: str,
    seed: int,
) -> "Study":
    """The calibration fitted to four fifths of what was measured, with all that is shown of it."""
    from jaxcost._support.files import write_text
    from jaxcost._support.provenance import provenance
    from jaxcost.app.cli.measured import disturbances, facts, in_words, rows_to_fit
    from jaxcost.app.report import Study
    from jaxcost.calibrate import Calibration

    rows, others = rows_to_fit(measured, plan, seed=seed)
    text = rows.to_csv(index=False, float_format="%.9g", lineterminator="\n")
    if table is not None:
        write_text(table, text)
    fitted = _fit(console, device, rows, disturbances(measured, rows), seed=seed)
    held = rows["held_out"].to_numpy()
    counts = {"rows": int((~held).sum()), "held_out": int(held.sum())}
    source = provenance(_TABLE, text.encode(), **counts, preset=plan.name, dtype=dtype, seed=seed)
    return Study.of(
        Calibration(device, {"time_s": fitted}, source), "time_s", rows,
        held_out=held, unmeasured=in_words(others), facts=facts(measured, plan, len(rows)),
    )  # fmt: skip


def _fit(
    console: "Console", device: "Device", rows: "pd.DataFrame", warnings: list[str], *, seed: int
) -> "Fitted":
    """Fitted to the rows that are not held out, with its errors on those that are."""
    import dataclasses

    from jaxcost.app.cli.held_out import evaluate
    from jaxcost.app.cli.progress import working
    from jaxcost.app.report.study import in_words
    from jaxcost.calibrate.build import fit_layers

    seen, unseen = (rows[rows["held_out"] == held].reset_index(drop=True) for held in (False, True))
    with working(console, f"fitting and cross-validating on {in_words(seen)}"):
        fitted = fit_layers(seen, device, seed=seed)
        fitted = evaluate(fitted, seen, unseen, device, seed=seed)
    return dataclasses.replace(fitted, warnings=(*warnings, *fitted.warnings))


def _print(console: "Console", study: "Study") -> None:
    from jaxcost.app.cli import show
    from jaxcost.app.report import tables
    from jaxcost.app.report.text import error, share

    facts, fitted = study.facts, study.fitted
    show.line(console, f"{facts['layers']} ({facts['timings']}) after {facts['time taken']}")
    missing = tables.unmeasured(study)
    if missing.rows:
        show.title(console, "Not fitted, and why")
        show.table(console, missing)
    content = tables.held_out(study, _SHOWN)
    show.title(console, f"Held out: {len(content.rows)} of {len(study.held_out)} layers never seen")
    show.table(console, content)
    show.title(console, "Beside other models, fitted to the same rows")
    show.table(console, tables.models(fitted))
    show.title(console, f"Parameters of {fitted.name}")
    show.table(console, tables.parameters(fitted))
    show.warnings(console, fitted.warnings)
    found = fitted.errors["held_out"]
    show.title(
        console,
        f"Median error on held-out layers {error(found.median_absolute)}; "
        f"{share(found.within_10_percent)} within ±10 %, "
        f"{share(study.coverage)} inside their 90 % interval",
    )
    show.line(console, "The calibration written is the one checked here: it never saw them.", "dim")

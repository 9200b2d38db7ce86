"""`jaxcost calibrate`: measure this device, fit, check on layers held out, report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jaxcost.app.cli.count import Backward, Call, Inputs, Step
from jaxcost.app.cli.options import Minutes, Seed, StartFrom, Until, check_outputs
from jaxcost.app.cli.sweeping import announce, store_path, sweep_into
from jaxcost.app.cli.until import Rounds

if TYPE_CHECKING:
    from rich.console import Console

    from jaxcost.app.report import Study
    from jaxcost.calibrate.carry_over import Origin
    from jaxcost.device import Device
    from jaxcost.measure import LayerSpec, Measurements, Preset
    from jaxcost.trace.counts import Counts

For = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="MODULE:ATTR|FILE.csv",
        help="Measure this model's own layers, too, or those of a table.",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="DTYPE",
        help="Measure in this precision; without it that of --from, or else float32.",
    ),
]
Table = Annotated[
    Path | None, typer.Option(metavar="FILE.csv", help="Write the measurements as a table, too.")
]
_ALL = 0.995  # of a program's FLOPs: what is less is worth a line
_SHOWN = 12  # held-out layers on the terminal; the report has all


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
    table: Table = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.db", help="Keep every timing in this store; with it a run can go on."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the store has.")
    ] = False,
    dtype: Precision = None,
    start_from: StartFrom = None,
    program: For = None,
    inputs: Inputs = None,
    call: Call = False,
    backward: Backward = False,
    step: Step = None,
    until: Until = None,
    budget: Minutes = None,
    seed: Seed = 0,
) -> None:
    """Measure layers on this device, fit a cost model, and check it on layers it has never seen.

    The device is the one that JAX uses; choose another with JAX_PLATFORMS. A fifth of the layers,
    drawn at random, is held out: the fit does not see them, and the calibration that is written is
    the one whose error on them is shown. Layers of --for are measured besides, and never held out.
    With --until the preset has half of the budget; then they are measured in rounds, those first
    that the model's latency is least sure by, and their neighbours in width after them.

    \b
    Example:
      jaxcost calibrate
      jaxcost calibrate --dtype bfloat16 --out laptop-bfloat16.json
      jaxcost calibrate --preset standard --out laptop.json --report laptop.html
      jaxcost calibrate --from h100-sxm --budget 1
      jaxcost calibrate --for models:resnet --call --input f32[8,224,224,3] \\
          --step adam
      jaxcost calibrate --for models:net --input f32[8,64] --until 20% --budget 10
      jaxcost calibrate --preset full --store full.db --resume
    """
    check_outputs({"--out": out, "--report": report, "--table": table, "--store": store})
    if resume and store is None:
        raise ValueError("--resume needs --store FILE.db; give the store of the earlier run")
    from jaxcost.app.cli import show
    from jaxcost.calibrate.carry_over import Origin
    from jaxcost.calibrate.this_device import started_in
    from jaxcost.measure.run import planned_preset

    own, share, counted = _layers_of(program, inputs, call, backward, step)
    if until is not None and counted is None:
        raise ValueError("--until is of a model's latency; name it with --for MODULE:ATTR")
    other, dtype = started_in(start_from, dtype or (own[0].dtype if own else None))
    console = show.console()
    seconds = None if budget is None else 60 * budget
    device, plan = planned_preset(preset, dtype=dtype, budget_s=seconds, seed=seed, program=own)
    origin = None if other is None else Origin.of(other, device, dtype)
    _announce(console, device, plan, dtype)
    _left_out(console, program, own, share, dtype)

    def fit(measured: "Measurements", plan: "Preset") -> "Study":
        return _study(console, device, plan, measured, table, dtype, seed, origin)

    ended = ""
    with store_path(store, out) as path:
        if until is None or counted is None:
            study = fit(sweep_into(console, path, plan.layers, plan.plan, resume), plan)
        else:
            rounds = Rounds(console, path, plan, str(program), counted, until, fit)
            study, ended = rounds.run(resume=resume)
        study.calibration.save(out)
    _print(console, study)
    show.notices(console, [ended])
    _write_report(report, study)
    show.written(console, [out, report, table, store])


def _announce(console: "Console", device: "Device", plan: "Preset", dtype: str) -> None:
    title = f"preset {plan.name}" + (f" in {dtype}" if dtype != "float32" else "")
    announce(console, device, title, len(plan.layers), plan.plan)


def _left_out(
    console: "Console", program: str | None, own: "list[LayerSpec]", share: float, dtype: str
) -> None:
    """Says what of a program is not measured."""
    from jaxcost.app.cli import show

    if share < _ALL:
        show.line(console, f"{1 - share:.0%} of the FLOPs of {program} are in layers without a row")
    if others := sum(layer.dtype != dtype for layer in own):
        show.line(console, f"{others} layers of {program} are not in {dtype}, and not measured")


def _layers_of(
    program: str | None, inputs: list[str] | None, call: bool, backward: bool, step: str | None
) -> "tuple[list[LayerSpec], float, Counts | None]":
    """The layers of a program to measure, what share of its FLOPs they are, and its counts.

    Raises: ValueError: what says how to count a program, without one; one with nothing to measure.
    """
    table = program is not None and program.endswith(".csv")
    if program is None or table:
        given = {"--input": inputs, "--call": call, "--backward": backward, "--step": step}
        for option in (name for name, value in given.items() if value):
            raise ValueError(f"{option} is of a model; name it with --for MODULE:ATTR")
        return (_layers_in(program) if program else []), 1.0, None
    from jaxcost.app.cli.count import counted
    from jaxcost.trace import layers_of

    found = counted(program, inputs, call, backward, step)
    layers, share = layers_of(found)
    if not layers:
        raise ValueError(f"{program} has no layer that can be measured; calibrate without --for")
    return layers, share, found


def _layers_in(table: str) -> "list[LayerSpec]":
    from jaxcost.measure.designs import sweep_layers

    if not Path(table).is_file():
        raise ValueError(f"--for = {table!r}: no such file; give a table of layers, or a model")
    return sweep_layers(table, "", ())


def _write_report(path: Path, study: "Study") -> None:
    from jaxcost.app.report import write_report

    write_report(path, study)


def _study(
    console: "Console",
    device: "Device",
    plan: "Preset",
    measured: "Measurements",
    table: Path | None,
    dtype: str,
    seed: int,
    origin: "Origin | None",
) -> "Study":
    """The calibration fitted to four fifths of what was measured, with all that is shown of it."""
    from jaxcost._support.files import write_text
    from jaxcost.app.cli.errors import RunError
    from jaxcost.app.cli.measured import facts, in_words
    from jaxcost.app.cli.progress import working
    from jaxcost.app.report import Study
    from jaxcost.app.report.study import in_words as layers_in_words
    from jaxcost.calibrate import this_device

    try:
        rows, others = this_device.rows_to_fit(measured, plan, seed=seed)
    except this_device.TooFewLayersError as error:
        raise RunError(str(error)) from None
    if table is not None:
        write_text(table, this_device.as_text(rows))
    held = rows["held_out"].to_numpy()
    with working(console, f"fitting and cross-validating on {layers_in_words(rows[~held])}"):
        calibration = this_device.calibrated(
            device, plan, measured, rows, dtype=dtype, seed=seed, origin=origin
        )
    return Study.of(
        calibration, "time_s", rows,
        held_out=held, unmeasured=in_words(others), facts=facts(measured, plan, len(rows)),
    )  # fmt: skip


def _print(console: "Console", study: "Study") -> None:
    from jaxcost._support.text import error, share
    from jaxcost.app.cli import show
    from jaxcost.app.report import tables

    facts, fitted = study.facts, study.fitted
    show.line(console, f"{facts['layers']} ({facts['timings']}) after {facts['time taken']}")
    missing = tables.unmeasured(study)
    if missing.rows:
        show.title(console, "Not fitted, and why")
        show.table(console, missing)
    content = tables.held_out(study, _SHOWN)
    show.title(console, f"Held out: {len(content.rows)} of {len(study.held_out)} layers never seen")
    show.table(console, content)
    if fitted.baselines:
        show.title(console, "Beside other models, fitted to the same rows")
        show.table(console, tables.models(fitted))
    show.parameters(console, fitted)
    found = tables.accuracy_of(study.held_out)
    show.title(
        console,
        f"Median error on held-out layers {error(found.median_absolute)}; "
        f"{share(found.within_10_percent)} within ±10 %, "
        f"{share(study.coverage)} inside their 90 % interval",
    )
    show.line(console, "The calibration written is the one checked here: it never saw them.", "dim")

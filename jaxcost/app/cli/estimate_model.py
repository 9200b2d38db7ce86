"""`jaxcost estimate MODULE:ATTR`: what a traced model costs on a calibrated device."""

from pathlib import Path


def estimate_model(
    model: str, inputs: list[str] | None, call: bool, backward: bool, calibration: str,
    out: Path | None, own_model: str | None = None,
) -> None:  # fmt: skip
    """Prints the estimate, and writes it where asked."""
    import json

    from jaxcost._support.files import write_text
    from jaxcost.app.cli import show
    from jaxcost.app.cli.count import counted
    from jaxcost.app.cli.own_model import load
    from jaxcost.app.report import program, text
    from jaxcost.trace.estimate import estimate_counts

    loaded = load(calibration, own_model)
    found = estimate_counts(counted(model, inputs, call, backward), loaded)
    if out is not None:
        content = json.dumps(found.record(), indent=2, ensure_ascii=False, allow_nan=False)
        write_text(out, content + "\n")
    console = show.console()
    show.title(console, f"{model} on {loaded.device.kind or loaded.device.name}")
    show.table(console, program.layers(found))
    show.title(console, "In total")
    show.table(console, program.totals(found))
    if found.counts.unknown:
        from jaxcost.app.report import counts

        show.title(console, f"Unknown: {text.count(len(found.counts.unknown), 'operation')}")
        show.table(console, counts.unknown(found.counts))
    show.warnings(console, found.warnings)
    if out is not None:
        show.written(console, [out])

"""Calibrating this device: measured, fitted, and checked on layers that the fit has not seen."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcost._support.provenance import provenance
from jaxcost.calibrate import Calibration, load_calibration
from jaxcost.calibrate.build import fit_layers
from jaxcost.calibrate.carry_over import Origin
from jaxcost.calibrate.held_out import evaluate, hold_out
from jaxcost.device import Device
from jaxcost.measure.designs.presets import PROGRAM, Preset
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.process.schedule import Progress
from jaxcost.measure.results import Measurements
from jaxcost.measure.run import measure_into, planned_preset

if TYPE_CHECKING:
    import pandas as pd

TABLE = "measurements.csv"  # what was fitted, under whatever name it is written
_LEAST_LAYERS = 15  # of which a fifth is held out, and a fit needs ten
_LEAST_ACCEPTED = 5  # undisturbed blocks
_DRIFT = 0.10


class TooFewLayersError(RuntimeError):
    """Too little could be measured for a calibration; its text says what, and the way out."""


def calibrate(
    preset: str = "quick",
    *,
    store: str | Path | None = None,
    resume: bool = False,
    dtype: str | None = None,
    budget_s: float | None = None,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    start_from: str | Path | Calibration | None = None,
    program: Sequence[LayerSpec] = (),
) -> Calibration:
    """Measures layers on this device and fits a cost model to them, as `jaxcost calibrate` does.

    A fifth of the layers, drawn at random, is held out: `errors["held_out"]` of the fitted model
    are the errors on them.

    Args:
        preset: how much to measure, `quick`, `standard` or `full`.
        store: the file that keeps every timing; None: none is kept. keyword-only.
        resume: whether to go on with what the store has, keyword-only.
        dtype: precision to measure in; None: that of `start_from`, or else float32. keyword-only.
        budget_s: for measuring, in s; None: the preset's own. keyword-only.
        seed: of the order, of what is held out, and of the fit, keyword-only.
        progress: called after each visit, keyword-only.
        start_from: as of `jaxcost.fit`, keyword-only.
        program: layers to measure besides, and never to hold out, such as those that
            `jaxcost.trace.layers_of` finds in a program; keyword-only.
    Returns: a `Calibration`; `save` writes it.
    Raises: ValueError: an unknown preset or precision, no device, resume without a store;
        TooFewLayersError: fewer than 15 layers have a time.
    """
    if resume and store is None:
        raise ValueError("resume = True needs store; give that of the earlier run")
    other, dtype = started_in(start_from, dtype)
    device, planned = planned_preset(
        preset, dtype=dtype, budget_s=budget_s, seed=seed, program=program
    )
    origin = None if other is None else Origin.of(other, device, dtype)
    with contextlib.ExitStack() as kept:
        path = store or Path(kept.enter_context(tempfile.TemporaryDirectory())) / "measured.db"
        measured, _ = measure_into(
            path, planned.layers, planned.plan, resume=resume, progress=progress
        )
    rows, _ = rows_to_fit(measured, planned, seed=seed)
    return calibrated(device, planned, measured, rows, dtype=dtype, seed=seed, origin=origin)


def started_in(
    start_from: str | Path | Calibration | None, dtype: str | None
) -> tuple[Calibration | None, str]:
    """The calibration to start from, loaded, and the precision to measure in."""
    if start_from is None:
        return None, dtype or "float32"
    known = start_from if isinstance(start_from, Calibration) else load_calibration(start_from)
    found = known.models.get("time_s")
    return known, dtype or (found and found.dtype) or "float32"


def calibrated(
    device: Device,
    planned: Preset,
    measured: Measurements,
    rows: "pd.DataFrame",
    *,
    dtype: str,
    seed: int,
    origin: Origin | None = None,
) -> Calibration:
    """What was measured as a calibration; `rows` as from `rows_to_fit`, `origin` to start from."""
    seen, unseen = (rows[rows["held_out"] == held].reset_index(drop=True) for held in (False, True))
    fitted = fit_layers(seen, device, seed=seed, origin=origin)
    fitted = evaluate(fitted, seen, unseen, device, seed=seed)
    warnings = (*disturbances(measured, rows), *fitted.warnings)
    fitted = dataclasses.replace(fitted, warnings=warnings)
    counts = {"rows": len(seen), "held_out": len(unseen)}
    source = provenance(
        TABLE, as_text(rows).encode(), **counts, preset=planned.name, dtype=dtype, seed=seed
    )
    if origin is not None:
        source |= {"started_from": origin.told}
    return Calibration(device, {"time_s": fitted}, source)


def as_text(rows: "pd.DataFrame") -> str:
    """The rows as they are written to a file, and as the calibration's hash is of."""
    return rows.to_csv(index=False, float_format="%.9g", lineterminator="\n")


def rows_to_fit(
    measured: Measurements, planned: Preset, *, seed: int
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """The layers whose times are trusted, with the column `held_out`; and the other layers.

    Raises:
        TooFewLayersError: they are too few.
    """
    frame = measured.to_frame()
    good = _trusted(frame)
    rows, others = frame[good].reset_index(drop=True), frame[~good]
    if len(rows) < _LEAST_LAYERS:
        raise TooFewLayersError(
            f"only {len(rows)} of {len(frame)} layers have a time ({statuses(frame)}), and a "
            f"calibration needs {_LEAST_LAYERS}; "
            f"give more than --budget {planned.plan.budget_s / 60:.3g}"
        )
    labels = [c for c in planned.layers[0].row() if c not in ("sweep", "line")]
    held = hold_out(rows, labels, seed=seed) & (rows["sweep"] != PROGRAM).to_numpy()
    rows = rows.assign(held_out=held)
    # What was fitted comes first: a warning that names a row then means the row of this table.
    return rows.sort_values("held_out", kind="stable", ignore_index=True), others


def _trusted(frame: "pd.DataFrame") -> "pd.Series":
    """Which rows to fit: a noisy one with few undisturbed blocks can be off by a factor of two.

    Where the machine was busy throughout, they are better than none, and a warning says so.
    """
    timed = frame["time_s"].notna()
    trusted = timed & ((frame["status"] == "ok") | (frame["accepted_samples"] >= _LEAST_ACCEPTED))
    return trusted if trusted.sum() >= max(_LEAST_LAYERS, timed.sum() / 2) else timed


def disturbances(measured: Measurements, rows: "pd.DataFrame") -> list[str]:
    """What was wrong with the machine while it was measured, in plain words."""
    found = []
    noisy = int((rows["status"] == "noisy").sum())
    if noisy:
        found.append(
            f"{noisy} of {len(rows)} timings are noisy: something else ran on this machine; they "
            "were fitted all the same, measure again when it is quiet for a better calibration"
        )
    if measured.drift > _DRIFT:
        found.append(
            f"the same layer took up to {1 + measured.drift:.2f} times as long at one time as at "
            "another: the machine's speed changed while it was measured"
        )
    return found


def statuses(frame: "pd.DataFrame") -> str:
    """How many layers ended how, in words."""
    return ", ".join(f"{n} {status}" for status, n in frame["status"].value_counts().items())

"""The BUTTER-E paper: table 4 against measurements, refits, the isolines and their minima.

Source: Tripp et al. (2024), Measuring the energy consumption and efficiency of deep neural
networks. Where the paper contradicts itself, what is computed says so: see docs/papers/butter-e.md.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcost._support.files import write_text
from jaxcost.calibrate.fit import fit_model
from jaxcost.calibrate.run_build import fit_runs
from jaxcost.device import device
from jaxcost.models.working_set import WorkingSetEnergy
from jaxcost.papers.butter_e import figures, rows
from jaxcost.papers.butter_e.data import butter_e_isolines, butter_e_runs
from jaxcost.papers.butter_e.efficiency import (
    DataEfficiency,
    LeastEnergy,
    MeasuredEpochs,
    energy_to_loss,
    least_energy,
)
from jaxcost.papers.butter_e.isolines import NODES, energies, minima, panels
from jaxcost.papers.summary import Reproduction, SummaryRow, write_summary, write_tables
from jaxcost.workload.run_table import runs_from_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = [
    "DataEfficiency",
    "LeastEnergy",
    "MeasuredEpochs",
    "butter_e_isolines",
    "energies",
    "energy_to_loss",
    "least_energy",
    "panels",
    "reproduce",
]

_QUADRATIC = 10.0  # no row counts less than another: the paper's sum of squares


def reproduce(data: str | Path | None, out: str | Path, *, download: bool = False) -> Reproduction:
    """Recompute what the paper says of its energy model: `summary.json`, `minima.json`, CSV, PNG.

    Args:
        data: a folder with `butter_e_energy_per_epoch.csv` and `butter_e_isolines.csv`; None:
            only what needs no measurements.
        out: the folder to write to; made if need be.
        download: refused: what this needs is not published as a file; keyword-only.
    Raises: ValueError: the data cannot be read, or are to be downloaded.
    """
    if download and data is None:
        raise ValueError(
            "--download: the settings of the isoline figure are not published as a file; give "
            "--data, a folder with butter_e_energy_per_epoch.csv and butter_e_isolines.csv"
        )
    out, summary = Path(out), rows.overhead()
    if data is None:
        absent = rows.missing()
        summary += absent
        files = [write_summary(out / "summary.json", summary)]
        return Reproduction(summary, files, [f"{row.source}: {row.note}" for row in absent])
    runs, lines = butter_e_runs(data), butter_e_isolines(data)
    frames: dict[str, DataFrame] = {}
    drawn: dict[str, Figure] = {}
    for hardware in NODES:
        part = runs[runs["device"] == NODES[hardware]]
        if len(part):
            more, table, pictures = _energy_per_epoch(part, hardware)
            summary += more
            frames[f"predictions_{hardware}"] = table
            drawn |= pictures
    more, pictures, found = _isolines(lines, runs)
    summary, drawn = summary + more, drawn | pictures
    files = write_tables(out, frames, drawn)
    text = json.dumps([asdict(minimum) for minimum in found], indent=2, allow_nan=False)
    files.append(write_text(out / "minima.json", f"{text}\n"))
    files.append(write_summary(out / "summary.json", summary))
    return Reproduction(summary, files)


def _energy_per_epoch(
    runs: DataFrame, hardware: str
) -> tuple[list[SummaryRow], DataFrame, dict[str, Figure]]:
    """Table 4, the paper's form refitted, and our model, on the runs of one node."""
    node = NODES[hardware]
    printed = {way: _table_4(hardware, way) for way in ("batch", "whole")}
    values = {way: energies(model, runs, node) for way, model in printed.items()}
    table = rows.predicted(runs, values["batch"])
    summary = rows.errors(table, hardware, values["whole"])
    observed = runs["energy_per_epoch_j"].to_numpy()
    enough = len(runs) > 12
    if enough:
        result = fit_model(
            WorkingSetEnergy, runs_from_table(runs), device(node), observed,
            robust=_QUADRATIC, priors=False, starts=8,
        )  # fmt: skip
        summary += rows.refit(result, hardware)
        summary += rows.ours(fit_runs(runs, device(node), model="training-energy"), hardware)
    drawn = {
        f"figure_4_{hardware}": figures.ramp(table, hardware),
        f"table_4_{hardware}": figures.agreement(table, hardware),
    }
    return summary, table, drawn


def _isolines(
    lines: DataFrame, runs: DataFrame
) -> tuple[list[SummaryRow], dict[str, Figure], list]:
    drawn, summary, found = {}, [], []
    models = {hardware: _table_4(hardware) for hardware in NODES}
    of_dataset: dict[str, list] = {}
    for panel in panels(lines, runs, models):
        least = minima(panel)
        summary += rows.minima(panel, least)
        found += least
        of_dataset.setdefault(f"{panel.dataset}_{panel.shape}_{panel.depth}", []).append(panel)
    for name, both in of_dataset.items():
        drawn[f"figure_6_{name}"] = figures.isolines(both)
    return summary, drawn, found


def _table_4(hardware: str, data_set: str = "batch") -> WorkingSetEnergy:
    return WorkingSetEnergy.butter_e("gpu" if hardware == "gpu" else "cpu", data_set=data_set)

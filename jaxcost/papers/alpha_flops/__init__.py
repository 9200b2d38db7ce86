"""The α-FLOPs paper: tables 1a and 3a, and every figure whose measurements are at hand.

Source: Asperti, Evangelista, Marzolla (2021), Dissecting FLOPs along input dimensions for GreenAI
cost estimations. Where the paper contradicts itself, both readings are computed and a note says so.
"""

from __future__ import annotations

from pathlib import Path

from jaxcost.models.alpha_flops import AlphaFlops
from jaxcost.papers.alpha_flops import figures, rows, tables
from jaxcost.papers.alpha_flops.data import alpha_flops
from jaxcost.papers.summary import Reproduction, write_summary, write_tables

__all__ = ["reproduce"]


def reproduce(data: str | Path | None, out: str | Path, *, download: bool = False) -> Reproduction:
    """Recompute the paper's tables and figures into a folder: `summary.json`, CSV and PNG files.

    Args:
        data: the authors' measurements, as `jaxcost.papers.data.alpha_flops` takes them; None: only
            what needs no measurements.
        out: the folder to write to; made if need be.
        download: fetch the measurements if `data` is None; keyword-only.

    Returns:
        The rows of `summary.json`, the files written, and what is missing for lack of data.

    Raises:
        ValueError: the data cannot be read.
        ConnectionError: the download failed.
    """
    printed, implied = AlphaFlops.quadro_t2000(), tables.implied_model()
    table_1a, table_3a = tables.table_1a(printed), tables.table_3a(printed, implied)
    frames = {"table_1a": table_1a, "table_3a": table_3a}
    drawn = {
        "table_3a": figures.table_3a(table_3a),
        "alpha_curves": figures.alpha_curves(printed),
    }
    summary = [
        *rows.table_1a(table_1a),
        *rows.table_3a(table_3a),
        *rows.parameters(implied),
    ]
    measured = None
    if data is not None or download:
        measured = tables.with_predictions(alpha_flops(data, download=download), printed)
        frames |= {"predictions": measured, "errors_by_sweep": tables.errors_by_sweep(measured)}
        drawn |= figures.sweeps(measured) | figures.overview(measured)
        summary += [*rows.measured_1a(measured), *rows.figure_2(measured), *rows.errors(measured)]
    missing = rows.missing(set(drawn), with_data=measured is not None)
    summary += missing
    files = write_tables(Path(out), frames, drawn)
    files.append(write_summary(Path(out) / "summary.json", summary))
    return Reproduction(summary, files, [f"{row.source}: {row.note}" for row in missing])

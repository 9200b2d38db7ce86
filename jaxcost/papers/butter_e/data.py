"""The BUTTER-E authors' measurements, as far as their isoline figure shows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxcost.workload.cells import POSITIVE, Where, check_rows, real_numbers, whole_numbers
from jaxcost.workload.layer_table import read_text
from jaxcost.workload.run_table import read_run_table

if TYPE_CHECKING:
    import pandas as pd

RUNS, ISOLINES = "butter_e_energy_per_epoch.csv", "butter_e_isolines.csv"
_FACTS = ("dataset", "shape", "depth", "device")
_ISOLINE_COLUMNS = ("dataset", "shape", "depth", "panel", "line", "n_parameters", "value")
PANELS = ("flops", "gpu", "cpu")


def butter_e_runs(folder: str | Path) -> pd.DataFrame:
    """Joules per training epoch of networks on the Eagle nodes: a table of training runs.

    Args: folder: where `butter_e_energy_per_epoch.csv` is.
    Returns: the columns of `jaxcost.workload.run_table.read_run_table` with
        `energy_per_epoch_j`, and `dataset, shape, depth, device, n_parameters`.
    Raises: ValueError: no such file, or one that is no such table; names the line.
    """
    path = _path(folder, RUNS)
    frame = read_run_table(path, target=True)
    _check_columns(frame, (*_FACTS, "n_parameters"), path)
    return frame.astype({"depth": int, "n_parameters": int})


def butter_e_isolines(folder: str | Path) -> pd.DataFrame:
    """What reaching each of several test losses took, by size of the network.

    Args: folder: where `butter_e_isolines.csv` is.
    Returns: `dataset, shape, depth, panel` ('flops', 'gpu', 'cpu'), `line` (0 is the lowest loss),
        `n_parameters` and `value`: operations (a multiply-accumulate is one) or J.
    Raises: ValueError: no such file, or one that is no such table; names the line.
    """
    path = _path(folder, ISOLINES)
    frame, lines = read_text(path)
    _check_columns(frame, _ISOLINE_COLUMNS, path)
    where = Where(str(path), lines)
    good = frame["panel"].isin(PANELS).to_numpy()
    check_rows(frame["panel"], good, f"one of {', '.join(PANELS)}", where)
    for column in ("depth", "n_parameters"):
        frame[column] = whole_numbers(frame[column], where)
    for column in ("line", "value"):
        numbers = real_numbers(frame[column], POSITIVE, where)
        enough = np.isfinite(numbers) & (numbers >= 0 if column == "line" else numbers > 0)
        check_rows(frame[column], enough, POSITIVE, where)
        frame[column] = numbers.astype(int) if column == "line" else numbers
    return frame


def _path(folder: str | Path, name: str) -> Path:
    folder = Path(folder)
    path = folder / name if folder.is_dir() else folder.parent / name
    if not path.is_file():
        raise ValueError(f"{folder}: no {name} there; give the folder that has it")
    return path


def _check_columns(frame: pd.DataFrame, columns: tuple[str, ...], path: Path) -> None:
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ValueError(f"{path}, line 1: column {missing[0]!r} is missing; add it")

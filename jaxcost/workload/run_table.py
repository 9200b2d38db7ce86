"""The table of training runs: reading it from CSV, and the runs that its rows describe."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from jaxcost._support.problems import Problems
from jaxcost.workload import dense
from jaxcost.workload.cells import Where, check_rows, positive_numbers, whole_numbers
from jaxcost.workload.columns import AS_NAMED, Columns, as_frame, check_agrees, missing
from jaxcost.workload.layer_table import named, read_text
from jaxcost.workload.runs import TrainingRun

if TYPE_CHECKING:
    import pandas as pd

RUN_TARGET = "energy_per_epoch_j"
RUN_COUNTS = ("n_observations", "n_features", "n_labels", "batch_size")
_REQUIRED = (*RUN_COUNTS, "widths")
SAYING = {*_REQUIRED}  # whatever says what a row's run is
_DESCRIBING = ("device", "dataset", "shape", "depth")
_WIDTHS = "three or more whole numbers of at least 1, input first, separated by spaces"


def is_run_table(frame: "pd.DataFrame") -> bool:
    """Whether a table has the columns of training runs rather than those of layers."""
    names = {str(name).lower() for name in frame.columns}
    return "widths" in names and "op" not in names


def read_run_table(
    path: str | Path, *, target: bool = False, columns: Columns = AS_NAMED
) -> "pd.DataFrame":
    """A CSV table of training runs, one row a network, validated; energies in J.

    Args:
        path: a CSV file with the columns n_observations, n_features, n_labels,
            batch_size, widths (the network's own, input first, separated by spaces), and
            optionally device.
        target: whether the measured column energy_per_epoch_j must be there, keyword-only.
        columns: which are to be renamed first, keyword-only.
    Returns: the rows and columns in the file's order; counts as integers, the target as floats,
        any other column as the text that stands in the file.
    Raises: ValueError: whatever is no such table; names file, line, column and what is allowed.
    """
    frame, lines = read_text(path, columns)
    return validated(frame, target, Where(str(path), lines))


def validate_runs(
    frame: "pd.DataFrame", *, target: bool = False, source: str = "table"
) -> "pd.DataFrame":
    """A table of training runs in memory, validated as `read_run_table` does; a copy.

    Args: frame: is not changed; target: as there; source: what errors call the table.
    Raises: ValueError: as there.
    """
    frame = as_frame(frame, source)
    return validated(frame, target, Where(source, None, frame.index))


def runs_from_table(frame: "pd.DataFrame") -> TrainingRun:
    """The runs of a table, one a row in its order, networks padded to equal depth.

    Args: frame: the columns of `read_run_table`; further columns are ignored.
    Returns: a `TrainingRun`, leaves of shape `(rows, layers)` and `(rows,)`.
    Raises: ValueError: whatever `validate_runs` refuses.
    """
    frame = validate_runs(frame)
    # Widths repeat: each distinct text is read once.
    chains = {text: _chain(text) for text in frame["widths"].unique()}
    depth = max(len(chain) for chain in chains.values()) - 1
    padded = {text: _padded(chain, depth) for text, chain in chains.items()}
    widths, present = (np.stack([padded[t][i] for t in frame["widths"]]) for i in (0, 1))
    batch = np.repeat(frame["batch_size"].to_numpy(float)[:, None], depth, axis=1)
    workload = dense(
        c_in=widths[:, :-1], c_out=widths[:, 1:], batch=batch, bias=True, repeat=present
    )
    observations, features, labels = (
        jnp.asarray(frame[name].to_numpy(float)) for name in RUN_COUNTS[:3]
    )
    return TrainingRun(workload, observations, features, labels)


def networks_of(frame: "pd.DataFrame") -> list[str]:
    """A label a row, equal for rows of one data set (and shape and depth, where these are told)."""
    named = [c for c in ("dataset", "shape", "depth") if c in frame]
    columns = named if "dataset" in named else [*RUN_COUNTS[:3], *named]
    return frame[columns].astype(str).agg(" ".join, axis=1).tolist()


def _chain(text: str) -> np.ndarray:
    return np.array(text.split(), float)


def _padded(chain: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    missing = depth + 1 - len(chain)
    present = np.concatenate([np.ones(len(chain) - 1), np.zeros(missing)])
    return np.concatenate([chain, np.ones(missing)]), present


def validated(frame: "pd.DataFrame", target: bool, where: Where) -> "pd.DataFrame":
    """The same of a table whose rows are called as `where` says."""
    frame = named(frame, (*_REQUIRED, RUN_TARGET, *_DESCRIBING), where)
    needed = [*_REQUIRED, *([RUN_TARGET] if target else [])]
    for column in needed:
        if column not in frame:
            extra = [str(c) for c in frame.columns if c not in needed]
            line = f"column {column!r} is missing; {missing(column, extra)}"
            raise ValueError(f"{where.header()}: {line}")
    if not len(frame):
        raise ValueError(f"{where.source} has no rows; give at least one training run")
    frame = frame.copy()
    problems = Problems(where.source)
    for column in RUN_COUNTS:
        with problems.noted():
            frame[column] = whole_numbers(frame[column], where)
    with problems.noted():
        good = np.array([isinstance(cell, str) and _is_chain(cell) for cell in frame["widths"]])
        check_rows(frame["widths"], good, _WIDTHS, where)
    with problems.noted():
        if target:
            frame[RUN_TARGET] = positive_numbers(frame[RUN_TARGET], where)
            check_agrees(frame, RUN_TARGET, where)
    problems.raise_any()
    fits = (frame["batch_size"] <= frame["n_observations"]).to_numpy()
    check_rows(frame["batch_size"], fits, "at most n_observations", where)
    return frame


@functools.cache  # widths repeat: each distinct text is read once
def _is_chain(text: str) -> bool:
    words = text.split()
    return len(words) >= 3 and all(word.isdecimal() and 0 < int(word) < 2**31 for word in words)

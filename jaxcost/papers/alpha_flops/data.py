"""The α-FLOPs authors' layer timings on a Quadro T2000, as a table of layers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcost._support.messages import refused
from jaxcost.papers.alpha_flops.array_pickle import read_array_pickle
from jaxcost.papers.download import check_sha256, fetch
from jaxcost.workload.layer_table import read_layer_table

if TYPE_CHECKING:
    import pandas as pd

# The commit, not the branch: its content cannot change without its name changing.
URL = (
    "https://raw.githubusercontent.com/asperti/alpha_flops_dataset/"
    "a109613d20b3b6d05868c1212a9f7d54edcf3b13/data.pickle"
)
_SHAPE = ["in_h", "in_w", "c_in", "c_out", "k_h", "k_w"]
_COLUMNS = [
    *("sweep", "line", "op", "batch", *_SHAPE, "stride", "padding", "groups", "dtype", "time_s"),
]


def alpha_flops(
    source: str | Path | None = None, *, download: bool = False, sha256: str | None = None
) -> pd.DataFrame:
    """Read the authors' 721 layer timings, mean of 2,000 runs each: a table of layers, `time_s`.

    The data are not part of this package (github.com/asperti/alpha_flops_dataset, MIT licence):
    this reads a copy of yours, or downloads one when asked. No SHA-256 of the file is published;
    without `sha256` the first download is trusted, and its digest is recorded beside it, logged,
    and required of every later reading and download. The address names a commit.

    Args:
        source: the authors' `data.pickle`; or a table of layers (CSV) with the columns `sweep` and
            `line`; or a folder that holds `data.pickle` or else one `alpha_flops*.csv`. None: the
            copy downloaded before, in `$JAXCOST_CACHE` or else `~/.cache/jaxcost`.
        download: fetch the file if `source` is None and there is no copy; keyword-only.
        sha256: the digest that the file must have, 64 hexadecimal digits; keyword-only.

    Returns:
        One row a layer: the columns of a table of layers, `sweep` (the authors' name of a plot)
        and `line` (which of its lines, from 0). A dense layer applied to a batch has `batch` > 1.

    Raises:
        ValueError: no such file, a damaged one, a digest that differs; says how to get the file.
        ConnectionError: the download failed; says how to get the file by hand.

    Source: Asperti, Evangelista, Marzolla (2021), section 6; layout of the pickle as their README
        and `make_plots.py` describe it.
    """
    path = _downloaded(download, sha256) if source is None else _local(Path(source))
    check_sha256(path, sha256)
    return _from_csv(path) if path.suffix == ".csv" else from_plots(read_array_pickle(path), path)


def from_plots(content: Any, path: str | Path = "data.pickle") -> pd.DataFrame:
    """Turn the content of the authors' `data.pickle` into a table of layers, `time_s` in s.

    Args:
        content: `{"plots": [{"name": text, "lines": [rows, ...]}, ...]}`, rows of shape `(n, 7)`:
            H, W, C_in, C_out, K_1, K_2 (whole, >= 1) and milliseconds (> 0). Other keys are left.
        path: named in errors.

    Returns:
        As `alpha_flops`. A plot whose name holds "batch" has batch sizes in the place of H and W.

    Raises:
        ValueError: another layout, or values out of range; names the plot and the line.
    """
    import pandas as pd

    try:
        lines = [
            (str(plot["name"]), index, np.asarray(line, dtype=float))
            for plot in content["plots"]
            for index, line in enumerate(plot["lines"])
        ]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path}: not the authors' layout, a dict with 'plots', a list of dicts with 'name' "
            f"and 'lines' ({type(error).__name__}: {error}); fetch {URL}"
        ) from None
    if not lines:
        raise ValueError(f"{path}: holds no lines of measurements; fetch {URL}")
    return pd.concat([_layers(path, *line) for line in lines], ignore_index=True)


def _layers(path: str | Path, sweep: str, line: int, values: np.ndarray) -> pd.DataFrame:
    _check(f"{path}, plot {sweep!r}, line {line}", values)
    import pandas as pd

    frame = pd.DataFrame(values[:, :6].astype(int), columns=pd.Index(_SHAPE))
    frame = frame.assign(sweep=sweep, line=line, batch=1, time_s=values[:, 6] * 1e-3)
    frame = frame.assign(stride=1, padding="same", groups=1, dtype="float32")
    if "batch" in sweep:
        frame = frame.assign(batch=frame.in_h * frame.in_w, in_h=1, in_w=1)
    unary = (frame[["in_h", "in_w", "k_h", "k_w"]] == 1).all(axis=1)
    frame["op"] = np.where(unary, "dense", "conv2d")
    return frame[_COLUMNS]


def _check(where: str, values: np.ndarray) -> None:
    if values.ndim != 2 or values.shape[1] != 7:
        raise ValueError(f"{where}: has shape {values.shape}, expected (layers, 7); fetch {URL}")
    sizes, times = values[:, :6], values[:, 6]
    whole = np.isfinite(sizes) & (sizes >= 1) & (sizes == np.round(sizes))
    if not whole.all():
        raise ValueError(f"{where}: {refused('size', sizes[~whole][0], 'whole numbers >= 1')}")
    positive = np.isfinite(times) & (times > 0)
    if not positive.all():
        raise ValueError(f"{where}: {refused('time_ms', times[~positive][0], 'numbers > 0')}")


def _from_csv(path: Path) -> pd.DataFrame:
    frame = read_layer_table(path, target="time_s")
    missing = [column for column in ("sweep", "line") if column not in frame]
    if missing:
        raise ValueError(f"{path}: has no column {missing[0]!r}; add each row's sweep and line")
    whole = frame["line"].astype(str).str.fullmatch(r"\d+")
    if not whole.all():
        raise ValueError(
            f"{path}: {refused('line', frame['line'][~whole].iloc[0], 'a whole number')}"
        )
    return frame.assign(line=frame["line"].astype(int))


def _local(path: Path) -> Path:
    if path.is_dir():
        return _in_folder(path)
    if not path.is_file():
        raise ValueError(f"source: no file or folder {path}; {_by_hand()}")
    return path


def _in_folder(folder: Path) -> Path:
    if (pickled := folder / "data.pickle").is_file():
        return pickled
    tables = sorted(folder.glob("alpha_flops*.csv"))
    if len(tables) != 1:
        found = ", ".join(table.name for table in tables) or "neither"
        raise ValueError(
            f"source: {folder} should hold data.pickle or one alpha_flops*.csv, has {found}; "
            f"name the file; {_by_hand()}"
        )
    return tables[0]


def _downloaded(download: bool, sha256: str | None) -> Path:
    target = _cache() / "alpha_flops" / "data.pickle"
    if target.is_file():
        return target
    if not download:
        raise ValueError(f"source: no copy of the α-FLOPs data in {target}; {_by_hand()}")
    return fetch(URL, target, sha256=sha256)


def _cache() -> Path:
    return Path(os.environ.get("JAXCOST_CACHE") or Path.home() / ".cache" / "jaxcost")


def _by_hand() -> str:
    return f"pass download=True, or fetch {URL} by hand and pass its path as source"

"""Tables transcribed from papers, which travel with the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jaxcost._support.messages import unknown

if TYPE_CHECKING:
    import pandas as pd

_PACKAGE = Path(__file__).resolve().parents[1]


def published(name: str) -> pd.DataFrame:
    """Return one table of a paper, in SI units, as transcribed in `data/` (its README has sources).

    Args:
        name: the file's name without `.csv`, such as `alpha_flops_table_1a`.

    Returns:
        The table; units stand in the column names, `config` is text (the paper's label of a row).

    Raises:
        ValueError: no such table; the message lists those there are.

    Example:
        >>> published("alpha_flops_table_3a").config.tolist()
        ['1', '2', '3', '4']
    """
    import pandas as pd

    tables = {path.stem: path for path in sorted(_data_directory().glob("*.csv"))}
    if name not in tables:
        raise ValueError(unknown("published table", name, tables))
    return pd.read_csv(tables[name], dtype={"config": str})


def _data_directory() -> Path:
    """Where the tables lie: inside an installed package, or beside the package in a checkout."""
    installed = _PACKAGE / "_data"
    return installed if installed.is_dir() else _PACKAGE.parent / "data"

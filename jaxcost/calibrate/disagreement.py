"""Rows of one layer that disagree: what a table may tell apart, and the sizes of a layer do not."""

from typing import TYPE_CHECKING

import numpy as np

from jaxcost.calibrate.fit.repeats import Repeats
from jaxcost.workload.layer_table import KNOWN

if TYPE_CHECKING:
    import pandas as pd

_MUCH = 0.1  # of ln(cost): what a prediction is hoped to err by
_MOST_VALUES = 10  # of a column that sorts rows, rather than numbers them


def disagreements(frame: "pd.DataFrame", repeats: Repeats, log_observed: np.ndarray) -> list[str]:
    """A line where rows of one layer scatter by a tenth or more, naming what tells them apart.

    Args:
        frame: a row each, of which some columns may be unknown to a table of layers.
        repeats: which rows are of one layer; log_observed: ln of each row's cost, shape `(rows,)`.
    """
    scatter = repeats.scatter(log_observed)
    if scatter < _MUCH:
        return []
    again = int((repeats.times > 1).sum())
    apart = [name for name in frame.columns if _tells_apart(frame[name], repeats)]
    line = (
        f"{again} layers were measured more than once, and their rows scatter by "
        f"{np.expm1(scatter):.0%}: each is predicted as one layer"
    )
    if apart:
        names = " and ".join(f"'{name}'" for name in apart)
        line += f"; no model knows {names}, by which they differ: fit each value by itself"
    return [line]


def _tells_apart(column: "pd.Series", repeats: Repeats) -> bool:
    """Whether an unknown column has few values, and others in most rows of one layer."""
    values = column.astype(str).reset_index(drop=True)
    if column.name in KNOWN or not 1 < values.nunique() <= _MOST_VALUES:
        return False
    of_layers = values.groupby(repeats.layer).nunique()
    return bool((of_layers > 1).sum() > (repeats.times > 1).sum() / 2)

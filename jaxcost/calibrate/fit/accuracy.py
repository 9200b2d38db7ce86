"""How far predictions are from observations."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from jaxcost._support.screen import OnScreen
from jaxcost.calibrate.fit.repeats import Repeats

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, repr=False)
class Accuracy(OnScreen):
    """Relative errors (predicted / observed - 1) of a set of rows, as fractions.

    `mean_absolute` and `median_absolute` of their magnitude, `within_10_percent` the share of
    rows whose error is at most 0.1, `bias` the median of the signed error. Where rows measured
    the same layer, the means of each layer's rows are what is averaged, and `layers` counts them;
    None where every row is a layer of its own.
    """

    rows: int
    mean_absolute: float
    median_absolute: float
    within_10_percent: float
    bias: float
    layers: int | None = None

    @classmethod
    def of(
        cls, log_predicted: np.ndarray, log_observed: np.ndarray, repeats: Repeats | None = None
    ) -> "Accuracy":
        """From natural logarithms of predictions and observations, each of shape `(rows,)`."""
        error = np.expm1(np.asarray(log_predicted) - np.asarray(log_observed))
        alone = repeats or Repeats(np.arange(len(error)))
        size = alone.mean(np.abs(error))
        return cls(
            rows=len(error),
            mean_absolute=float(size.mean()),
            median_absolute=float(np.median(size)),
            within_10_percent=float(alone.mean(np.abs(error) <= 0.1).mean()),
            bias=float(np.median(alone.mean(error))),
            layers=alone.layers if alone.layers < len(error) else None,
        )

    @property
    def distinct(self) -> int:
        """How many different layers (or runs) the rows measured."""
        return self.rows if self.layers is None else self.layers

    def to_frame(self) -> "pd.DataFrame":
        """Its fields as a table of one row; errors and shares are fractions."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(self)])

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        import pandas as pd

        return [f"Accuracy: {self}"], pd.DataFrame()

    def __str__(self) -> str:
        of = f"{self.rows} rows" if self.layers is None else f"{self.layers} layers"
        among = "" if self.layers is None else f" ({self.rows} rows)"
        return (
            f"mean error {self.mean_absolute:.1%}, median {self.median_absolute:.1%}, "
            f"{self.within_10_percent:.0%} of {of}{among} within 10 %"
        )

"""How far predictions are from observations."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """Relative errors (predicted / observed - 1) of a set of rows, as fractions.

    `mean_absolute` and `median_absolute` of their magnitude, `within_10_percent` the share of
    rows whose error is at most 0.1, `bias` the median of the signed error.
    """

    rows: int
    mean_absolute: float
    median_absolute: float
    within_10_percent: float
    bias: float

    @classmethod
    def of(cls, log_predicted: np.ndarray, log_observed: np.ndarray) -> "Accuracy":
        """From natural logarithms of predictions and observations, each of shape `(rows,)`."""
        error = np.expm1(np.asarray(log_predicted) - np.asarray(log_observed))
        size = np.abs(error)
        return cls(
            rows=len(error),
            mean_absolute=float(size.mean()),
            median_absolute=float(np.median(size)),
            within_10_percent=float((size <= 0.1).mean()),
            bias=float(np.median(error)),
        )

    def __str__(self) -> str:
        return (
            f"mean error {self.mean_absolute:.1%}, median {self.median_absolute:.1%}, "
            f"{self.within_10_percent:.0%} of {self.rows} rows within 10 %"
        )

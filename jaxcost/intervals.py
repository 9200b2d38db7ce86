"""Prediction intervals that cover: conformal, wider where no layer like it was measured."""

import dataclasses
import math

import numpy as np

COVERAGE = 0.9
_WIDENINGS = (0.0, *np.geomspace(0.25, 16, 25))


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Half the 90 % interval of ln(cost): `half_width * sqrt(1 + widening**2 * novelty)`.

    Attributes:
        half_width: of a layer like those measured, in ln; > 0.
        widening: how much wider it is, at most, for a layer unlike any; >= 0.
    """

    half_width: float
    widening: float = 0.0

    def around(
        self, log_predicted: np.ndarray, novelty: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends, as costs, shape `(rows,)`; `novelty` from 0 (measured) to 1."""
        reach = self.half_width * _scale(novelty, self.widening)
        return np.exp(log_predicted - reach), np.exp(log_predicted + reach)

    def covers(self, error: np.ndarray, novelty: np.ndarray) -> float:
        """Share of rows whose |ln(observed / predicted)| = |error| lies within the interval."""
        return float((np.abs(error) <= self.half_width * _scale(novelty, self.widening)).mean())


def calibrate_intervals(
    rows: tuple[np.ndarray, np.ndarray], sweeps: tuple[np.ndarray, np.ndarray] | None = None
) -> Intervals:
    """Intervals from out-of-fold errors, so that 90 % of rows left out are covered.

    The quantile is that of rows left out singly, with the finite-sample correction of conformal
    prediction; the widening is the least that also covers 90 % of rows whose sweep was left out.

    Args:
        rows, sweeps: (ln(observed / predicted), novelty), each of shape `(rows,)`, of rows left
            out singly and by whole sweeps.
    Source: Vovk, Gammerman, Shafer (2005), Algorithmic learning in a random world; Barber,
        Candès, Ramdas, Tibshirani (2021), Predictive inference with the jackknife+ (CV+).
    """
    candidates = [Intervals(_quantile(*rows, widening), float(widening)) for widening in _WIDENINGS]
    if sweeps is None:
        return candidates[0]
    enough = [c for c in candidates if c.covers(*sweeps) >= COVERAGE]
    return enough[0] if enough else candidates[-1]


def _quantile(error: np.ndarray, novelty: np.ndarray, widening: float) -> float:
    score = np.sort(np.abs(error) / _scale(novelty, widening))
    rank = min(math.ceil(COVERAGE * (len(score) + 1)), len(score))
    return float(max(score[rank - 1], 1e-9))


def _scale(novelty: np.ndarray, widening: float) -> np.ndarray:
    return np.sqrt(1 + widening**2 * np.asarray(novelty))

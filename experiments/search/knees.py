"""Where a byte begins to take longer as a layer grows, and where it has become as slow as it gets.

    time / width² = fixed / width² + before + (after - before) ramp(width)

The ramp rises from 0 at the onset to 1 at the saturation, linearly in ln(width). What is fixed per
call, and the times before and after, are not negative.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from scipy.optimize import nnls

MOST_FACTOR = 2.0  # the saturation may lie beyond the widths measured, by as much
LEAST_RISE = 0.1  # within the widths measured, to speak of a knee
_PLACES = 33


@dataclasses.dataclass(frozen=True)
class Knee:
    """A fitted curve: widths of its knee, and times of a parameter in s on either side."""

    onset: float
    saturation: float
    fixed: float
    before: float
    after: float
    first: float
    last: float

    @property
    def middle(self) -> float:
        """The width in the middle of the ramp, in logarithms."""
        return float(np.sqrt(self.onset * self.saturation))

    @property
    def saturates(self) -> bool:
        """Whether the saturation lies within the widths measured."""
        return bool(self.saturation < self.last)

    @property
    def rise(self) -> float:
        """By how much the time of a parameter rises within the widths measured, a ratio."""
        return float((self.after / self.before - 1) * self._ramp(self.last))

    @property
    def visible(self) -> bool:
        """Whether there is a knee: a rise, with a flat part before it."""
        return bool(self.rise > LEAST_RISE and self.onset > self.first)

    def pace(self, widths: np.ndarray) -> np.ndarray:
        """Time of a parameter by the fitted curve, in s."""
        ramp = self._ramp(widths)
        return self.fixed / widths**2 + self.before + (self.after - self.before) * ramp

    def _ramp(self, width: np.ndarray | float) -> np.ndarray:
        return ramp(np.asarray(width, float), self.onset, self.saturation)


def ramp(widths: np.ndarray, onset: float, saturation: float) -> np.ndarray:
    """0 up to the onset, 1 from the saturation, linear in ln(width) between."""
    return np.clip(np.log(widths / onset) / np.log(saturation / onset), 0, 1)


def knee(widths: np.ndarray, seconds: np.ndarray) -> Knee:
    """The curve of least relative squares; onset and saturation by trying all pairs of a grid.

    Args: widths, ascending, and times of the layers in s; shape (rows,) each.
    """
    pace, first, last = seconds / widths**2, float(widths[1]), float(widths[-1])
    best, least = None, np.inf
    for onset, saturation in _pairs(first, widths[-2], MOST_FACTOR * last):
        basis = [widths**-2.0, np.ones_like(widths), ramp(widths, onset, saturation)]
        factors, misfit = nnls(np.column_stack(basis) / pace[:, None], np.ones_like(pace))
        if misfit < least and factors[1] > 0:
            fixed, before, more = map(float, factors)
            least = misfit
            best = Knee(onset, saturation, fixed, before, before + more, first, last)
    assert best is not None
    return best


def _pairs(first: float, last: float, most: float) -> Iterator[tuple[float, float]]:
    places = np.geomspace(first, most, _PLACES)
    step = places[1] / places[0]
    for onset in places[places <= last]:
        for saturation in places[places >= onset * step**1.5]:
            yield float(onset), float(saturation)

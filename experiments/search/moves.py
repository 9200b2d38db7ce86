"""Moves on whole widths, one or two at a time, until none is better: a search without gradients."""

from collections.abc import Callable, Iterator

import numpy as np
from whole_widths import Grid

_FACTORS = np.array([0.5, 0.67, 0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.25, 1.5, 2.0])
_NEAR = np.array([-4, -3, -2, -1, 1, 2, 3, 4])

Merit = Callable[[np.ndarray], np.ndarray]


def moved(grid: Grid, merit: Merit, start: np.ndarray) -> float:
    """The merit, lowest the best, that no move from `start` improves.

    Every value of one width is tried first, then pairs of widths, where that no longer helps.

    Args:
        merit: from whole widths, shape `(m, widths)`, to numbers, shape `(m,)`.
        start: real widths, shape `(widths,)`.
    """
    here = grid.places(start)
    best = float(merit(grid.axis[here[None]])[0])
    while True:
        for moves in (_single, _pairs):
            places = moves(grid, here)
            found = merit(grid.axis[places])
            if found.min() < best:
                here, best = places[int(found.argmin())], float(found.min())
                break
        else:
            return best


def _single(grid: Grid, here: np.ndarray) -> np.ndarray:
    """One width moved anywhere."""
    everywhere = np.arange(len(grid.axis))
    return np.concatenate([_with(here, {i: everywhere}) for i in range(grid.widths)])


def _pairs(grid: Grid, here: np.ndarray) -> np.ndarray:
    """Two widths moved at once: what a budget asks, one giving way to the other."""
    options = [_options(grid, place) for place in here]
    return np.concatenate(list(_pairwise(here, options)))


def _options(grid: Grid, place: int) -> np.ndarray:
    near = np.clip(place + _NEAR, 0, len(grid.axis) - 1)
    return np.unique(np.append(near, grid.places(grid.axis[place] * _FACTORS)))


def _pairwise(here: np.ndarray, options: list[np.ndarray]) -> Iterator[np.ndarray]:
    for i in range(len(here)):
        for j in range(i + 1, len(here)):
            one, other = np.meshgrid(options[i], options[j], indexing="ij")
            yield _with(here, {i: one.ravel(), j: other.ravel()})


def _with(here: np.ndarray, columns: dict[int, np.ndarray]) -> np.ndarray:
    rows = np.repeat(here[None], len(next(iter(columns.values()))), axis=0)
    for i, values in columns.items():
        rows[:, i] = values
    return rows

"""From the real widths where the descents ended to the best whole ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxcost.optimize.lattice import Lattice
from jaxcost.optimize.problem import Evaluator, broken_by, order
from jaxcost.optimize.widths.anneal import Descent
from jaxcost.optimize.widths.polish import Polished, polish
from jaxcost.optimize.widths.result import Starts

_POLISHED = 16  # ends of the descent that are polished


class Snapped(NamedTuple):
    """The best widths, `(n,)`, the smooth objective where its start had ended, and all starts."""

    widths: np.ndarray
    smooth: float
    starts: Starts


def snap(
    lattice: Lattice,
    evaluate: Evaluator,
    descent: Descent,
    tiles: Sequence[int],
) -> Snapped:
    """Rounds every end, and polishes the best few that are apart from each other."""
    snapped, value, over = _rounded(lattice, evaluate, descent.widths)
    ranked = order(value, over)
    starts = Starts(
        descent.path[0][ranked], descent.widths[ranked], descent.smooth[ranked], snapped[ranked],
        value[ranked], broken_by(over)[ranked] == 0, descent.path[:, ranked],
    )  # fmt: skip
    chosen = _apart(lattice.places(starts.snapped))[:_POLISHED]
    most, polished = evaluate.most, []
    # With few evaluations left the one that was there before may have stopped.
    visited: set[tuple[int, ...]] | None = set() if most is None else None
    for left, place in zip(range(len(chosen), 0, -1), chosen):
        if most is not None:  # half of what is left, so that the best end gets most of it
            evaluate.most = evaluate.evaluations + (most - evaluate.evaluations) // min(left, 2)
        polished.append(polish(lattice, evaluate, starts.snapped[place], tiles, visited))
    evaluate.most = most
    best = _best(polished)
    return Snapped(polished[best].widths, float(starts.smooth[chosen[best]]), starts)


def _rounded(
    lattice: Lattice, evaluate: Evaluator, widths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each end rounded to the nearest, down, and up, whichever is best; with its costs."""
    near = lattice.places(widths)
    largest = [len(axis) - 1 for axis in lattice.axes]
    at = lattice.at(near)
    down = np.clip(near - (at > widths), 0, largest)
    up = np.clip(near + (at < widths), 0, largest)
    ways = lattice.at(np.stack([near, down, up]))
    value, over = evaluate(ways.reshape(-1, widths.shape[1]))
    value, over = value.reshape(3, -1), over.reshape(3, len(widths), -1)
    best = [int(order(value[:, i], over[:, i])[0]) for i in range(len(widths))]
    rows = np.arange(len(widths))
    return ways[best, rows], value[best, rows], over[best, rows]


def _apart(places: np.ndarray) -> list[int]:
    """The first of every group of neighbours, in order."""
    chosen: list[int] = []
    for i, place in enumerate(places):
        if all(np.abs(place - places[j]).max() > 1 for j in chosen):
            chosen.append(i)
    return chosen


def _best(polished: list[Polished]) -> int:
    value = np.array([p.value for p in polished])
    return int(order(value, np.array([p.over for p in polished]))[0])

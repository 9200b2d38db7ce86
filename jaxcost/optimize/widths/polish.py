"""From the smooth optimum to whole widths: moves on the exact model, one width or two at a time."""

from collections.abc import Iterator, Sequence

import numpy as np

from jaxcost.optimize.lattice import Lattice
from jaxcost.optimize.problem import Evaluator, order

_NEAR = np.array([-4, -3, -2, -1, 1, 2, 3, 4])
_FACTORS = np.array([0.5, 0.67, 0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.25, 1.5, 2.0])
_ALONG = 48  # places along the whole of an axis, in equal steps of the logarithm
_ROUNDS = 200
# Sizes that kernels are made for: a cost that falls only at their multiples shows no slope there.
_USUAL_TILES = (8, 16, 32, 64, 128, 256)


class Polished:
    """The best widths so far, `(n,)`, their objective and ln(cost / limit), `(budgets,)`."""

    def __init__(self, lattice: Lattice, evaluate: Evaluator, places: np.ndarray) -> None:
        self._lattice, self._evaluate = lattice, evaluate
        self.places = places
        value, over = evaluate(lattice.at(places[None]))
        self.value, self.over = float(value[0]), over[0]

    @property
    def widths(self) -> np.ndarray:
        """The widths at the best places, shape `(n,)`."""
        return self._lattice.at(self.places)

    def try_all(self, places: np.ndarray) -> bool:
        """Whether one of the places, `(m, n)`, is better; the best of them is then taken."""
        places = _distinct(places, [len(axis) for axis in self._lattice.axes])
        if len(places) > self._evaluate.left:  # some of every kind
            places = np.random.default_rng(0).permutation(places)[: self._evaluate.left]
        if not len(places):
            return False
        value, over = self._evaluate(self._lattice.at(places))
        value, over = np.append(value, self.value), np.vstack([over, self.over])
        best = int(order(np.roll(value, 1), np.roll(over, 1, axis=0))[0]) - 1  # itself wins ties
        if best < 0:
            return False
        self.places, self.value, self.over = places[best], float(value[best]), over[best]
        return True


def polish(
    lattice: Lattice,
    evaluate: Evaluator,
    start: np.ndarray,
    tiles: Sequence[int] = (),
    visited: set[tuple[int, ...]] | None = None,
) -> Polished:
    """A network that no move improves: near widths and tiles, whole axes, then pairs of widths.

    Cheap moves come first; dearer ones only where these no longer help, and while evaluations
    are left.

    Args: visited: places from which others were polished, which are added to; at one of these it
        ends, as the one that was there before went on from it.
    """
    visited = set() if visited is None else visited
    best = Polished(lattice, evaluate, lattice.places(start))
    for _ in range(_ROUNDS):
        if (here := tuple(best.places.tolist())) in visited:
            return best
        visited.add(here)
        for moves in (_near, _along, _pairs):
            if best.try_all(moves(lattice, best.places, tiles)):
                break
        else:
            return best
        if not evaluate.left:
            return best
    return best


def _distinct(places: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Each row once, in order; by a number a row where there are not too many, which is faster."""
    if np.prod(sizes, dtype=float) >= 1 << 62:
        return np.unique(places, axis=0)
    numbers = np.ravel_multi_index(tuple(places.T), tuple(sizes))
    return places[np.unique(numbers, return_index=True)[1]]


def _near(lattice: Lattice, places: np.ndarray, tiles: Sequence[int]) -> np.ndarray:
    """One width moved by a few places, or to a neighbouring whole number of tiles."""
    return _moved(places, {i: _close(lattice, places, i, tiles) for i in lattice.free})


def _along(lattice: Lattice, places: np.ndarray, tiles: Sequence[int]) -> np.ndarray:
    """One width moved anywhere: coarsely over its whole axis, finer about where it is, and to
    whole numbers of tiles."""
    options = {}
    for i in lattice.free:
        axis = lattice.axes[i]
        coarse = np.geomspace(axis[0], axis[-1], _ALONG)
        fine = axis[places[i]] * np.geomspace(0.8, 1.25, _ALONG // 2)
        whole = [_whole_tiles(axis, places[i], tile) for tile in {*_USUAL_TILES, *tiles}]
        options[i] = _places(lattice, i, np.concatenate([coarse, fine, *whole]))
    return _moved(places, options)


def _whole_tiles(axis: np.ndarray, place: int, tile: int) -> np.ndarray:
    """The multiples of a tile on an axis, those nearest to a place on it."""
    middle, half = axis[place] // tile, _ALONG // 2
    first = max(-(-axis[0] // tile), middle - half)
    return tile * np.arange(first, min(axis[-1] // tile, middle + half) + 1)


def _pairs(lattice: Lattice, places: np.ndarray, tiles: Sequence[int]) -> np.ndarray:
    """Two widths moved at once: what a budget asks, one giving way to the other."""
    options = {}
    for i in lattice.free:
        factors = _places(lattice, i, lattice.axes[i][places[i]] * _FACTORS)
        options[i] = np.unique(np.append(factors, _close(lattice, places, i, tiles)))
    moved = list(_pairwise(places, options))
    return np.concatenate(moved) if moved else places[None][:0]


def _pairwise(places: np.ndarray, options: dict[int, np.ndarray]) -> Iterator[np.ndarray]:
    for i in options:
        for j in (j for j in options if j > i):
            one, other = np.meshgrid(options[i], options[j], indexing="ij")
            moved = np.repeat(places[None], one.size, axis=0)
            moved[:, i], moved[:, j] = one.ravel(), other.ravel()
            yield moved


def _moved(places: np.ndarray, options: dict[int, np.ndarray]) -> np.ndarray:
    moved = [places[None][:0]]
    for i, each in options.items():
        rows = np.repeat(places[None], len(each), axis=0)
        rows[:, i] = each
        moved.append(rows)
    return np.concatenate(moved)


def _close(lattice: Lattice, places: np.ndarray, i: int, tiles: Sequence[int]) -> np.ndarray:
    axis = lattice.axes[i]
    here = axis[places[i]]
    by_tile = [tile * (here // tile + k) for tile in tiles for k in (-1, 0, 1, 2)]
    by_tile += [tile * (here // tile + k) for tile in _USUAL_TILES for k in (0, 1)]
    near = np.clip(places[i] + _NEAR, 0, len(axis) - 1)
    return np.unique(np.append(near, _places(lattice, i, np.array(by_tile))))


def _places(lattice: Lattice, i: int, widths: np.ndarray) -> np.ndarray:
    """Indices into axis `i` at or next below each width, and itself clipped to the axis."""
    axis = lattice.axes[i]
    found = np.searchsorted(axis, np.floor(widths + 1e-9), side="right") - 1
    return np.unique(np.clip(found, 0, len(axis) - 1)).astype(int)

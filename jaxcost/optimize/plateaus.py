"""Tiles of the hardware, learned from networks that cost the same."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from jaxcost.optimize.lattice import Lattice

_SAME = 1e-6  # of logarithms of costs, in float32
_FEW = 8  # widths of an axis: with fewer there is little to learn

Costs = Callable[[np.ndarray], np.ndarray]


def whole_tiles(lattice: Lattice, tiles: Sequence[int]) -> Lattice:
    """Only widths that are whole tiles, the upper bounds, and what is fixed."""
    if not tiles:
        return lattice

    def kept(axis: np.ndarray) -> np.ndarray:
        return axis[np.any([axis % tile == 0 for tile in tiles], axis=0) | (axis == axis[-1])]

    return Lattice(tuple(kept(axis) for axis in lattice.axes))


def learned_tiles(lattice: Lattice, costs: Costs) -> tuple[int, ...]:
    """The size, if there is one, that all widths are rounded up to: one number or none.

    Networks of one width throughout lie on a plateau where, as it grows, one cost stays and the
    other does not rise. The plateau ends at a whole number of tiles: the tile is the largest
    divisor after which the next plateau is as long.

    Args: costs: the logarithms of both, of widths of shape `(n,)`; called some ten times where
        there is a tile, twice where there is none.
    """
    step, least, most = _common(lattice)
    if most - least < _FEW:
        return ()

    def flat(low: int, high: int) -> bool:
        if high > most:
            return False
        before, after = (costs(_uniform(lattice, step * i)) for i in (low, high))
        stays = (abs(after - before) < _SAME).any()
        return bool(stays and (after <= before + _SAME).all())

    begin = _prime(math.isqrt(least * most) + 1)  # no whole number of tiles that are smaller
    end = _end(begin, flat)
    if end in (begin, most):
        return ()
    divisors = (d for d in range(end, 1, -1) if end % d == 0 and end - d < begin)
    return next(((step * d,) for d in divisors if flat(end + 1, end + d)), ())


def _common(lattice: Lattice) -> tuple[int, int, int]:
    """The step that all free widths share, and the bounds that they share, in such steps."""
    axes = [lattice.axes[i] for i in lattice.free]
    if not axes or any(np.ptp(np.diff(axis)) for axis in axes):  # none, or listed one by one
        return 1, 0, 0
    step = math.lcm(*(int(axis[1] - axis[0]) for axis in axes))
    return step, -(-max(int(a[0]) for a in axes) // step), min(int(a[-1]) for a in axes) // step


def _uniform(lattice: Lattice, width: int) -> np.ndarray:
    return lattice.nearest(np.full(len(lattice.axes), width))


def _prime(number: int) -> int:
    while any(number % d == 0 for d in range(2, math.isqrt(number) + 1)):
        number += 1
    return number


def _end(begin: int, flat: Callable[[int, int], bool]) -> int:
    """The last number up to which it is flat from `begin`, by doubling and halving."""
    reach = 1
    while flat(begin, begin + reach):
        reach *= 2
    low, high = begin + reach // 2, begin + reach
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if flat(begin, middle) else (low, middle)
    return low

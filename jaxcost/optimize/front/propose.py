"""Which networks to evaluate next: a population that evolves on a model of the two costs."""

from collections.abc import Callable

import numpy as np

from jaxcost.optimize.front.dominance import chosen, undominated
from jaxcost.optimize.lattice import Lattice

_GENERATIONS, _CHILDREN = 8, 400
_SPREADS = (0.03, 0.1, 0.3)  # of a mutation, in ln(width)
_CHANGED = 1.5  # widths of a network, on average
_NEIGHBOURS = 5  # along the front, with whom widths are exchanged

Predict = Callable[[np.ndarray], np.ndarray]


def propose(
    lattice: Lattice,
    front: tuple[np.ndarray, np.ndarray],
    predict: Predict,
    known: set[bytes],
    number: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Networks that should add most to the front; widths, shape `(k, n)`, k up to `number`.

    Args: front: widths, `(m, n)`, and logarithms of costs, `(m, 2)`; predict: from widths to such
        logarithms; known: the bytes of widths that are not to be proposed.
    """
    pool, costs = front
    for _ in range(_GENERATIONS):
        seen = known | {w.tobytes() for w in pool}
        children = unseen(offspring(lattice, pool, _CHILDREN, random), seen)
        if len(children):
            pool, costs = np.vstack([pool, children]), np.vstack([costs, predict(children)])
            kept = undominated(costs)
            pool, costs = pool[kept], costs[kept]
    new = np.array([w.tobytes() not in known for w in pool], bool)
    return pool[new][chosen(front[1], costs[new], number)]


def unseen(widths: np.ndarray, known: set[bytes]) -> np.ndarray:
    """The rows that are not known, once each."""
    rows = {w.tobytes(): w for w in widths}
    kept = [row for key, row in rows.items() if key not in known]
    return np.array(kept, int).reshape(-1, widths.shape[1])


def offspring(
    lattice: Lattice, parents: np.ndarray, number: int, random: np.random.Generator
) -> np.ndarray:
    """Networks near the parents: widths exchanged along the front, others moved."""
    shape = (number, parents.shape[1])
    one = random.integers(0, len(parents), number)
    other = one + random.integers(-_NEIGHBOURS, _NEIGHBOURS + 1, number)
    other = np.clip(other, 0, len(parents) - 1)
    mixed = (random.random((number, 1)) < 0.5) & (random.random(shape) < 0.5)
    widths = np.where(mixed, parents[other], parents[one])
    places = lattice.places(widths)
    factors = np.exp(random.choice(_SPREADS, (number, 1)) * random.standard_normal(shape))
    moved = lattice.places(widths * factors)
    moved += np.where(moved == places, random.choice([-1, 1], shape), 0)
    changed = random.random(shape) < _CHANGED / max(len(lattice.free), 1)
    largest = [len(axis) - 1 for axis in lattice.axes]
    return lattice.at(np.clip(np.where(changed, moved, places), 0, largest))

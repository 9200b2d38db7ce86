"""Which pairs of costs are better than others in both, and the area that they dominate."""

import numpy as np
from jax.typing import ArrayLike


def undominated(costs: np.ndarray) -> np.ndarray:
    """Indices of the rows of `costs`, shape `(m, 2)`, that no other dominates, by the first."""
    ranked = np.lexsort((costs[:, 1], costs[:, 0]))
    second = np.where(np.isfinite(costs[ranked]).all(axis=1), costs[ranked, 1], np.inf)
    best = np.minimum.accumulate(np.append(np.inf, second))
    return np.asarray(ranked[second < best[:-1]])


def hypervolume(costs: ArrayLike, reference: ArrayLike) -> float:
    """The area that two costs dominate up to `reference`, in units of their logarithms' product.

    Args: costs: shape `(m, 2)`, > 0; reference: shape `(2,)`, > 0, the worst that counts.
    """
    logs = np.log(np.asarray(reference, float)) - np.log(np.asarray(costs, float))
    logs = logs[(logs > 0).all(axis=1)]
    area, reached = 0.0, 0.0
    for across, up in logs[np.argsort(-logs[:, 0])]:
        area += across * max(up - reached, 0)
        reached = max(reached, up)
    return float(area)


def gained(front: np.ndarray, costs: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The area up to `reference` that each row of `costs` dominates and `front` does not."""
    front = front[undominated(front)]
    left, right = np.append(-np.inf, front[:, 0]), np.append(front[:, 0], reference[0])
    height = np.append(reference[1], front[:, 1]) - costs[:, 1:]
    across = np.minimum(right, reference[0]) - np.maximum(left, costs[:, :1])
    return np.asarray((np.maximum(across, 0) * np.maximum(height, 0)).sum(axis=1))


def chosen(front: np.ndarray, costs: np.ndarray, number: int) -> list[int]:
    """Indices of up to `number` rows that together gain most, each the best after those before.

    What lies a little beyond the ends of the front gains, too.
    """
    reference = front.max(axis=0) + 0.1 * np.ptp(front, axis=0) + 0.01
    found: list[int] = []
    for _ in range(min(number, len(costs))):
        gains = gained(np.vstack([front, costs[found]]), costs, reference)
        gains[found] = -1
        found.append(int(np.argmax(gains)))
    return found

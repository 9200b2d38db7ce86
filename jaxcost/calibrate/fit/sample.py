"""Of very many layers, the some that say as much as all of what does not need each of them."""

import numpy as np

MOST_LAYERS = 4000  # that are searched from every start, and choose among models


def some_of(layers: int, seed: int = 0) -> np.ndarray:
    """Which of so many layers, drawn at random, in their order; all of up to `MOST_LAYERS`."""
    if layers <= MOST_LAYERS:
        return np.arange(layers)
    return np.sort(np.random.default_rng(seed).permutation(layers)[:MOST_LAYERS])

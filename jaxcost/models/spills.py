"""Where working sets spill from one memory level to the next, along sizes of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import numpy as np

from jaxcost.device import Device
from jaxcost.models.residency import WorkingSets, levels, place_all, working_sets
from jaxcost.workload.run_table import runs_from_table

if TYPE_CHECKING:
    import pandas as pd

    from jaxcost.workload.runs import TrainingRun

SETS = {"t": "largest layer", "f": "forward pass", "b": "backward pass", "d": "data set"}


class Spill(NamedTuple):
    """A set's step from one level to the next, between two neighbouring sizes."""

    working_set: str
    level: str
    below: float
    above: float

    @property
    def at(self) -> float:
        """The middle of the two sizes, in their logarithms."""
        return float(np.sqrt(self.below * self.above))


def spill_points(runs: pd.DataFrame, sizes: np.ndarray, node: Device) -> list[Spill]:
    """Every step outward of t, f and b, in order of size; `sizes` of the runs, ascending."""
    found = []
    for name, places in level_numbers(runs, node).items():
        for i in np.flatnonzero(np.diff(places) > 0):
            inner = node.memory[int(places[i])].name
            found.append(Spill(name, inner, float(sizes[i]), float(sizes[i + 1])))
    return sorted(found, key=lambda spill: spill.at)


def level_numbers(runs: pd.DataFrame, node: Device) -> dict[str, np.ndarray]:
    """The level, from 0, of the largest t, of f and of b, for each run, shape `(rows,)`."""

    def of(run: TrainingRun) -> tuple:
        sets = _by_columns(run)
        at = place_all(sets, levels(node))
        outermost = at.layers.share[sets.layers.argmax()].argmax()
        return outermost, at.forward.share.argmax(), at.backward.share.argmax()

    found = jax.jit(jax.vmap(of))(runs_from_table(runs))
    return dict(zip("tfb", map(np.asarray, found)))


def set_sizes(runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Bytes of the working sets of each run, over all units, each of shape `(rows,)`."""
    sets = jax.jit(jax.vmap(_by_columns))(runs_from_table(runs))
    sizes = {
        "t": sets.layers.max(-1),
        "f": sets.parameters,
        "b": 2 * sets.parameters + sets.activations,
        "d": sets.data_set,
    }
    return {name: np.asarray(size, np.float64) for name, size in sizes.items()}


def _by_columns(run: TrainingRun) -> WorkingSets:
    counted = working_sets(run.by_columns())
    return eqx.tree_at(lambda s: s.parameters, counted, working_sets(run).parameters)

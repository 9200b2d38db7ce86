"""Energy to reach a loss, along the sizes of a network: measured, and predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array

from jaxcost.device import Device, device
from jaxcost.models.base import CostModel
from jaxcost.models.working_set import Terms, WorkingSetEnergy
from jaxcost.workload.families import network_of_size
from jaxcost.workload.run_table import runs_from_table
from jaxcost.workload.runs import TrainingRun

if TYPE_CHECKING:
    import pandas as pd

_SAME = 1.02  # sizes on the figure's axis are those of a network to within its precision
NODES = {"gpu": "eagle-gpu", "cpu": "eagle-cpu"}
_OPERATIONS = 2  # the place of k_o in equation 9


@dataclass(frozen=True)
class Panel:
    """One network family on one node: its sizes, and each loss's energies along them, in J.

    Attributes:
        sizes: parameter counts, ascending, shape `(sizes,)`.
        runs: the networks of these sizes, a table of training runs.
        lines: by number: (measured, predicted), each of shape `(sizes,)`, NaN where not reached.
    """

    dataset: str
    shape: str
    depth: int
    hardware: str
    sizes: np.ndarray
    runs: pd.DataFrame
    lines: dict[int, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Minimum:
    """The size of least energy on one isoline, in parameters: measured and predicted."""

    dataset: str
    hardware: str
    line: int
    measured_parameters: int
    predicted_parameters: int

    @property
    def within_factor_2(self) -> bool:
        """Whether the two sizes differ by at most a factor of 2, to the figure's precision."""
        ratio = self.predicted_parameters / self.measured_parameters
        return 1 / (2 * _SAME) <= ratio <= 2 * _SAME


def panels(
    isolines: pd.DataFrame, runs: pd.DataFrame, models: Mapping[str, CostModel]
) -> list[Panel]:
    """Every panel of the isoline figure whose data set the table of runs tells about.

    The energy predicted on a line is that of an epoch times the measured epochs: the operations
    it took, over the operations of an epoch. Points that the figure leaves out are on straight
    lines between their neighbours, in logarithms.

    Args: isolines, runs: as from `jaxcost.papers.data`; models: by node, 'gpu' and 'cpu'.
    """
    found = []
    for key, part in isolines.groupby(["dataset", "shape", "depth"], sort=False):
        known = runs[runs["dataset"] == key[0]]
        if known.empty:
            continue
        sizes = _sizes(part["n_parameters"].to_numpy())
        networks = _networks(sizes, known, str(key[1]), int(key[2]))
        operations, an_epoch = _values(part[part["panel"] == "flops"], sizes), _operations(networks)
        epochs = {n: v / an_epoch for n, v in operations.items()}
        for hardware, model in models.items():
            measured = _values(part[part["panel"] == hardware], sizes)
            energy = energies(model, networks, NODES[hardware])
            lines = {n: (v, epochs[n] * energy) for n, v in measured.items() if n in epochs}
            found.append(Panel(key[0], key[1], key[2], hardware, sizes, networks, lines))
    return found


def energies(model: CostModel, runs: pd.DataFrame, node: str) -> np.ndarray:
    """Predicted energy of an epoch of each run, in J, shape `(rows,)`."""
    return np.asarray(_of_all(model, runs_from_table(runs), device(node)), np.float64)


@eqx.filter_jit  # compiled once for all panels of a size
def _of_all(model: CostModel, runs: TrainingRun, device: Device) -> Array:
    return jax.vmap(model, in_axes=(0, None))(runs, device)


def minima(panel: Panel) -> list[Minimum]:
    """The minima of a panel's isolines that have one in their interior, as measured."""
    found = []
    for number, (measured, predicted) in panel.lines.items():
        both = np.isfinite(measured) & np.isfinite(predicted)
        if both.sum() < 3:
            continue
        sizes = panel.sizes[both]
        least, expected = int(measured[both].argmin()), int(predicted[both].argmin())
        if 0 < least < len(sizes) - 1:
            place = (panel.dataset, panel.hardware, number)
            found.append(Minimum(*place, int(sizes[least]), int(sizes[expected])))
    return found


def _sizes(counts: np.ndarray) -> np.ndarray:
    """The distinct sizes among parameter counts that were read off a figure."""
    ordered = np.unique(counts)
    first = np.append(True, ordered[1:] / ordered[:-1] > _SAME)
    return ordered[first]


def _networks(sizes: np.ndarray, known: pd.DataFrame, shape: str, depth: int) -> pd.DataFrame:
    """The network of each size: a measured one, or one of the same shape, as a table of runs."""
    import pandas as pd

    first = known.iloc[0]
    chain = [int(width) for width in str(first["widths"]).split()]
    measured = known.drop_duplicates("n_parameters")
    counts = measured["n_parameters"].to_numpy()
    of_size = {"layers": depth, "inputs": chain[0], "outputs": chain[-1]}
    texts = []
    for size in sizes:
        near = int(np.abs(np.log(counts / size)).argmin())
        if max(counts[near] / size, size / counts[near]) <= _SAME:
            texts.append(measured["widths"].iloc[near])
        else:
            widths = network_of_size(shape, parameters=size, **of_size)
            texts.append(" ".join(map(str, widths)))
    facts = {name: first[name] for name in ("n_observations", "n_features", "n_labels")}
    return pd.DataFrame({**facts, "batch_size": first["batch_size"], "widths": texts})


def _values(part: pd.DataFrame, sizes: np.ndarray) -> dict[int, np.ndarray]:
    """Each line's values at all sizes within its range, interpolated between logarithms."""
    found = {}
    for number, line in part.groupby("line"):
        line = line.sort_values("n_parameters")
        x, y = np.log(line["n_parameters"]), np.log(line["value"])
        slack = np.log(_SAME)
        at = np.log(sizes)
        inside = (at >= x.min() - slack) & (at <= x.max() + slack)
        found[int(number)] = np.where(inside, np.exp(np.interp(at, x, y)), np.nan)
    return found


def _operations(runs: pd.DataFrame) -> np.ndarray:
    """Operations of an epoch of each run as the authors count them, shape `(rows,)`."""
    terms = _prepared(WorkingSetEnergy.butter_e("cpu"), runs_from_table(runs), device("eagle-cpu"))
    return np.asarray(terms.values[:, _OPERATIONS], np.float64)


@eqx.filter_jit
def _prepared(model: WorkingSetEnergy, runs: TrainingRun, device: Device) -> Terms:
    return jax.vmap(model.prepared, in_axes=(0, None))(runs, device)

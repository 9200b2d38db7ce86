"""Energy to reach a loss, and the size of a network that needs the least of it.

    energy to a loss = energy of an epoch(network) * epochs to the loss(parameters)

The first falls with a smaller network, the second with a larger one; where working sets leave a
cache the first begins to rise, and there the minimum tends to lie.

Source: Tripp et al. (2024), Measuring the energy consumption and efficiency of deep neural
networks, section 8 and equation 10.
"""

import dataclasses
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcost._support.messages import refused
from jaxcost.device import Device
from jaxcost.models.base import CostModel
from jaxcost.models.residency import Temperature
from jaxcost.models.spills import Spill, spill_points
from jaxcost.workload import counts
from jaxcost.workload.families import network_of_size, parameter_count
from jaxcost.workload.run_table import runs_from_table
from jaxcost.workload.runs import TrainingRun

Epochs = Callable[[Array], Array]


class DataEfficiency(eqx.Module):
    """Epochs to a loss as a function of parameters, by equation 10: (slope ln P + offset) ** -3."""

    slope: Float[Array, ""]
    offset: Float[Array, ""]

    @classmethod
    def fit(cls, parameters: ArrayLike, epochs: ArrayLike) -> "DataEfficiency":
        """The least-squares line through epochs ** (-1/3) against ln(parameters).

        Args: parameters, epochs: measured, each > 0, shape `(n,)`, at least two sizes.
        Raises: ValueError: fewer than two sizes, or values that are not above 0.
        """
        sizes, taken = _measured(parameters, epochs)
        slope, offset = np.polyfit(np.log(sizes), taken ** (-1 / 3), 1)
        return cls(jnp.asarray(float(slope)), jnp.asarray(float(offset)))

    def __call__(self, parameters: Array) -> Array:
        """Epochs; infinite below the size where equation 10 says that the loss is not reached."""
        rate = self.slope * jnp.log(parameters) + self.offset
        safe = jnp.where(rate > 0, rate, 1)
        return jnp.where(rate > 0, safe**-3, jnp.inf)


class MeasuredEpochs(eqx.Module):
    """Epochs to a loss between measured sizes: straight lines between logarithms.

    Outside the sizes measured it is infinite: nothing is known there.
    """

    log_parameters: Float[Array, " n"]
    log_epochs: Float[Array, " n"]

    @classmethod
    def of(cls, parameters: ArrayLike, epochs: ArrayLike) -> "MeasuredEpochs":
        """From measured epochs at sizes in any order, each > 0, shape `(n,)`.

        Raises: ValueError: fewer than two sizes, or values that are not above 0.
        """
        sizes, taken = _measured(parameters, epochs)
        order = np.argsort(sizes)
        return cls(jnp.asarray(np.log(sizes[order])), jnp.asarray(np.log(taken[order])))

    def __call__(self, parameters: Array) -> Array:
        """Epochs, at and between the sizes measured."""
        at = jnp.log(parameters)
        slack = 1e-5 * jnp.abs(at)
        inside = (at >= self.log_parameters[0] - slack) & (at <= self.log_parameters[-1] + slack)
        found = jnp.exp(jnp.interp(at, self.log_parameters, self.log_epochs))
        return jnp.where(inside, found, jnp.inf)


@dataclasses.dataclass(frozen=True)
class LeastEnergy:
    """The network that reaches the loss with the least energy among those tried.

    Attributes:
        widths: input first; parameters: its count; energy_j: to the loss, in J.
        binding: the working set that leaves a memory level nearest to this size, None if none of
            them leaves one within the sizes tried.
        parameters_tried, energies_j: of every network tried, each of shape `(sizes,)`.
    """

    widths: list[int]
    parameters: int
    energy_j: float
    binding: Spill | None
    parameters_tried: np.ndarray
    energies_j: np.ndarray


def energy_to_loss(
    model: CostModel, run: TrainingRun, device: Device, epochs: Epochs, **settings: Temperature
) -> Float[Array, ""]:
    """Energy to reach a loss, in J: that of an epoch times the epochs; differentiable.

    Args:
        model: of training runs; epochs: of a parameter count, such as `DataEfficiency`.
        settings: for the model, such as `temperature=`, which a search lets fall.
    """
    layers = run.workload
    parameters = jnp.sum(layers.repeat * counts.parameters(layers))
    return model(run, device, **settings) * epochs(parameters)


def least_energy(
    model: CostModel,
    device: Device,
    epochs: Epochs,
    *,
    shape: str,
    layers: int,
    inputs: int,
    outputs: int,
    n_observations: int,
    n_features: int | None = None,
    n_labels: int | None = None,
    batch_size: int = 256,
    sizes: Sequence[float] | None = None,
) -> LeastEnergy:
    """The size of least energy to a loss, for a shape, a depth and a data set.

    Args: all but the first three keyword-only.
        model, epochs: as in `energy_to_loss`.
        shape, layers, inputs, outputs: as in `jaxcost.workload.families.network_of_size`.
        n_observations, n_features, n_labels, batch_size: as in `jaxcost.training_run`.
        sizes: parameter counts to try; None: from 2**5 to 2**25, four a doubling.
    Raises: ValueError: an unknown shape, sizes out of range, a loss that no size tried reaches.
    """
    import pandas as pd

    wanted = np.geomspace(2**5, 2**25, 81) if sizes is None else np.asarray(sizes, float)
    family = {"layers": layers, "inputs": inputs, "outputs": outputs}
    chains = {tuple(network_of_size(shape, parameters=p, **family)) for p in wanted}
    tried = sorted(map(list, chains), key=parameter_count)
    table = pd.DataFrame(
        {
            "n_observations": n_observations,
            "n_features": inputs if n_features is None else n_features,
            "n_labels": outputs if n_labels is None else n_labels,
            "batch_size": batch_size,
            "widths": [" ".join(map(str, chain)) for chain in tried],
        }
    )
    found = np.asarray(_energies(model, runs_from_table(table), device, epochs), np.float64)
    counted = np.array([parameter_count(chain) for chain in tried])
    if not np.isfinite(found).any():
        raise ValueError("no size tried reaches the loss; give other sizes, or a higher loss")
    best = int(np.where(np.isfinite(found), found, np.inf).argmin())
    binding = _nearest(spill_points(table, counted, device), float(counted[best]))
    return LeastEnergy(tried[best], int(counted[best]), float(found[best]), binding, counted, found)


@eqx.filter_jit
def _energies(model: CostModel, runs: TrainingRun, device: Device, epochs: Epochs) -> Array:
    return jax.vmap(lambda run: energy_to_loss(model, run, device, epochs))(runs)


def _nearest(steps: list[Spill], parameters: float) -> Spill | None:
    return min(steps, key=lambda s: abs(np.log(s.at / parameters)), default=None)


def _measured(parameters: ArrayLike, epochs: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    sizes, taken = (np.atleast_1d(np.asarray(x, np.float64)) for x in (parameters, epochs))
    if sizes.shape != taken.shape or len(np.unique(sizes)) < 2:
        raise ValueError(f"parameters and epochs must pair two or more sizes; got {len(sizes)}")
    for name, values in (("parameters", sizes), ("epochs", taken)):
        bad = ~(np.isfinite(values) & (values > 0))
        if bad.any():
            raise ValueError(refused(name, float(values[bad][0]), "finite numbers above 0"))
    return sizes, taken

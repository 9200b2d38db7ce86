"""How far a prediction may be off where no row that was left out is like it: by what the fit itself
leaves open, and by levels of memory that no row has reached."""

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcost.calibrate.fit.space import Space
from jaxcost.calibrate.intervals import UNLIKE, Z90
from jaxcost.device import Device
from jaxcost.models.base import LayerwiseCost
from jaxcost.workload import Workload

if TYPE_CHECKING:
    from jaxcost.calibrate.fitted import Fitted

_NOTHING = 1e-30  # s or J: what is laid out anew within another layer costs nothing
# Of ln(cost), by which 90 % of what memory binds is off a factor e beyond all bytes measured: a
# level of memory further out is two to ten times as slow, and begins where nothing was measured.
_ANOTHER_LEVEL = UNLIKE / 2


def doubt(fitted: "Fitted", layers: Workload, device: Device, novelty: np.ndarray) -> np.ndarray:
    """Half the 90 % interval of ln(cost) that comes on top, shape `(layers,)`; 0 within what was
    measured. Up to sizes a factor e**2 beyond it is at most that of a kind of layer that was not
    measured at all, and from there in proportion.

    Args: novelty: of each layer, as `Correction.novelty` has it, shape `(layers,)`.
    """
    share = np.clip(novelty - fitted.intervals.usual, 0, 1)
    if not share.any():
        return share
    beyond = np.maximum(novelty - 1, 0)
    level = _ANOTHER_LEVEL * beyond * (fitted.sort == "memory-bound")
    left_open = Z90 * share * _left_open(fitted, layers, device)
    return np.minimum(np.hypot(left_open, level), UNLIKE * np.maximum(beyond / 2, 1))


def _left_open(fitted: "Fitted", layers: Workload, device: Device) -> np.ndarray:
    """Standard deviation of ln(cost) by the covariance of the parameters, shape `(layers,)`.

    Along each of the covariance's axes the parameters are moved by one standard deviation either
    way: where a cost has a floor or a maximum, its slope says little.
    """
    model = fitted.model
    if not isinstance(model, LayerwiseCost) or not len(fitted.covariance):
        return np.zeros(len(layers))
    space = Space.of(model)
    middle = space.vector({p.name: float(getattr(model, p.name)) for p in space.parameters})
    variance, axes = np.linalg.eigh(fitted.covariance)
    names = [p.name for p in space.parameters]  # a calibration of an earlier version had fewer
    steps = np.zeros((len(names), len(variance)))
    steps[[names.index(e.name) for e in fitted.estimates]] = axes * np.sqrt(np.maximum(variance, 0))

    moved = [space.values(middle + way * step) for way in (1, -1) for step in steps.T]
    leaves = [jnp.asarray([each[name] for each in moved], float) for name in names]
    costs = np.asarray(_costs_of_each(model, leaves, layers, device), np.float64)
    up, down = np.split(np.log(np.maximum(costs, _NOTHING)), 2)
    return np.sqrt(np.sum(np.square(np.nan_to_num((up - down) / 2)), axis=0))


@eqx.filter_jit
def _costs_of_each(
    model: LayerwiseCost, leaves: list[Array], layers: Workload, device: Device
) -> Float[Array, "points layers"]:
    """The costs of the layers by the model with other parameters, of shape `(points,)` each."""
    structure = jax.tree.structure(model)

    def of(one: list[Array]) -> Array:
        moved: LayerwiseCost = jax.tree.unflatten(structure, one)
        return moved.layer_costs(layers, device)

    return jax.lax.map(of, leaves)

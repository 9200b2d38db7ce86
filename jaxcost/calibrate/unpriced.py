"""Layers that a calibration's model has no price for: it gives them a cost of 0."""

import jax
import numpy as np

from jaxcost._support.sizes import is_traced
from jaxcost.calibrate.fitted import Fitted
from jaxcost.device import Device
from jaxcost.models.base import LayerwiseCost
from jaxcost.workload import Workload, counts


def unpriced(fitted: Fitted, layers: Workload, device: Device) -> list[str]:
    """A line where layers that compute or move something cost nothing.

    Operations within a program cost nothing, too, where fusion leaves none of their bytes: of
    those only the ones left are looked at. Sizes that JAX is tracing are not known and pass.
    """
    if not isinstance(fitted.model, LayerwiseCost) or is_traced(*jax.tree.leaves(layers)):
        return []
    with jax.ensure_compile_time_eval():
        macs, work = counts.macs(layers), counts.flops(layers) + counts.bytes_moved(layers)
        left = layers.left_on_cpu if device.platform == "cpu" else layers.left
        works = (layers.repeat > 0) & (work > 0) & ((layers.within == 0) | (left > 0))
        if not (works & (macs == 0)).any():  # products have a price in every model
            return []
        free = np.asarray(works & (fitted.layer_costs(layers, device) == 0))
    if not free.any():
        return []
    line = (
        f"{int(free.sum())} of {int(works.sum())} layers are left out: {fitted.name} gives them a "
        f"cost of 0 {fitted.model.unit}, having no price for such work; use a calibration whose "
        "model knows bytes, such as alpha-roofline"
    )
    return [line]

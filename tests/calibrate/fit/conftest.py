"""Small models whose fits have answers in closed form, and layers to fit them to."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost._support.sizes import Scalar
from jaxcost.device import Device, device
from jaxcost.models.base import LayerwiseCost, parameter
from jaxcost.workload import Workload, counts, dense


class Power(LayerwiseCost):
    """ln cost = ln scale + exponent * ln(flops / 1e6): a straight line."""

    unit = "s"
    scale: Scalar = parameter(0, jnp.inf, unit="s", doc="time of a megaflop")
    exponent: Scalar = parameter(-jnp.inf, jnp.inf, unit="1", doc="of FLOPs", start=1.0)

    def layer_cost(self, layer, device):
        return self.scale * (counts.flops(layer) / 1e6) ** self.exponent


class Floored(LayerwiseCost):
    """cost = floor + flops / rate, and a share that has no effect below a batch of two."""

    unit = "s"
    floor: Scalar = parameter(0, jnp.inf, unit="s", doc="time of the smallest layer")
    rate: Scalar = parameter(0, jnp.inf, unit="FLOP/s", doc="arithmetic rate")
    share: Scalar = parameter(0, 1, unit="1", doc="what a larger batch saves")
    believed: Scalar = parameter(0, jnp.inf, unit="1", doc="of biases", start=2.0, spread=0.5)

    def layer_cost(self, layer, device):
        saved = 1 - self.share * (1 - 1 / layer.batch)
        return self.floor + counts.flops(layer) * saved / self.rate * self.believed**layer.bias


class Kinked(LayerwiseCost):
    """cost = max(flops / rate, floor)."""

    unit = "s"
    rate: Scalar = parameter(0, jnp.inf, unit="FLOP/s", doc="rate of large layers")
    floor: Scalar = parameter(0, jnp.inf, unit="s", doc="time of small layers")

    def layer_cost(self, layer, device):
        return jnp.maximum(counts.flops(layer) / self.rate, self.floor)


@pytest.fixture(scope="session")
def t2000() -> Device:
    return device("quadro-t2000")


@pytest.fixture(scope="session")
def power() -> type[LayerwiseCost]:
    return Power


@pytest.fixture(scope="session")
def floored() -> type[LayerwiseCost]:
    return Floored


@pytest.fixture(scope="session")
def kinked() -> type[LayerwiseCost]:
    return Kinked


@pytest.fixture(scope="session")
def layers() -> Workload:
    """Sixty dense layers over five decades of FLOPs."""
    sizes = np.random.default_rng(5).integers(16, 1500, (3, 60)).astype(float)
    return dense(c_in=sizes[0], c_out=sizes[1], batch=np.ceil(sizes[2] / 30))

"""The training-energy model to use: few parameters, ratios that carry over, partial residency."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcost._support.sizes import Scalar
from jaxcost.device import Device
from jaxcost.models.base import CostModel, parameter
from jaxcost.models.residency import (
    Placed,
    Temperature,
    check_fits,
    check_temperature,
    levels,
    place_all,
    working_sets,
)
from jaxcost.workload import Workload
from jaxcost.workload.runs import TrainingRun

_INF = jnp.inf


class Uses(eqx.Module):
    """What the parameters act on, in an epoch or a pass; none of it depends on them.

    Passes, layers in passes, accesses times the levels they go outward, and bytes of parameters
    and of what passes between layers: all, and those that lie beyond the last cache.
    """

    passes: Float[Array, "..."]
    layers: Float[Array, "..."]
    steps_outward: Float[Array, "..."]
    parameter_bytes: Float[Array, "..."]
    parameter_bytes_beyond: Float[Array, "..."]
    layer_bytes: Float[Array, "..."]
    layer_bytes_beyond: Float[Array, "..."]


class TrainingEnergy(CostModel):
    """Energy of training or using a network, in joules, from six parameters.

        E = pass_energy (passes + layer_ratio layers + access_ratio steps)
            + byte_energy ((1 + beyond_ratio B_f) F + activation_ratio (1 + beyond_ratio B_t) T)

    where `layers` counts each layer in each pass; `steps` adds up, over all accesses to working
    sets, how many levels out from the innermost each set lies; F and T are the bytes of parameters
    and of what passes between layers, over all passes, and B_f, B_t the shares of them that lie
    beyond the last cache. Sets lie where the paper's rules put them, but partly in two levels
    about a boundary: caches keep what they can hold of a set that spills.

    Against the paper's twelve parameters: one energy for each level outward instead of four
    unrelated ones; bytes moved are charged in cache, too; operations are not, since at a fixed
    batch they are in proportion to the parameters (give `byte_energy` another batch, refit).
    Ratios are believed to be near a typical value before the data speak.

    Called with a `TrainingRun` it gives the energy of an epoch, and with a `Workload` that of one
    forward pass over its batch.

    Args: each a scalar, >= 0; units below.
        temperature: width of the boundaries, in ln of a set's size, static, >= 0; 0 is exact.
    Raises: ValueError: a parameter below 0, a device without levels, a set larger than the last.
    Valid for: dense networks trained by Adam in float32, at about the batch size fitted.
    Source: ours, from Tripp et al. (2024), sections 6 and 7; chosen by leaving out networks and
        ranges of sizes.
    """

    unit: ClassVar[str] = "J"

    pass_energy: Scalar = parameter(0, _INF, unit="J/pass", doc="overhead of a pass")
    layer_ratio: Scalar = parameter(
        0, _INF, unit="1", doc="overhead of a layer, relative to a pass", start=0.02, spread=0.7
    )
    access_ratio: Scalar = parameter(
        0,
        _INF,
        unit="1",
        doc="access to a set one level further out, relative to a pass",
        start=0.03,
        spread=2.0,
    )
    byte_energy: Scalar = parameter(0, _INF, unit="J/B", doc="a byte of parameters in a pass")
    activation_ratio: Scalar = parameter(
        0, _INF, unit="1", doc="a byte between layers, relative to that", start=0.1, spread=1.0
    )
    beyond_ratio: Scalar = parameter(
        0, _INF, unit="1", doc="what bytes cost more beyond the last cache", start=0.3, spread=1.0
    )
    temperature: float = eqx.field(static=True, default=1.0, kw_only=True)

    def __check_init__(self) -> None:
        check_temperature(self.temperature)

    def __call__(
        self,
        workload: "Workload | TrainingRun | Uses",
        device: Device,
        temperature: Temperature | None = None,
    ) -> Array:
        """Energy of an epoch of a run, or of a forward pass of a workload; scalar, J.

        `temperature` overrides the model's own and may be traced: a search lets it fall.
        """
        uses = self.prepared(workload, device, temperature)
        overhead = uses.passes + self.layer_ratio * uses.layers
        overhead = overhead + self.access_ratio * uses.steps_outward
        parameters = uses.parameter_bytes + self.beyond_ratio * uses.parameter_bytes_beyond
        between = uses.layer_bytes + self.beyond_ratio * uses.layer_bytes_beyond
        moved = parameters + self.activation_ratio * between
        return self.pass_energy * overhead + self.byte_energy * moved

    def prepared(
        self,
        workload: "Workload | TrainingRun | Uses",
        device: Device,
        temperature: Temperature | None = None,
    ) -> Uses:
        """What no parameter changes, computed once before a fit."""
        if isinstance(workload, Uses):
            return workload
        width = self.temperature if temperature is None else temperature
        if isinstance(workload, Workload):
            once = TrainingRun.of_batch(workload)
            return self._uses(once, device, (jnp.zeros(()), jnp.ones(())), width)
        batches = (workload.train_batches, workload.test_batches)
        return self._uses(workload, device, batches, width)

    def _uses(
        self,
        run: TrainingRun,
        device: Device,
        batches: tuple[Array, Array],
        temperature: Temperature,
    ) -> Uses:
        memory, sets = levels(device), working_sets(run)
        check_fits(sets, memory, device.name)
        at = place_all(sets, memory, temperature)
        train, test = batches
        every, forward, repeat = 2 * train + test, train + test, run.workload.repeat
        steps = every * jnp.sum(repeat * _steps(at.layers)) + forward * _steps(at.forward)
        steps = steps + train * _steps(at.backward) + forward * _steps(at.data_set)
        between = repeat * sets.layers
        return Uses(
            passes=every,
            layers=every * jnp.sum(repeat),
            steps_outward=steps,
            parameter_bytes=every * sets.parameters,
            parameter_bytes_beyond=every * sets.parameters * _beyond(at.backward),
            layer_bytes=every * jnp.sum(between),
            layer_bytes_beyond=every * jnp.sum(between * _beyond(at.layers)),
        )


def _steps(placed: Placed) -> Float[Array, "..."]:
    """How many levels outward the set lies."""
    number = placed.share.shape[-1]
    return placed.share @ jnp.arange(number, dtype=placed.share.dtype)


def _beyond(placed: Placed) -> Float[Array, "..."]:
    """The share of the set in the last level, which is no cache."""
    return placed.share[..., -1]

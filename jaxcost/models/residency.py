"""Working sets of training, in bytes, and the memory levels they come to lie in.

Four kinds of data are used again and again while a network is trained, and the level of memory
that holds them all decides what using them costs:

    t_l   what passes into and out of layer l, over the whole batch     spread over the units
    f     the parameters (forward pass)                                 a copy on every unit
    b     parameters and gradients; activations of all layers but the
          largest t_l (backward pass)                                   copies; spread
    d     the data set                                                  spread

A set of `replicated` and `spread` bytes occupies `replicated + spread / units` of each unit of a
level. It goes to the first level whose capacity, added up from the innermost outward, holds what
was placed before plus the set: each t_l alone, f and b on the largest t_l, d on b.

Source: Tripp et al. (2024), Measuring the energy consumption and efficiency of deep neural
networks, section 6 and algorithm 1; sizes and capacities as in the authors' notebooks. For
convolutions the sets are counted likewise from the layers' inputs, outputs and weights, which the
paper only speculates on and no measurement here has checked.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcost._support.sizes import is_traced
from jaxcost._support.sizes import temperature as checked
from jaxcost.device import Device
from jaxcost.workload import counts
from jaxcost.workload.runs import TrainingRun

MOST_LEVELS = 4
Temperature = float | Float[Array, ""]


class WorkingSets(eqx.Module):
    """Bytes of the working sets of one network; `layers` of shape `(layers,)`, the rest `()`.

    `layers` is 0 in rows of padding. `batch` is the part of the data set that one pass reads.
    """

    layers: Float[Array, " layers"]
    parameters: Float[Array, ""]
    activations: Float[Array, ""]
    data_set: Float[Array, ""]
    batch: Float[Array, ""]


class Levels(eqx.Module):
    """A device's memory: `capacity` of a unit, added up outward, and `units`, shape `(levels,)`."""

    capacity: Float[Array, " levels"]
    units: Float[Array, " levels"]


class Placed(eqx.Module):
    """Where a set lies: the share of it on each level, and the bytes it would occupy there.

    `share` sums to 1 and is a single 1 at temperature 0. `occupied`, a scalar, is what a unit
    then holds of this set and those placed before it.
    """

    share: Float[Array, " levels"]
    bytes: Float[Array, " levels"]
    occupied: Float[Array, ""]


class Placement(eqx.Module):
    """Where each working set lies; the leaves of `layers` have shape `(layers, levels)`."""

    layers: Placed
    forward: Placed
    backward: Placed
    data_set: Placed
    batch_bytes: Float[Array, " levels"]


@eqx.filter_jit
def working_sets(run: TrainingRun) -> WorkingSets:
    """The sizes of a run's working sets, in bytes.

    Args: run: of one network, its leaves of shape `(layers,)` and `()`.
    """
    layers = run.workload
    item, present = layers.item_bytes[0], layers.repeat > 0
    between = counts.input_bytes(layers) + counts.output_bytes(layers)
    of_one = run.n_features + run.n_labels
    return WorkingSets(
        layers=jnp.where(present, between, 0),
        parameters=jnp.sum(layers.repeat * counts.weight_bytes(layers)),
        activations=counts.input_bytes(layers)[0]
        + jnp.sum(layers.repeat * counts.output_bytes(layers)),
        data_set=item * run.n_observations * of_one,
        batch=item * layers.batch[0] * of_one,
    )


def levels(device: Device) -> Levels:
    """The memory of a device as the placement needs it; bytes.

    Raises: ValueError: fewer than two levels or more than four, or a level that is no larger than
        the one within it.
    """
    memory = device.memory
    if not 2 <= len(memory) <= MOST_LEVELS:
        raise ValueError(
            f"device {device.name} has {len(memory)} known memory levels; give one with 2 to "
            f"{MOST_LEVELS}, from the innermost cache to main memory, such as eagle-cpu"
        )
    each = jnp.stack([jnp.asarray(level.bytes_per_unit) for level in memory])
    units = jnp.stack([jnp.asarray(level.units) for level in memory])
    _check_order(device, each)
    return Levels(jnp.cumsum(each), units)


def place_all(sets: WorkingSets, memory: Levels, temperature: Temperature = 0.0) -> Placement:
    """Where every set lies, in the order of how often it is used.

    Args:
        sets: as from `working_sets`.
        memory: as from `levels`.
        temperature: 0 is exact; above it a set passes from a level to the next over about a
            factor exp(temperature) in its size, so that sizes have gradients.
    """
    return placed(sets, memory, known_or_array(temperature))


def known_or_array(temperature: Temperature) -> Temperature:
    """A temperature that is checked: 0.0 where it is known to be, otherwise an array."""
    width = checked(temperature)
    return 0.0 if not is_traced(width) and width == 0 else jnp.asarray(width, float)


@eqx.filter_jit
def placed(sets: WorkingSets, memory: Levels, temperature: Temperature) -> Placement:
    """`place_all` at a temperature of `known_or_array`; one program compiles faster than each of
    its operations by itself."""
    nothing = jnp.zeros(())
    layers = jax.vmap(lambda size: place(memory, nothing, size, nothing, temperature))(sets.layers)
    # By its place: where XLA computes sizes twice, the gradient of `max` looks for an equal one and
    # may find none.
    largest = sets.layers[jnp.argmax(sets.layers)]
    below = place(memory, nothing, largest, nothing, temperature).occupied
    rest = jnp.maximum(sets.activations - largest, 0)
    backward = place(memory, 2 * sets.parameters, rest, below, temperature)
    return Placement(
        layers=layers,
        forward=place(memory, sets.parameters, nothing, below, temperature),
        backward=backward,
        data_set=place(memory, nothing, sets.data_set, backward.occupied, temperature),
        batch_bytes=sets.batch / memory.units,
    )


def place(
    memory: Levels,
    replicated: Float[Array, ""],
    spread: Float[Array, ""],
    before: Float[Array, ""],
    temperature: Temperature,
) -> Placed:
    """Where a set of `replicated` and `spread` bytes lies on top of `before` bytes a unit."""
    size = replicated + spread / memory.units
    spills = _spills((before + size) / memory.capacity, temperature)
    reached = jnp.concatenate([jnp.ones(1), jnp.cumprod(spills[:-1])])
    shares = reached * jnp.append(1 - spills[:-1], 1)
    return Placed(shares, size, before + jnp.sum(shares * size))


def check_fits(sets: WorkingSets, memory: Levels, name: str) -> None:
    """ValueError for a working set, of any of several networks, larger than the last level.

    Values that JAX is tracing pass unchecked.
    """
    if is_traced(sets.parameters, sets.data_set, sets.layers, memory.capacity):
        return
    units = float(memory.units[-1])
    sizes = {
        "t (between layers)": np.max(sets.layers) / units,
        "b (backward pass)": np.max(2 * sets.parameters + sets.activations / units),
        "d (data set)": np.max(sets.data_set) / units,
    }
    room = float(memory.capacity[-1])
    for label, size in sizes.items():
        if size > room:
            raise ValueError(
                f"working set {label} needs {size:.4g} bytes of a unit of the last memory level, "
                f"but {name} has {room:.4g}; give a smaller network, batch or data set"
            )


def check_temperature(temperature: float) -> None:
    """ValueError for a temperature that is not a finite number of at least 0."""
    checked(temperature)


def _spills(fullness: Array, temperature: Temperature) -> Array:
    """How far a level that is so full (1: exactly full) gives up the set: 0 not, 1 wholly."""
    hard = jnp.where(fullness > 1, 1.0, 0.0)
    if not is_traced(temperature) and temperature == 0:
        return hard
    tiny = jnp.finfo(fullness.dtype).tiny
    above = jnp.where(temperature > 0, temperature, 1.0)
    soft = jax.nn.sigmoid(jnp.log(jnp.maximum(fullness, tiny)) / above)
    return jnp.where(temperature > 0, soft, hard)


def _check_order(device: Device, each: Array) -> None:
    if is_traced(each):
        return
    for (inner, outer), (less, more) in zip(
        zip(device.memory, device.memory[1:]), zip(np.asarray(each), np.asarray(each)[1:])
    ):
        if less >= more:
            raise ValueError(
                f"memory level {outer.name or 'outer'} of {device.name} has {more:g} bytes a unit, "
                f"no more than {inner.name or 'inner'} within it ({less:g}); "
                "give levels from the innermost outward"
            )

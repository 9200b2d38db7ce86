"""What is looked up of a device: `Device` and `MemoryLevel`; presets; detecting this machine."""

import re
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcost._support.messages import refused, unknown
from jaxcost._support.sizes import Scalar, positive
from jaxcost.device.detect import accelerator_facts, cpu_facts

KIB = 1024
MIB = 1024**2
GIB = 1024**3


def _number(name: str, **default: Any) -> Any:
    unknown_allowed = "default" in default

    def convert(value: Any) -> Array | None:
        if value is None and unknown_allowed:
            return None
        return positive(name, value)

    return eqx.field(converter=convert, **default)


class MemoryLevel(eqx.Module):
    """One level of memory: `units` memories of `bytes_per_unit` bytes each, both > 0."""

    bytes_per_unit: Scalar = _number("bytes_per_unit")
    units: Scalar = _number("units")
    name: str = eqx.field(static=True, default="")

    @property
    def capacity(self) -> Float[Array, ""]:
        """Bytes of all units together."""
        return jnp.asarray(self.bytes_per_unit * self.units)


def _levels(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


class Device(eqx.Module):
    """A device as its data sheet or the operating system describes it; None is unknown.

    Args:
        name: what it is called, as in `presets()`.
        memory: levels from the innermost cache outward to main memory; empty if unknown.
        peak_flops: FLOP/s in float32, > 0.
        bandwidth: of the outermost level, B/s, > 0.
        idle_power, design_power: W, > 0.
        launch_year: with the day as a fraction of the year, > 0.
        compute_units: CPU cores, or a GPU's multiprocessors, > 0.
        platform, kind: as JAX names them, such as 'gpu' and 'Quadro T2000'; for a CPU, JAX knows
            no kind, and the processor's own name stands there.

    Raises: ValueError: a number that is not finite and greater than 0; no name; memory that is
        no sequence of levels.
    """

    name: str = eqx.field(static=True)
    memory: tuple[MemoryLevel, ...] = eqx.field(converter=_levels, default=())
    compute_units: Scalar | None = _number("compute_units", default=None)
    peak_flops: Scalar | None = _number("peak_flops", default=None)
    bandwidth: Scalar | None = _number("bandwidth", default=None)
    idle_power: Scalar | None = _number("idle_power", default=None)
    design_power: Scalar | None = _number("design_power", default=None)
    launch_year: Scalar | None = _number("launch_year", default=None)
    platform: str | None = eqx.field(static=True, default=None)
    kind: str | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name):
            raise ValueError(refused("name", self.name, "what the device is called"))
        if not all(isinstance(level, MemoryLevel) for level in self.memory):
            raise ValueError(refused("memory", self.memory, "a tuple of MemoryLevel"))


_PRESETS: dict[str, dict[str, Any]] = {
    # TechPowerUp GPU database, "Quadro T2000 Mobile" (TU117): 16 multiprocessors, 1024 cores,
    # boost 1.785 GHz (x 1024 x 2 = 3.656 TFLOP/s), 128.1 GB/s, 60 W, 27 May 2019.
    "quadro-t2000": {
        "memory": [("L1", 64 * KIB, 16), ("L2", 1 * MIB, 1), ("VRAM", 4 * GIB, 1)],
        "peak_flops": 3.656e12,
        "bandwidth": 128.1e9,
        "design_power": 60,
        "launch_year": 2019.4,
        "compute_units": 16,
        "platform": "gpu",
        "kind": "Quadro T2000",
    },
    # Tripp et al. (2024), tables 1 and 2: two Xeon Gold 6154; the idle power is the whole node's.
    "eagle-cpu": {
        "memory": [
            ("L1", 32 * KIB, 36),
            ("L2", 1 * MIB, 36),
            ("L3", 24.75 * MIB, 2),
            ("RAM", 96 * GIB, 1),
        ],
        "bandwidth": 2 * 128 * GIB,
        "idle_power": 220,
        "design_power": 2 * 200,
        "compute_units": 36,
        "platform": "cpu",
        "kind": "Intel Xeon Gold 6154",
    },
    # The same tables: two V100 PCIe. L1 is 112 KiB in the authors' program, at most 96 in table 2.
    "eagle-gpu": {
        "memory": [("L1", 112 * KIB, 168), ("L2", 6 * MIB, 2), ("VRAM", 16 * GIB, 2)],
        "bandwidth": 2 * 897 * GIB,
        "idle_power": 374,
        "design_power": 2 * 250,
        "compute_units": 168,
        "platform": "gpu",
        "kind": "Tesla V100-PCIE-16GB",
    },
}


def presets() -> dict[str, Device]:
    """The devices known by name, as `{name: Device}`."""
    return {name: device(name) for name in _PRESETS}


def device(name: str) -> Device:
    """The preset called `name`.

    Raises: ValueError: an unknown name; the message gives the nearest and lists all.
    Example:
        >>> device("quadro-t2000").memory[-1].name
        'VRAM'
    """
    if name not in _PRESETS:
        raise ValueError(unknown("device", name, _PRESETS))
    facts = dict(_PRESETS[name])
    levels = tuple(MemoryLevel(size, units, label) for label, size, units in facts.pop("memory"))
    return Device(name, levels, **facts)


def detect_device(jax_device: jax.Device | None = None, *, root: Path = Path("/")) -> Device:
    """This machine's device, as JAX, the system and the driver describe it; the rest is None.

    Args:
        jax_device: the device to describe; None is the one JAX uses by default.
        root: where `sys` and `proc` are, keyword-only; another one for tests.
    Returns: for a CPU its caches, main memory, cores and power limit as Linux tells them;
        otherwise its memory, and from NVIDIA's driver also its peak, bandwidth and power limit.
    """
    jax_device = jax_device or jax.devices()[0]
    is_cpu = jax_device.platform == "cpu"
    facts = cpu_facts(root) if is_cpu else accelerator_facts(jax_device)
    levels = tuple(MemoryLevel(size, units, label) for label, size, units in facts.pop("memory"))
    spoken = facts["kind"] or jax_device.platform
    name = re.sub(r"[^a-z0-9]+", "-", spoken.lower()).strip("-")
    return Device(name, levels, platform=jax_device.platform, **facts)

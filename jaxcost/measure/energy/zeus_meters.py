"""The counters that zeus reads: GPUs of AMD, Apple's and Jetson's chips, its daemon.

Each function finds a source of readings in J, or raises an error whose message says why not.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxcost.device.nvml import same_device

Source = Callable[[], Sequence[float]]
Found = tuple[str, Source]  # what is read, and the source of its readings

_DAEMON = ("ZEUSD_SOCK_PATH", "ZEUSD_HOST_PORT")  # by which zeus finds its daemon
_SOC_FIELDS = {
    "cpu": ("cpu_total_mj", "cpu_energy_mj"),  # Apple's, Jetson's
    "gpu": ("gpu_mj", "gpu_energy_mj"),
}


class NoCounterError(Exception):
    """There is nothing to read; the message says why."""


def gpu(device: jax.Device) -> Found:
    """The energy counter of a GPU of AMD.

    Not of NVIDIA: zeus numbers those by its own reading of CUDA_VISIBLE_DEVICES, and their driver
    tells them apart by identity, as `jaxcost.device.nvml` does.

    Raises: NoCounterError, or one of zeus's own: no package, driver, counter or permission.
    """
    gpus = _zeus_device().get_gpus().gpus
    place = device.local_hardware_id  # both count the visible devices alone
    if place >= len(gpus):
        raise NoCounterError(f"the driver shows {len(gpus)} GPUs; JAX's is number {place}")
    found, names = gpus[place], [one.get_name() for one in gpus]
    if "NVIDIA" in type(found).__name__:
        raise NoCounterError("NVIDIA's driver does not show the device that JAX uses")
    if len(set(names)) > 1 and not same_device(names[place], device.device_kind):
        means = f"GPU {place} is {device.device_kind!r} to JAX and {names[place]!r} to the driver"
        raise NoCounterError(f"{means}; set HIP_VISIBLE_DEVICES to the one device")
    if not found.supports_get_total_energy_consumption():
        raise NoCounterError(f"{names[place]} has no counter of energy")
    return f"zeus {names[place]}", lambda: (1e-3 * found.get_total_energy_consumption(),)


def soc(platform: str) -> Found:
    """The energy counter of the CPU or the GPU of one of Apple's or Jetson's chips.

    Raises: NoCounterError, or one of zeus's own: no package, no such chip, or no such counter.
    """
    chip = _zeus_device().get_soc()
    first = chip.get_total_energy_consumption()
    known = [name for name in _SOC_FIELDS[platform] if getattr(first, name, None) is not None]
    if not known:
        raise NoCounterError(f"{type(chip).__name__} has no energy counter of its {platform}")
    field = known[0]

    def read() -> Sequence[float]:
        return (1e-3 * getattr(chip.get_total_energy_consumption(), field),)

    return f"zeus {type(chip).__name__} {platform}", read


def has_daemon() -> bool:
    """Whether zeus is told of a daemon that reads counters on behalf of others."""
    return any(os.environ.get(name) for name in _DAEMON)


def daemon(zones: Sequence[str]) -> Found:
    """The processor's counters as read by zeus's daemon, which corrects their wraps itself.

    Args:
        zones: the names of all zones that are to count; zeus lists others, too.
    Raises: NoCounterError, or one of zeus's own: no package, no daemon, or no such counter.
    """
    packages = sum(name.startswith("package") for name in zones)
    cpus = _zeus_device().get_cpus().cpus[:packages]
    if not cpus:
        raise NoCounterError("the daemon shows no processor")

    def read() -> Sequence[float]:
        found = [cpu.get_total_energy_consumption() for cpu in cpus]
        return tuple(
            1e-3 * mj for one in found for mj in (one.cpu_mj, one.dram_mj) if mj is not None
        )

    return "zeus daemon RAPL", read


def _zeus_device() -> Any:
    try:
        return importlib.import_module("zeus.device")
    except ImportError as error:
        text = f"the package zeus is missing ({error}); pip install 'jaxcost[energy]'"
        raise NoCounterError(text) from error

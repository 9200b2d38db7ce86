"""Energy counters: what each reads, and why it cannot where it cannot."""

import dataclasses
import importlib
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxcost.device.detect import rapl_zones
from jaxcost.device.nvml import nvml_for, same_device

_DAEMON = ("ZEUSD_SOCK_PATH", "ZEUSD_HOST_PORT")  # by which zeus finds its daemon
_SOC_FIELDS = {
    "cpu": ("cpu_total_mj", "cpu_energy_mj"),  # Apple's, Jetson's
    "gpu": ("gpu_mj", "gpu_energy_mj"),
}


class NoCounterError(Exception):
    """There is nothing to read; the message says why."""


@dataclasses.dataclass(frozen=True)
class PowerMeter:
    """Counters of energy that only grow, until they wrap or are reset; or why none can be read.

    Args:
        name: what is read, in words.
        read: every counter's reading now, in J.
        ranges_j: where each counter wraps to zero, in J; None for one that does not.
        reason: why nothing can be read; empty where it can.
    """

    name: str
    read: Callable[[], Sequence[float]] = tuple
    ranges_j: Sequence[float | None] = (None,)
    reason: str = ""


def power_meter_for(device: jax.Device, root: Path = Path("/")) -> PowerMeter:
    """The energy counter of a JAX device, or one that says why there is none.

    A CPU's counters are those of its packages and their memory: they count whatever else runs
    there, too. An accelerator's are those of its whole board.

    Args:
        device: any JAX device.
        root: where `sys` is; another one for tests.
    """
    if device.platform not in ("cpu", "gpu"):
        return PowerMeter("none", reason=f"no energy counter of a {device.platform} is known")
    first = rapl_meter(root) if device.platform == "cpu" else _gpu_meter(device)
    has_daemon = any(os.environ.get(name) for name in _DAEMON)
    if first.reason and device.platform == "cpu" and has_daemon:
        first = _zeus(_daemon, [*rapl_zones(root).values()])
    if first.reason and platform.machine() in ("arm64", "aarch64"):  # Apple's, or a Jetson
        second = _zeus(_soc, device.platform)
        both = f"{first.reason}; {second.reason}"
        return second if not second.reason else PowerMeter(first.name, reason=both)
    return first


def nvml_meter(device: jax.Device) -> PowerMeter:
    """The counter of an NVIDIA GPU, read from the driver's library itself, found by its identity.

    Args:
        device: any JAX device.
    """
    nvml = nvml_for(device)
    if nvml is None or nvml.ask("TotalEnergyConsumption") is None:
        reason = "NVIDIA's driver shows no energy counter of this device"
        return PowerMeter("NVML", reason=reason)
    return PowerMeter(
        f"NVML {device.device_kind}", lambda: (1e-3 * nvml.ask("TotalEnergyConsumption"),)
    )


def _gpu_meter(device: jax.Device) -> PowerMeter:
    """NVIDIA's from its driver, others' through zeus."""
    return _zeus(_gpu, device) if nvml_for(device) is None else nvml_meter(device)


def rapl_meter(root: Path = Path("/")) -> PowerMeter:
    """The counters of Intel's and AMD's processors, read from Linux itself.

    Not through zeus: at the first reading that starts for each counter a process that
    looks for wraps, and which outlives a worker that is killed. Its daemon is used
    where reading the counters is forbidden.

    Args:
        root: where `sys` is; another one for tests.
    """
    zones = rapl_zones(root)
    name = f"RAPL {', '.join(zones.values())}".strip()
    if not zones:
        reason = "Linux shows no RAPL counter: a virtual machine, or a processor without one"
        return PowerMeter(name, reason=reason)
    files = [zone / "energy_uj" for zone in zones]

    def read() -> tuple[float, ...]:
        return tuple(1e-6 * int(file.read_text()) for file in files)

    try:
        ranges = [1e-6 * int((zone / "max_energy_range_uj").read_text()) for zone in zones]
        read()
    except PermissionError:
        reason = "the RAPL counters are not readable by this user: run as root, or let it read them"
        return PowerMeter(name, reason=reason)
    except (OSError, ValueError) as error:
        return PowerMeter(name, reason=f"the RAPL counters cannot be read: {_line(error)}")
    return PowerMeter(name, read, ranges)


def _zeus(find: Callable[[Any], PowerMeter], what: Any) -> PowerMeter:
    """What zeus finds; every way in which it fails is a reason."""
    try:
        meter = find(what)
        return dataclasses.replace(meter, ranges_j=(None,) * len(meter.read()))
    except Exception as error:  # drivers and permissions fail in ways of their own
        return PowerMeter("zeus", reason=_line(error))


def _gpu(device: jax.Device) -> PowerMeter:
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
    read = found.get_total_energy_consumption
    return PowerMeter(f"zeus {names[place]}", lambda: (1e-3 * read(),))


def _soc(platform: str) -> PowerMeter:
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

    return PowerMeter(f"zeus {type(chip).__name__} {platform}", read)


def _daemon(zones: Sequence[str]) -> PowerMeter:
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

    return PowerMeter("zeus daemon RAPL", read)


def _zeus_device() -> Any:
    try:
        return importlib.import_module("zeus.device")
    except ImportError as error:
        text = f"the package zeus is missing ({error}); pip install 'jaxcost[energy]'"
        raise NoCounterError(text) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

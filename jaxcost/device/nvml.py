"""NVIDIA's management library: the device that JAX means, and what it tells of it."""

import dataclasses
import importlib
import os
from typing import Any

import jax

from jaxcost.device.cuda_driver import uuid


@dataclasses.dataclass(frozen=True)
class Nvml:
    """One NVIDIA device: the module `pynvml`, initialised, and the device's handle in it."""

    library: Any
    handle: Any

    def ask(self, name: str, *args: Any) -> Any:
        """What `nvmlDeviceGet<name>` answers, in its own unit; None where it has no answer."""
        try:
            return getattr(self.library, f"nvmlDeviceGet{name}")(self.handle, *args)
        except (self.library.NVMLError, AttributeError):  # an old driver, or an old package
            return None

    def clock_hz(self, kind: str, of: str = "ClockInfo") -> float | None:
        """A clock in Hz: of `SM` or `MEM`, as it is now; or `MaxClockInfo`, its highest."""
        found = self.ask(of, getattr(self.library, f"NVML_CLOCK_{kind}", None))
        return None if found is None else 1e6 * found

    def slowdowns(self) -> int | None:
        """The bits of the reasons for which the clock is held down."""
        events = self.ask("CurrentClocksEventReasons")  # the new name; the other is the old
        return self.ask("CurrentClocksThrottleReasons") if events is None else events

    def watts(self, name: str) -> float | None:
        """What `nvmlDeviceGet<name>` answers in mW, in W."""
        found = self.ask(name)
        return None if found is None else 1e-3 * found


def nvml_for(device: jax.Device) -> Nvml | None:
    """The library's view of a JAX device; None without package, driver, permission or match."""
    if device.platform != "gpu":
        return None
    try:
        library = importlib.import_module("pynvml")
        library.nvmlInit()
        found = Nvml(library, _handle(library, device))
    except Exception:  # what is read here is a bonus, and the ways to fail are many
        return None
    return found if same_device(found.ask("Name"), device.device_kind) else None


def same_device(name: str | bytes | None, kind: str) -> bool:
    """Whether a driver's name is JAX's, give or take the maker's name before it.

    CUDA may number unlike devices by their speed, and the driver numbers them by their slot.
    """
    text = name.decode() if isinstance(name, bytes) else name or ""
    short, long = sorted((text.lower(), kind.lower()), key=len)
    return bool(short) and short in long


def _handle(library: Any, device: jax.Device) -> Any:
    """By the identity that CUDA's driver gives the device, whatever the order of either.

    Without it, by CUDA_VISIBLE_DEVICES: the library counts every device, JAX only those.
    """
    known = uuid(device.local_hardware_id)
    if known is not None:
        return library.nvmlDeviceGetHandleByUUID(known)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    place = device.local_hardware_id
    entry = visible.split(",")[place].strip() if visible else str(place)
    if entry.isdigit():
        return library.nvmlDeviceGetHandleByIndex(int(entry))
    if entry.startswith("MIG-GPU-"):  # the old name of a part: that of its device, and numbers
        entry = entry.removeprefix("MIG-").split("/")[0]
    return library.nvmlDeviceGetHandleByUUID(entry)

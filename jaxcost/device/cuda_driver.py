"""An NVIDIA GPU's caches and identity from CUDA's driver; no context is made, no memory taken."""

import ctypes
from typing import Any
from uuid import UUID

_UNITS, _L2_BYTES, _SHARED_BYTES = 16, 38, 81  # of enum CUdevice_attribute in cuda.h


def caches(place: int, library: Any = None) -> list[tuple[str, float, float]]:
    """Name, bytes per unit and units of each cache, the innermost first; empty where unknown.

    L1 is what the driver tells of it: the part that can be shared memory, a tenth less than all.

    Args:
        place: of the device among those that CUDA_VISIBLE_DEVICES names.
        library: the driver; None loads it.
    """
    try:
        driver = library or ctypes.CDLL("libcuda.so.1")
        device = ctypes.c_int()
        if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), place):
            return []
        units, l2, l1 = (_ask(driver, device, name) for name in (_UNITS, _L2_BYTES, _SHARED_BYTES))
    except (OSError, AttributeError):  # no driver, or one too old to be asked
        return []
    return (
        [("L1", float(l1), float(units)), ("L2", float(l2), 1.0)] if units and l2 > l1 > 0 else []
    )


def uuid(place: int, library: Any = None) -> str | None:
    """A device's identity as the management library writes it; None without a driver.

    Args: as for `caches`.
    """
    found, device = (ctypes.c_ubyte * 16)(), ctypes.c_int()
    try:
        driver = library or ctypes.CDLL("libcuda.so.1")
        if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), place):
            return None
        failed = driver.cuDeviceGetUuid(ctypes.byref(found), device)
    except (OSError, AttributeError):
        return None
    return None if failed else f"GPU-{UUID(bytes=bytes(found))}"


def _ask(driver: Any, device: ctypes.c_int, attribute: int) -> int:
    value = ctypes.c_int()
    failed = driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
    return 0 if failed else value.value

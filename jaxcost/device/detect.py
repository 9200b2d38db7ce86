"""What the operating system and the drivers tell of a device, as plain numbers in SI units.

A fact that nobody tells is None: nothing is looked up by name or guessed.
"""

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import jax

from jaxcost.device.cuda_driver import caches
from jaxcost.device.nvml import Nvml, nvml_for

Level = tuple[str, float, float]  # a memory's name, bytes per unit, units

_SCALE = {"K": 1024, "M": 1024**2, "G": 1024**3}


def cpu_facts(root: Path = Path("/")) -> dict[str, Any]:
    """Of a CPU on Linux: kind, memory levels, cores, and power limit in W.

    Args:
        root: where `sys` and `proc` are.
    """
    return {
        "kind": _search(root / "proc/cpuinfo", r"^model name\s*:\s*(.+)$"),
        "memory": [*_caches(root), *_main_memory(root)],
        "compute_units": _cores(root),
        "design_power": rapl_power_limit(root),
    }


def accelerator_facts(device: jax.Device) -> dict[str, Any]:
    """Of any other JAX device: kind, memory, units; from NVIDIA's driver peak, bandwidth, limit.

    The peak counts two FLOPs a cycle for each core at the highest clock that the driver allows,
    and the bandwidth two transfers a cycle at its highest memory clock. Data sheets of
    servers' devices quote the same; those of other devices a lower, usual clock.
    """
    nvml = nvml_for(device)
    return {
        "kind": device.device_kind,
        "memory": _accelerator_memory(device, nvml),
        "compute_units": getattr(device, "core_count", None),
        "peak_flops": nvml and _product(2, nvml.ask("NumGpuCores"), _highest(nvml, "SM")),
        "bandwidth": nvml and _product(2 / 8, nvml.ask("MemoryBusWidth"), _highest(nvml, "MEM")),
        "design_power": nvml and _power_limit(nvml),
    }


def rapl_zones(root: Path = Path("/")) -> dict[Path, str]:
    """The processor's and the memory's power zones of Linux, and their names.

    Others are parts of these (core, uncore) or hold them (psys).
    """
    zones = sorted((root / "sys/class/powercap").glob("intel-rapl:*"))
    names = {zone: _search(zone / "name", r"^(\S+)") or "" for zone in zones}
    return {zone: name for zone, name in names.items() if re.match(r"package|dram$", name)}


def rapl_power_limit(root: Path = Path("/")) -> float | None:
    """The long-term power limit of all processor packages together, in W; None if unknown."""
    packages = [zone for zone, name in rapl_zones(root).items() if name.startswith("package")]
    limits = [_long_term_limit(zone) for zone in packages]
    known = [limit for limit in limits if limit]
    return sum(known) if known and len(known) == len(limits) else None


def _long_term_limit(zone: Path) -> float | None:
    """The lesser of the limit that is set, often far too high, and that of the design."""
    for name in zone.glob("constraint_*_name"):
        if _search(name, r"^(\S+)") == "long_term":
            stem = name.name.removesuffix("_name")
            files = [zone / f"{stem}_power_limit_uw", zone / f"{stem}_max_power_uw"]
            limits = [int(_search(file, r"^(\d+)") or 0) for file in files]
            return min((1e-6 * limit for limit in limits if limit), default=None)
    return None


def _accelerator_memory(device: jax.Device, nvml: Nvml | None) -> list[Level]:
    if nvml and (memory := nvml.ask("MemoryInfo")):
        return [*caches(device.local_hardware_id), ("VRAM", memory.total, 1)]
    limit = (device.memory_stats() or {}).get("bytes_limit")
    return [("memory", limit, 1)] if limit else []


def _highest(nvml: Nvml, kind: str) -> float | None:
    return nvml.clock_hz(kind, "MaxClockInfo")


def _power_limit(nvml: Nvml) -> float | None:
    return nvml.watts("PowerManagementDefaultLimit") or nvml.watts("EnforcedPowerLimit")


def _product(scale: float, count: int | None, rate: float | None) -> float | None:
    return scale * count * rate if count and rate else None


def _main_memory(root: Path) -> list[Level]:
    total = _search(root / "proc/meminfo", r"^MemTotal:\s*(\d+) kB")
    return [("RAM", int(total) * 1024, 1)] if total else []


def _caches(root: Path) -> list[Level]:
    """Data and unified caches by level; a cache that several cores share is one unit."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for index in root.glob("sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*"):
        level, kind, size, shared = (
            _search(index / name, r"^(\S+)")
            for name in ("level", "type", "size", "shared_cpu_list")
        )
        count = re.fullmatch(r"(\d+)([KMG])", size or "")
        if kind in ("Data", "Unified") and level and shared and count:
            found[int(level)][shared] = int(count[1]) * _SCALE[count[2]]
    return [
        (f"L{level}", sum(units.values()) / len(units), len(units))
        for level, units in sorted(found.items())
    ]


def _cores(root: Path) -> int | None:
    pattern = "sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list"
    return len({path.read_text() for path in root.glob(pattern)}) or os.cpu_count()


def _search(path: Path, pattern: str) -> str | None:
    try:
        found = re.search(pattern, path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return found[1].strip() if found else None

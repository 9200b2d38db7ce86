"""How much memory a device has free, and how it says that it has none."""

from pathlib import Path

import jax

_EXHAUSTED = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory", "Cannot allocate memory")


def free_memory_bytes(device: jax.Device, meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Free memory of a device in bytes; None where neither JAX nor the system tells."""
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    if device.platform != "cpu":
        return None
    try:
        lines = meminfo.read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(available.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    return isinstance(error, MemoryError) or any(word in str(error) for word in _EXHAUSTED)

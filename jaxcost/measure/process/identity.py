"""Which device, versions and process a timing comes from, and the state that they are in."""

import contextlib
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax

from jaxcost.device import detect_device
from jaxcost.device.facts import to_facts
from jaxcost.device.nvml import nvml_for
from jaxcost.measure.clock.gates import processors

# Bits of NVIDIA's clock event reasons, as nvml.h names them.
_REASONS = (
    "idle",
    "application_clocks",
    "software_power_cap",
    "hardware_slowdown",
    "sync_boost",
    "software_thermal",
    "hardware_thermal",
    "hardware_power_brake",
    "display_clocks",
)


def describe(device: jax.Device, threads: int, now_s: float) -> dict[str, Any]:
    """What a worker says of itself: its device, what timings must share, and the process.

    Args:
        threads: how many processors its timed work may use.
        now_s: its monotonic clock, in s.
    """
    return {
        "device": to_facts(detect_device(device)),
        "fingerprint": fingerprint(device),
        "processors": threads,
        "facts": process_facts(now_s),
    }


def fingerprint(device: jax.Device) -> dict[str, Any]:
    """What must be equal for two timings to belong together.

    The device, the versions that compile for it, and the settings that change what they make.
    """
    import jaxlib

    return {
        "platform": device.platform,
        "kind": _kind(device),
        "driver": " ".join(device.client.platform_version.split()),
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "x64": bool(jax.config.read("jax_enable_x64")),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "processors": processors() if device.platform == "cpu" else None,
    }


def process_facts(now_s: float) -> dict[str, Any]:
    """Which process this is, where and in what state it began; `now_s` is its monotonic clock."""
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "boot_id": _first_line(Path("/proc/sys/kernel/random/boot_id")),
        "started_utc": utc_now(),
        "started_monotonic_s": now_s,
        "python": platform.python_version(),
        "system": platform.platform(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "load_1min": _load(),
        "git_commit": _git_commit(),
    }


def utc_now() -> str:
    """The date and time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def device_state(device: jax.Device) -> dict[str, Any]:
    """The machine's load; and a device's clocks, temperature, power limit and reasons for slowing
    down, as NVIDIA's driver tells.

    Returns: what is known of `load_1min`, `sm_clock_hz`, `memory_clock_hz`, `temperature_c`,
        `power_limit_w` and `throttle_reasons`, a list of names.
    """
    state: dict[str, Any] = {"load_1min": _load()}
    nvml = nvml_for(device)
    if nvml is not None:
        celsius, bits = nvml.ask("TemperatureV", 0), nvml.slowdowns()
        state |= {
            "sm_clock_hz": nvml.clock_hz("SM"),
            "memory_clock_hz": nvml.clock_hz("MEM"),
            "temperature_c": nvml.ask("Temperature", 0) if celsius is None else celsius,
            "power_limit_w": nvml.watts("EnforcedPowerLimit"),
            "throttle_reasons": None if bits is None else _named(bits),
        }
    return {name: value for name, value in state.items() if value is not None}


def _load() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _named(bits: int) -> list[str]:
    """The names of the bits that are set; a bit that came later is given by its value."""
    places = [place for place in range(bits.bit_length()) if bits >> place & 1]
    return [_REASONS[i] if i < len(_REASONS) else hex(1 << i) for i in places]


def _kind(device: jax.Device) -> str:
    return detect_device(device).kind or device.device_kind


def _git_commit() -> str | None:
    """The commit this package is run from; None where it is installed without a history."""
    head = Path(__file__).resolve().parents[3] / ".git"
    with contextlib.suppress(OSError):
        if head.is_file():  # a worktree
            head = Path(head.read_text().split(":", 1)[1].strip())
        text = (head / "HEAD").read_text().strip()
        if not text.startswith("ref: "):
            return text
        common = head / "commondir"
        root = head / common.read_text().strip() if common.is_file() else head
        return (root / text[5:]).read_text().strip()
    return None


def _first_line(path: Path) -> str:
    try:
        return path.read_text().split("\n", 1)[0]
    except OSError:
        return ""

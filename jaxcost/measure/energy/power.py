"""Energy counters: what each reads, and why it cannot where it cannot; a device's state."""

import bisect
import dataclasses
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax

from jaxcost.device.detect import rapl_zones
from jaxcost.device.nvml import nvml_for
from jaxcost.measure.energy import zeus_meters

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


class PowerMeter(Protocol):
    """Counters of energy that only grow, until they wrap or are reset."""

    @property
    def name(self) -> str:
        """What is read, in words."""

    @property
    def reason(self) -> str:
        """Why nothing can be read; empty where it can."""

    @property
    def ranges_j(self) -> Sequence[float | None]:
        """Where each counter wraps to zero, in J; None for one that does not."""

    def read(self) -> Sequence[float]:
        """Every counter's reading now, in J."""


@dataclasses.dataclass(frozen=True)
class SourceMeter:
    """Counters behind a function, which gives their readings in J."""

    name: str
    source: Callable[[], Sequence[float]]
    ranges_j: Sequence[float | None] = (None,)
    reason: str = ""

    def read(self) -> Sequence[float]:
        """Every counter's reading now, in J."""
        return self.source()


@dataclasses.dataclass(frozen=True)
class UnreadableMeter:
    """Where there is nothing to read, or no permission: it says why."""

    name: str
    reason: str
    ranges_j: Sequence[float | None] = ()

    def read(self) -> Sequence[float]:
        """Nothing.

        Raises: PermissionError: always; its message is the reason.
        """
        raise PermissionError(self.reason)


class ReplayMeter:
    """A recorded counter, replayed along a clock.

    Args:
        trace: (time in s, reading in J), by time; an exception in place of a reading is raised.
        now: the clock, in s.
        range_j: where the counter wraps, in J; None where it does not.
    """

    name = "replay"
    reason = ""

    def __init__(
        self,
        trace: Sequence[tuple[float, float | Exception]],
        now: Callable[[], float],
        range_j: float | None = None,
    ) -> None:
        self._times = [time for time, _ in trace]
        self._readings = [reading for _, reading in trace]
        self._now = now
        self.ranges_j = (range_j,)

    def read(self) -> tuple[float]:
        """The last reading that was taken by now, in J."""
        reading = self._readings[max(0, bisect.bisect_right(self._times, self._now()) - 1)]
        if isinstance(reading, Exception):
            raise reading
        return (reading,)


def power_meter_for(device: jax.Device, root: Path = Path("/")) -> PowerMeter:
    """The energy counter of a JAX device, or one that says why there is none.

    A CPU's counters are those of its packages and their memory: they count whatever else runs
    there, too. An accelerator's are those of its whole board.

    Args:
        device: any JAX device.
        root: where `sys` is; another one for tests.
    """
    if device.platform not in ("cpu", "gpu"):
        return UnreadableMeter("none", f"no energy counter of a {device.platform} is known")
    first = rapl_meter(root) if device.platform == "cpu" else _gpu_meter(device)
    if first.reason and device.platform == "cpu" and zeus_meters.has_daemon():
        first = _zeus(zeus_meters.daemon, [*rapl_zones(root).values()])
    if first.reason and platform.machine() in ("arm64", "aarch64"):  # Apple's, or a Jetson
        second = _zeus(zeus_meters.soc, device.platform)
        both = f"{first.reason}; {second.reason}"
        return second if not second.reason else UnreadableMeter(first.name, both)
    return first


def nvml_meter(device: jax.Device) -> PowerMeter:
    """The counter of an NVIDIA GPU, read from the driver's library itself, found by its identity.

    Args:
        device: any JAX device.
    """
    nvml = nvml_for(device)
    if nvml is None or nvml.ask("TotalEnergyConsumption") is None:
        return UnreadableMeter("NVML", "NVIDIA's driver shows no energy counter of this device")
    return SourceMeter(
        f"NVML {device.device_kind}", lambda: (1e-3 * nvml.ask("TotalEnergyConsumption"),)
    )


def _gpu_meter(device: jax.Device) -> PowerMeter:
    """NVIDIA's from its driver, others' through zeus."""
    return _zeus(zeus_meters.gpu, device) if nvml_for(device) is None else nvml_meter(device)


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
        return UnreadableMeter(name, reason)
    files = [zone / "energy_uj" for zone in zones]

    def read() -> tuple[float, ...]:
        return tuple(1e-6 * int(file.read_text()) for file in files)

    try:
        ranges = [1e-6 * int((zone / "max_energy_range_uj").read_text()) for zone in zones]
        read()
    except PermissionError:
        reason = "the RAPL counters are not readable by this user: run as root, or let it read them"
        return UnreadableMeter(name, reason)
    except (OSError, ValueError) as error:
        return UnreadableMeter(name, f"the RAPL counters cannot be read: {_line(error)}")
    return SourceMeter(name, read, ranges)


def device_state(device: jax.Device) -> Mapping[str, Any]:
    """Clocks, temperature, power limit and reasons for slowing down, as NVIDIA's driver tells.

    Returns: what is known of `sm_clock_hz`, `memory_clock_hz`, `temperature_c`, `power_limit_w`
        and `throttle_reasons`, a list of names; empty for any other device.
    """
    nvml = nvml_for(device)
    if nvml is None:
        return {}
    celsius, bits = nvml.ask("TemperatureV", 0), nvml.slowdowns()
    state = {
        "sm_clock_hz": nvml.clock_hz("SM"),
        "memory_clock_hz": nvml.clock_hz("MEM"),
        "temperature_c": nvml.ask("Temperature", 0) if celsius is None else celsius,
        "power_limit_w": nvml.watts("EnforcedPowerLimit"),
        "throttle_reasons": None if bits is None else _named(bits),
    }
    return {name: value for name, value in state.items() if value is not None}


def _named(bits: int) -> list[str]:
    """The names of the bits that are set; a bit that came later is given by its value."""
    places = [place for place in range(bits.bit_length()) if bits >> place & 1]
    return [_REASONS[i] if i < len(_REASONS) else hex(1 << i) for i in places]


def _zeus(find: Callable[..., zeus_meters.Found], *args: Any) -> PowerMeter:
    """What zeus finds, as a meter; every way in which it fails is a reason."""
    try:
        name, source = find(*args)
        return SourceMeter(name, source, (None,) * len(source()))
    except Exception as error:  # drivers and permissions fail in ways of their own
        return UnreadableMeter("zeus", _line(error))


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

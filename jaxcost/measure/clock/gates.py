"""Which timings count: what the machine did meanwhile, and whether that spoils them."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from jaxcost.device.nvml import Nvml, nvml_for
from jaxcost.measure.clock.visit import Block

_USED = 0.1  # a thread below this share of all threads' CPU time only waited for the others
_LEAST_OF_TYPICAL = 0.95  # the kernel's counts lag by a tick, so no closer
# Idle, clocks set by the user, and the power limit: a data centre's GPU is at its limit in every
# large product, for its users as for us. How far it slows down for that its clock tells.
_BENIGN_THROTTLE = 0x1 | 0x2 | 0x4

Usage = Mapping[str, Any]  # what the machine did while a block ran, by the names of `Block`


class Meter(Protocol):
    """Reads what the machine did between two moments."""

    def start(self) -> Any:
        """A reading taken before a block."""

    def stop(self, started: Any, duration_s: float) -> Usage:
        """The usage since the reading `started`, for a block that took `duration_s` s."""


class NoMeter:
    """Where nothing can be read: every usage is unknown, and no block is rejected."""

    def start(self) -> None:
        """Nothing."""

    def stop(self, started: None, duration_s: float) -> Usage:
        """Nothing."""
        return {}


class CpuMeter:
    """CPU time of this process, and from Linux also its threads' waiting and stolen time.

    Args:
        proc: where the kernel's process information is mounted.
        cpu_time: the process's CPU time in s.
    """

    def __init__(
        self, proc: Path = Path("/proc"), cpu_time: Callable[[], float] = time.process_time
    ) -> None:
        self._proc = proc
        self._cpu_time = cpu_time

    def start(self) -> tuple[float, dict[str, tuple[float, float]], float | None]:
        """CPU time, (running, waiting) of each thread, and stolen time, in s."""
        return self._cpu_time(), self._threads(), self._stolen()

    def stop(self, started: Any, duration_s: float) -> Usage:
        """The usage since `started`."""
        cpu, threads, stolen = self.start()
        spent = [
            tuple(now - before for now, before in zip(counts, started[1].get(thread, (0.0, 0.0))))
            for thread, counts in threads.items()
        ]
        total = sum(counts[0] for counts in spent)
        working = [counts for counts in spent if counts[0] > _USED * total]
        return {
            "cpu_s": cpu - started[0],
            "waiting_s": sum(counts[1] for counts in working) if working else None,
            "stolen_s": None if stolen is None or started[2] is None else stolen - started[2],
        }

    def _threads(self) -> dict[str, tuple[float, float]]:
        counts = {}
        for path in (self._proc / "self" / "task").glob("*/schedstat"):
            try:
                running, waiting = path.read_text().split()[:2]
                counts[path.parent.name] = (int(running) * 1e-9, int(waiting) * 1e-9)
            except (OSError, ValueError):  # a thread that ended meanwhile
                continue
        return counts

    def _stolen(self) -> float | None:
        try:
            first = (self._proc / "stat").read_text().split("\n", 1)[0].split()
            return int(first[8]) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            return None


class NvmlMeter:
    """Clock and throttle reasons of one NVIDIA device, read as a block ends.

    Args:
        nvml: the driver's view of it.
    Raises: LookupError: the driver does not tell them.
    """

    def __init__(self, nvml: Nvml) -> None:
        self._nvml = nvml
        usual = nvml.clock_hz("SM", "DefaultApplicationsClock")
        default = usual or nvml.clock_hz("SM", "MaxClockInfo")
        if not default or nvml.clock_hz("SM") is None or nvml.slowdowns() is None:
            raise LookupError("the driver tells no clock, or no reasons for slowing down")
        self._default_hz = default

    def start(self) -> None:
        """Nothing: only the state at the end counts."""

    def stop(self, started: None, duration_s: float) -> Usage:
        """Clock over default clock, and whether anything slows the device down."""
        clock, reasons = self._nvml.clock_hz("SM"), self._nvml.slowdowns()
        return {
            "clock_ratio": None if clock is None else clock / self._default_hz,
            "throttled": bool((reasons or 0) & ~_BENIGN_THROTTLE),
        }


def meter_for(device: jax.Device) -> Meter:
    """The meter of a JAX device: CPU counters, NVML where installed, else none."""
    if device.platform == "cpu":
        return CpuMeter()
    nvml = nvml_for(device)
    try:
        return NoMeter() if nvml is None else NvmlMeter(nvml)
    except LookupError:  # NVML is a bonus: an old driver is fine
        return NoMeter()


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def rejections(
    blocks: Sequence[Block],
    *,
    processors: int = 1,
    least_share: float = 0.98,
    least_clock: float = 0.75,
) -> list[str]:
    """Why each block does not count; an empty string for those that do.

    A thread that was ready to run but had to wait lost its processor to another. Where the
    kernel counts that, a block counts if its threads ran at least `least_share` of the time in
    which they, or as many of them as there are processors, could have run, and if they ran nearly
    as much as in the other such blocks: threads that slept through a part of a block were
    held up elsewhere. Where the kernel does not count, the layer's own best ratio of CPU
    to wall time says how many threads it uses, and a block counts within `least_share` of it; a
    neighbour that never pauses is then not seen.

    Args:
        blocks: all timings of one program.
        processors: how many the process may use.
        least_share: least CPU time over wall time per thread in use.
        least_clock: least clock of an accelerator over its default.
    """
    reasons = [_rejection(block, processors, least_share, least_clock) for block in blocks]
    ratios = [_cpu_ratio(block) for block in blocks]
    good = [ratio for ratio, reason in zip(ratios, reasons) if ratio and not reason]
    counted = any(block.waiting_s is not None for block in blocks)
    typical = float(np.median(good)) if counted and good else min(max(good, default=0), processors)
    least = (_LEAST_OF_TYPICAL if counted else least_share) * typical
    return [
        reason
        or (f"CPU over wall time {ratio:.2f}, usually {typical:.2f}" if ratio < least else "")
        for ratio, reason in zip(ratios, reasons)
    ]


def _cpu_ratio(block: Block) -> float:
    return (block.cpu_s or 0.0) / block.duration_s


def _rejection(block: Block, processors: int, least_share: float, least_clock: float) -> str:
    if block.waiting_s is not None and block.cpu_s:
        wanted = min(block.cpu_s + block.waiting_s, processors * block.duration_s)
        if block.cpu_s < least_share * wanted:
            return f"processor share {block.cpu_s / wanted:.2f} below {least_share}"
    stolen = (block.stolen_s or 0.0) / (block.duration_s * processors)
    if stolen > 1 - least_share:
        return f"the hypervisor took {stolen:.0%} of the processors"
    if block.clock_ratio is not None and block.clock_ratio < least_clock:
        return f"clock at {block.clock_ratio:.0%} of default, below {least_clock:.0%}"
    return "the device reports throttling" if block.throttled else ""

"""The kernels of a profile: how long each ran, how often, and beside what."""

import dataclasses
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ALONE = 0.1  # of a run's time: the most that others may run as well
_DEVICE = "/device:"
_END = "end: "  # of the event that says that a kernel has ended, by the number in its `_c`
_OPS = "XLA Ops"  # a line that says again what streams of the same device say


@dataclasses.dataclass(frozen=True)
class Event:
    """One run of one kernel, in ns; `name` is the kernel's, `op` XLA's instruction.

    `done` is when it was noticed that it had ended, where that is later than its event's end.
    """

    module: str
    op: str
    name: str
    run: str
    start: float
    end: float
    done: float = 0.0


@dataclasses.dataclass(frozen=True)
class Kernel:
    """All runs of one instruction of a program.

    Attributes:
        module, op: the program's name, and the instruction's.
        runs: how often it ran alone, or else at all; where an instruction is several kernels, the
            most of one of them.
        time_s: of one of these runs, the median, in s; of several kernels their sum.
        total_s: of all runs, in s.
        beside: the share of these runs in which other kernels of the program ran too, 0 to 1.
    """

    module: str
    op: str
    runs: int
    time_s: float
    total_s: float
    beside: float


@dataclasses.dataclass(frozen=True)
class Events:
    """What ran on one device.

    Attributes:
        events: of kernels whose instruction is known.
        unnamed_s: time of a device's other events, in s: of no program, or within a CUDA graph.
        devices: how many the profile has; the events are of the first.
    """

    events: tuple[Event, ...]
    unnamed_s: float
    devices: int


def find_profile(path: Path) -> Path:
    """The newest `.xplane.pb` under a folder, or the file itself.

    Raises: ValueError: none, or those of several hosts.
    """
    if not path.exists():
        raise ValueError(f"no profile at {str(path)!r}; give the folder of jax.profiler.trace")
    if path.is_file():
        return path
    files = sorted(path.rglob("*.xplane.pb"), key=lambda file: (file.stat().st_mtime, file.name))
    if not files:
        raise ValueError(
            f"{str(path)!r} holds no *.xplane.pb; give the folder that jax.profiler.trace wrote"
        )
    beside = [file.name for file in files if file.parent == files[-1].parent]
    if len(beside) > 1:
        raise ValueError(f"{str(path)!r} holds profiles of {', '.join(beside)}; give one of them")
    return files[-1]


def read_events(path: Path) -> Events:
    """What ran on the first device, or on the host where no device has a plane.

    Raises: ValueError: no profile.
    """
    from jax.profiler import ProfileData

    try:
        planes = list(ProfileData.from_file(str(path)).planes)
    except Exception as error:
        raise ValueError(f"{str(path)!r} is no profile that JAX reads ({error})") from None
    devices = [plane for plane in planes if plane.name.startswith(_DEVICE)]
    every = [
        (event, dict(event.stats)) for plane in devices[:1] or planes for event in _events(plane)
    ]
    done = {stats.get("_c"): e.start_ns for e, stats in every if e.name.startswith(_END)}
    known = [_event(e, stats, done) for e, stats in every if "hlo_op" in stats]
    others = sum(e.duration_ns for e, stats in every if "hlo_op" not in stats)
    return Events(tuple(known), others * 1e-9 if devices else 0.0, max(1, len(devices)))


def _events(plane: Any) -> Iterator[Any]:
    lines = list(plane.lines)
    for line in [line for line in lines if line.name == _OPS] or lines:
        yield from line.events


def _event(event: Any, stats: dict[str, Any], done: dict[Any, float]) -> Event:
    module, op, run = (str(stats.get(name, "")) for name in ("hlo_module", "hlo_op", "run_id"))
    if "program_id" in stats:
        module = f"{module}({stats['program_id']})"
    end = event.start_ns + event.duration_ns
    noticed = done.get(stats.get("_p"), 0.0)
    return Event(module, op, event.name, run, event.start_ns, end, noticed)


def kernels_of(events: Sequence[Event]) -> list[Kernel]:
    """The kernels of a program, those that took longest first; of events that hold no other."""
    by_op: dict[tuple[str, str], list[tuple[Event, float]]] = {}
    for event, beside in zip(events, _beside(events)):
        by_op.setdefault((event.module, event.op), []).append((event, beside))
    found = [_kernel(module, op, runs) for (module, op), runs in by_op.items()]
    return sorted(found, key=lambda kernel: -kernel.total_s)


def _kernel(module: str, op: str, runs: Sequence[tuple[Event, float]]) -> Kernel:
    """Of runs of which some were alone, those are what is told of but the total."""
    alone = [(e, shared) for e, shared in runs if shared <= ALONE * (e.end - e.start)]
    by_name: dict[str, list[float]] = {}
    for event, _ in alone or runs:
        by_name.setdefault(event.name, []).append((event.end - event.start) * 1e-9)
    often = max(map(len, by_name.values()))
    once = sum(statistics.median(each) * len(each) / often for each in by_name.values())
    told = sum(map(sum, by_name.values()))
    shared = sum(shared for _, shared in alone or runs) * 1e-9
    total = sum(event.end - event.start for event, _ in runs) * 1e-9
    return Kernel(module, op, often, once, total, min(1.0, shared / told) if told else 0.0)


def _beside(events: Sequence[Event]) -> Iterator[float]:
    """Of each event, in ns, how much of it others ran as well."""
    edges = sorted({time for event in events for time in (event.start, event.end)})
    place = {time: index for index, time in enumerate(edges)}
    changes = [0] * (len(edges) + 1)
    for event in events:
        changes[place[event.start]] += 1
        changes[place[event.end]] -= 1
    shared, running, busy = [0.0], 0, 0.0
    for index in range(len(edges) - 1):
        running += changes[index]
        busy += edges[index + 1] - edges[index] if running > 1 else 0.0
        shared.append(busy)
    for event in events:
        yield shared[place[event.end]] - shared[place[event.start]]

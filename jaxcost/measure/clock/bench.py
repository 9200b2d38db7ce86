"""One process's work on layers: each compiled once, visited often, stopped by a fault."""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from jaxcost.measure.clock.gates import meter_for, processors
from jaxcost.measure.clock.hlo import work_in_loop
from jaxcost.measure.clock.programs import LoadedLayer, Programs, compile_layer
from jaxcost.measure.clock.timing import (
    InvalidTimingError,
    Stopwatch,
    TimingRules,
    checked,
    prove_doubling,
    steps_per_block,
)
from jaxcost.measure.clock.visit import Visit
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.process.identity import describe
from jaxcost.measure.records import converged

_CALL_BLOCKS = 2
_MOST_CALLS = 1000
_HELD_UP = 1.5  # a first call that takes so many steps' time may not be a usual one


Prepare = Callable[[LayerSpec, jax.Device], Programs]


@dataclasses.dataclass
class Track:
    """One layer in one process.

    Args:
        programs: None before compilation and after a fault.
        found: all that its visits have brought.
        visits: how many came to their end.
        calls_per_block: isolated calls timed together.
    """

    layer: LayerSpec
    programs: Programs | None = None
    found: Visit = dataclasses.field(default_factory=Visit)
    visits: int = 0
    calls_per_block: int = 0

    def note(self, **found: Any) -> None:
        """What was found of the layer, by the names of `Visit`."""
        self.found = dataclasses.replace(self.found, **found)

    def stop(self, status: str, error: str) -> None:
        """No more visits: the layer has come to `status`."""
        self.note(status=status, error=error)
        self.programs = None


def compile_track(track: Track, device: jax.Device, prepare: Prepare, most_bytes: float) -> None:
    """Compiles a layer's programs, or stops it where they need more than `most_bytes`."""
    needed = track.layer.operand_bytes
    if needed > most_bytes:
        track.stop("oom", _too_large(needed, most_bytes))
        return
    try:
        programs = prepare(track.layer, device)
        text = programs.hlo_text
        work = _work(track.layer, text) if text else "unknown"
        track.note(work=work, hlo_hash=hashlib.sha256(text.encode()).hexdigest() if text else "")
    except Exception as error:  # whatever one layer does, the others are still measured
        _stop_after(track, error)
        return
    track.note(compile_s=programs.compile_s, memory_bytes=programs.memory_bytes)
    track.programs = programs
    if programs.memory_bytes > most_bytes:
        track.stop("oom", _too_large(programs.memory_bytes, most_bytes))


def _work(layer: LayerSpec, text: str) -> str | None:
    outputs, inputs = (math.prod(shape) for shape in (layer.output_shape, layer.input_shape))
    return work_in_loop(text, outputs, op=layer.op, input_elements=inputs)


def visit(track: Track, rules: TimingRules, watch: Stopwatch) -> None:
    """Times a few blocks of the loop and of the call; a fault stops the layer and nothing else."""
    if track.programs is None:
        return
    try:
        loaded = track.programs.load(rules.seed + track.visits)
        if track.visits == 0:
            _begin(track, loaded, rules, watch)
        if track.found.status:
            return
        loaded.loop(1)  # operands are fresh and cold
        if not track.found.doubling.passed:
            _prove(track, loaded, rules, watch)
        steps, blocks = track.found.steps, range(rules.blocks_per_visit)
        loops = checked([watch.time(loaded.loop, steps) for _ in blocks])
        track.note(loops=(*track.found.loops, *loops))
        calls = [watch.time_calls(loaded.call, track.calls_per_block) for _ in range(_CALL_BLOCKS)]
        track.note(calls=(*track.found.calls, *checked(calls)))
        track.visits += 1
    except Exception as error:
        _stop_after(track, error)


def _begin(track: Track, loaded: LoadedLayer, rules: TimingRules, watch: Stopwatch) -> None:
    """The first visit: a look at the result, and the sizes of blocks."""
    loaded.loop(1)
    if not loaded.is_finite():
        track.stop("invalid", "the result holds numbers that are not finite")
        return
    (first,) = checked([watch.time(loaded.loop, 1)])
    if first.step_s > rules.longest_step_s:
        text = f"a step takes {first.step_s:.3g} s, above the {rules.longest_step_s:.3g} s allowed"
        track.stop("skipped", text)
        return
    track.note(steps=steps_per_block(loaded.loop, rules, watch, first))
    track.calls_per_block = _calls_per_block(loaded, rules, watch, first.step_s)


def _calls_per_block(
    loaded: LoadedLayer, rules: TimingRules, watch: Stopwatch, step_s: float
) -> int:
    (trial,) = checked([watch.time_calls(loaded.call, 1)])
    if trial.step_s > _HELD_UP * step_s:  # or it is mostly dispatch: look again
        (trial,) = checked([watch.time_calls(loaded.call, 5)])
    return min(_MOST_CALLS, math.ceil(rules.block_s / 2 / trial.least_s))


def _prove(track: Track, loaded: LoadedLayer, rules: TimingRules, watch: Stopwatch) -> None:
    found = track.found
    doubling, blocks = prove_doubling(loaded.loop, found.steps, rules, watch, found.doubling)
    track.note(doubling=doubling, loops=(*found.loops, *blocks))


def _stop_after(track: Track, error: Exception) -> None:
    line = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, InvalidTimingError):
        track.stop("invalid", line)
    elif is_out_of_memory(error):
        track.stop("oom", line[:200])
    else:
        track.stop("error", f"{type(error).__name__}: {line}"[:200])


def _too_large(needed: float, most: float) -> str:
    return f"needs {needed / 1e9:.3g} GB, of which {most / 1e9:.3g} GB may be used"


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


EnergyReader = Callable[[Track, TimingRules], Mapping[str, Any]]


class Bench:
    """Compiles each layer at its first visit and keeps what its visits gather: a worker's work,
    or, without one, all that a sweep in this process needs.

    Args:
        device: which device; None is JAX's first.
        rules: how to measure.
        watch, prepare, free_memory: clock and meter, compiler, and free bytes of the device.
        energy: reads the energy of a step, or says why it cannot; None says nothing.
        state: reads clocks and temperatures at the end of a visit.
    """

    def __init__(
        self,
        rules: TimingRules,
        device: jax.Device | None = None,
        *,
        watch: Stopwatch | None = None,
        prepare: Prepare = compile_layer,
        free_memory: Callable[[jax.Device], int | None] = free_memory_bytes,
        energy: EnergyReader | None = None,
        state: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self.rules = rules
        self.device = device or jax.devices()[0]
        self.watch = watch or Stopwatch(meter=meter_for(self.device), processors=processors())
        self._prepare, self._free_memory = prepare, free_memory
        self._energy, self._state = energy, state
        self._tracks: dict[LayerSpec, Track] = {}

    @functools.cached_property
    def description(self) -> dict[str, Any]:
        """Its device, fingerprint, processors and facts, as a worker gives them."""
        return describe(self.device, self.watch.processors, self.watch.now())

    def visit(
        self, layer: LayerSpec, *, energy: bool = False, timeout_s: float = math.inf
    ) -> Visit:
        """One visit; a fault of the layer ends the layer and nothing else.

        Args:
            energy: whether to read the energy of a step, too.
            timeout_s: as of a worker; nobody watches the time in this process.
        """
        del timeout_s
        begin = self.watch.now()
        track = self._tracks.get(layer) or self._compiled(layer)
        before, first = track.found, track.visits == 0
        visit(track, self.rules, self.watch)
        found = track.found
        read: Mapping[str, Any] = {}
        if energy and self._energy is not None and not found.status:
            read = self._energy(track, self.rules)
        return dataclasses.replace(
            found,
            compile_s=found.compile_s if first else None,
            loops=found.loops[len(before.loops) :],
            calls=found.calls[len(before.calls) :],
            settled=self._settled(track),
            wall_s=self.watch.now() - begin,
            energy=dict(read),
            state=dict(self._state()),
        )

    def _compiled(self, layer: LayerSpec) -> Track:
        track = self._tracks[layer] = Track(layer)
        free = self._free_memory(self.device)
        most = math.inf if free is None else self.rules.memory_fraction * free
        compile_track(track, self.device, self._prepare, most)
        return track

    def _settled(self, track: Track) -> bool:
        if track.found.status or track.visits < self.rules.least_rounds:
            return bool(track.found.status)
        return converged(track.found.loops, self.rules, self.watch.processors)

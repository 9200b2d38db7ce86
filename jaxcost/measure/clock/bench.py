"""Layers compiled and timed in this process: what a worker does, and what a test can do alone."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax

from jaxcost.measure.clock.gates import meter_for, processors
from jaxcost.measure.clock.memory import free_memory_bytes
from jaxcost.measure.clock.programs import compile_layer
from jaxcost.measure.clock.timing import Stopwatch, TimingRules
from jaxcost.measure.clock.track import Prepare, Track, compile_track, visit
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.process.wire import Visit
from jaxcost.measure.records import converged

EnergyReader = Callable[[Track, TimingRules], Mapping[str, Any]]


class Bench:
    """Compiles each layer at its first visit and keeps what its visits gather.

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

    def now(self) -> float:
        """The bench's clock, in s."""
        return self.watch.now()

    @property
    def processors(self) -> int:
        """How many processors the timed work may use."""
        return self.watch.processors

    def visit(self, layer: LayerSpec, *, energy: bool = False) -> Visit:
        """One visit; a fault of the layer ends the layer and nothing else.

        Args:
            energy: whether to read the energy of a step, too.
        """
        begin = self.watch.now()
        track = self._tracks.get(layer) or self._compiled(layer)
        loops, calls = len(track.loops), len(track.calls)
        first = track.visits == 0
        visit(track, self.rules, self.watch)
        read: Mapping[str, Any] = {}
        if energy and self._energy is not None and not track.status:
            read = self._energy(track, self.rules)
        return Visit(
            status=track.status,
            error=track.error,
            work=track.work,
            compile_s=track.compile_s if first else math.nan,
            memory_bytes=track.memory_bytes,
            steps=track.steps,
            loops=tuple(track.loops[loops:]),
            calls=tuple(track.calls[calls:]),
            doubling=track.doubling,
            settled=self._settled(track),
            wall_s=self.watch.now() - begin,
            energy=read,
            state=self._state(),
            hlo_hash=track.hlo_hash,
        )

    def _compiled(self, layer: LayerSpec) -> Track:
        track = self._tracks[layer] = Track(layer)
        free = self._free_memory(self.device)
        most = math.inf if free is None else self.rules.memory_fraction * free
        compile_track(track, self.device, self._prepare, most)
        return track

    def _settled(self, track: Track) -> bool:
        if track.status or track.visits < self.rules.least_rounds:
            return bool(track.status)
        return converged(track, self.rules, self.processors)

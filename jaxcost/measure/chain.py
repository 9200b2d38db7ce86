"""Timing what is larger than a layer, by the same rules: a network's pass, an epoch of training."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from jaxcost.measure.clock.bench import (
    EnergyReader,
    Track,
    free_memory_bytes,
    visit,
)
from jaxcost.measure.clock.gates import meter_for, processors, rejections
from jaxcost.measure.clock.programs import memory_bytes, tie
from jaxcost.measure.clock.timing import Stopwatch, TimingRules
from jaxcost.measure.clock.visit import Visit
from jaxcost.measure.energy import CounterReader
from jaxcost.measure.energy.power import power_meter_for
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.process.identity import describe, device_state
from jaxcost.measure.records import accepted_share, converged, disturbance, summary_of

State = Any
_STAND_IN = LayerSpec(op="dense", c_in=1, c_out=1)  # of a track: `visit` asks its programs alone
_CLOCKS = ("sm_clock_hz", "memory_clock_hz", "temperature_c", "power_limit_w")


@dataclasses.dataclass(frozen=True)
class Chain:
    """Work in steps each of which depends on the one before.

    Args:
        begin: from a seed (uint32), what changes from step to step, and what does not.
        step: one step, from both to what changes.
        result: an array of what changes that holds no number that is not finite.
    """

    begin: Callable[[Array], tuple[State, Any]]
    step: Callable[[State, Any], State]
    result: Callable[[State], Array]


def chained_passes(
    forward: Callable[[Any, Array], Array],
    begin: Callable[[Array], tuple[Any, Array]],
    *,
    barrier: bool = False,
) -> Chain:
    """Passes of a network as steps: the first bytes of its input hang on the output before.

    Args:
        forward: from weights and an input to an output, an array.
        begin: from a seed to weights and an input.
        barrier: whether what makes them hang stays out of the network's last kernel, as it has to
            on a GPU; keyword-only.
    """

    def start(seed: Array) -> tuple[State, Any]:
        weights, x = begin(seed)
        output = jax.eval_shape(forward, weights, x)
        return (x, jnp.zeros(output.shape, output.dtype)), (weights, jnp.zeros((), bool))

    def step(state: State, fixed: Any) -> State:
        x, _ = state
        weights, swap = fixed
        y = forward(weights, x)
        y = lax.optimization_barrier(y) if barrier else y
        first = lax.slice(y, (0,) * y.ndim, (1,) * y.ndim).reshape(())
        return tie(x, swap, first), y

    return Chain(start, step, lambda state: state[1])


def compile_chain(chain: Chain, device: jax.Device) -> "ChainPrograms":
    """Compiles the call of one step and the loop of many ahead of time."""
    start = time.perf_counter()
    with jax.default_device(device):
        begin = jax.jit(chain.begin).lower(np.uint32(0)).compile()
        state, fixed = jax.eval_shape(chain.begin, jax.ShapeDtypeStruct((), jnp.uint32))
        call = jax.jit(chain.step).lower(state, fixed).compile()

        def loop(steps: Array, state: State, fixed: Any) -> State:
            return lax.fori_loop(0, steps, lambda _, state: chain.step(state, fixed), state)

        looped = jax.jit(loop, donate_argnums=1).lower(np.int32(1), state, fixed).compile()
    needed = max(memory_bytes(call), memory_bytes(looped))
    return ChainPrograms(chain, begin, call, looped, needed, time.perf_counter() - start)


@dataclasses.dataclass(frozen=True)
class ChainPrograms:
    """What was compiled; `programs.Programs` of a layer, without a text to prove its work by."""

    chain: Chain
    begin: Callable[..., Any]
    step: Callable[..., Any]
    looped: Callable[..., Any]
    memory_bytes: int
    compile_s: float
    hlo_text: str = ""

    def load(self, seed: int) -> "LoadedChain":
        """The programs with what they begin from, on the device."""
        return LoadedChain(self, seed)


class LoadedChain:
    """Programs ready to run; every method returns when the device is done."""

    def __init__(self, programs: ChainPrograms, seed: int) -> None:
        self._programs = programs
        self._state, self._fixed = jax.block_until_ready(programs.begin(np.uint32(seed)))

    def call(self) -> None:
        """One isolated call."""
        jax.block_until_ready(self._programs.step(self._state, self._fixed))

    def loop(self, steps: int) -> None:
        """One call of the loop with that many steps."""
        state = self._programs.looped(np.int32(steps), self._state, self._fixed)
        self._state = jax.block_until_ready(state)

    def is_finite(self) -> bool:
        """Whether the result of the last step is finite."""
        result = self._programs.chain.result(self._state)
        return bool(np.isfinite(np.asarray(result, np.float32)).all())


class ChainBench:
    """Compiles and times chains, and reads their energies, one after another on one device.

    Args:
        rules: how to measure.
        device: which device; None is JAX's first.
        watch, prepare, energy: clock and meter, compiler, and what reads the energy of a step;
            keyword-only.
        most_bytes: of memory that may be used; None: the rules' share of what is free.
            keyword-only.
    Attributes:
        description: the device, what two timings must share, and this process, as plain values.
    """

    def __init__(
        self,
        rules: TimingRules,
        device: jax.Device | None = None,
        *,
        watch: Stopwatch | None = None,
        prepare: Callable[[Chain, jax.Device], Any] = compile_chain,
        energy: EnergyReader | None = None,
        most_bytes: float | None = None,
    ) -> None:
        self.rules = rules
        self.device = device or jax.devices()[0]
        self.watch = watch or Stopwatch(meter=meter_for(self.device), processors=processors())
        self.description = describe(self.device, self.watch.processors, self.watch.now())
        self._prepare, self._energy = prepare, energy
        free = free_memory_bytes(self.device)
        share = math.inf if free is None else rules.memory_fraction * free
        self._most_bytes = share if most_bytes is None else most_bytes

    def measure(self, build: Callable[[], Chain], *, energy: bool = False) -> dict[str, Any]:
        """One row: times in s, energy in J or empty with the reason, and what says how good they
        are; clocks in Hz and temperature in °C where the device tells them.

        Args:
            build: makes the chain; what fails in it is told in the row, as all else that does.
            energy: whether the energy of a step is read, keyword-only.
        """
        track = Track(_STAND_IN)
        self._compile(track, build)
        for _ in range(self.rules.rounds):
            visit(track, self.rules, self.watch)
            if track.found.status or converged(
                track.found.loops, self.rules, self.watch.processors
            ):
                break
        read: Mapping[str, Any] = {}
        if energy and not track.found.status:
            self._energy = self._energy or self._counter()
            read = self._energy(track, self.rules)
        state = device_state(self.device)
        row = _row(track.found, self.rules, self.watch, read)
        reasons = " ".join(state.get("throttle_reasons", ()))
        return row | {name: state.get(name) for name in _CLOCKS} | {"throttle_reasons": reasons}

    def _counter(self) -> EnergyReader:
        return CounterReader(power_meter_for(self.device), self.watch)

    def _compile(self, track: Track, build: Callable[[], Chain]) -> None:
        try:
            programs = self._prepare(build(), self.device)
        except Exception as error:  # whatever one network does, the others are still measured
            line = " ".join(str(error).split()) or type(error).__name__
            track.stop("error", line[:200])
            return
        track.programs = programs
        track.note(compile_s=programs.compile_s, memory_bytes=programs.memory_bytes)
        if programs.memory_bytes > self._most_bytes:
            track.stop("oom", f"needs {programs.memory_bytes / 1e9:.3g} GB")


def _row(
    found: Visit, rules: TimingRules, watch: Stopwatch, read: Mapping[str, Any]
) -> dict[str, Any]:
    why = rejections(found.loops, processors=watch.processors)
    loop = summary_of(found.loops, why, rules)
    gates = rejections(found.calls, processors=watch.processors)
    calls = summary_of(found.calls, gates, rules)
    status, error = found.status, found.error
    if not status and loop is not None:
        status, error = _verdict(found, disturbance(loop, why, found.doubling, rules))
    timed = loop is not None and status in ("ok", "noisy")
    return {
        "time_s": loop.value if loop and timed else None,
        "call_time_s": calls.value if calls and timed else None,
        "energy_j": read.get("energy_j"),
        "energy_reason": read.get("reason", "" if read else "not asked for"),
        "power_w": read.get("power_w"),
        "idle_power_w": read.get("idle_power_w"),
        "window_s": read.get("window_s"),
        "meter": read.get("meter", ""),
        "status": status or "skipped",
        "error": error,
        "loop_lo_s": loop.lower if loop else None,
        "loop_hi_s": loop.upper if loop else None,
        "samples": len(found.loops),
        "accepted_fraction": accepted_share(why),
        "doubling_ratio": found.doubling.ratio,
        "compile_s": found.compile_s,
        "memory_bytes": found.memory_bytes,
    }


def _verdict(found: Visit, disturbed: str) -> tuple[str, str]:
    if found.doubling.failed:
        return "eliminated", found.doubling.reason
    return ("noisy", disturbed) if disturbed else ("ok", "")

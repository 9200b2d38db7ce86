"""Timing what is larger than a layer, by the same rules: a network's pass, an epoch of training."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from epochs import Epochs
from jax import lax
from jaxtyping import Array
from networks import Network

import jaxcost as jc
from jaxcost.measure import Stopwatch, TimingRules
from jaxcost.measure.clock.bench import EnergyReader, Track, visit
from jaxcost.measure.clock.gates import rejections
from jaxcost.measure.clock.programs import _memory_bytes, _tie
from jaxcost.measure.clock.statistics import summarise
from jaxcost.measure.clock.visit import Visit
from jaxcost.measure.records import converged

State = Any
_STAND_IN = jc.LayerSpec(op="dense", c_in=1, c_out=1)  # of a track: `visit` asks its programs alone


@dataclasses.dataclass(frozen=True)
class Whole:
    """Work in steps each of which depends on the one before.

    Args:
        begin: from a seed, what changes from step to step and what does not.
        step: one step.
        result: an array of the state that holds no number that is not finite.
    """

    begin: Callable[[Array], tuple[State, Any]]
    step: Callable[[State, Any], State]
    result: Callable[[State], Array]


def forward_pass(network: Network, *, barrier: bool = False) -> Whole:
    """A network's pass as a step: the first bytes of its input hang on the output before.

    Args: barrier: as in `programs.chained_loop`, keyword-only.
    """
    shapes = network.trace().shapes
    output = jax.eval_shape(
        network.forward,
        [jax.ShapeDtypeStruct(shape, jnp.dtype(network.dtype)) for shape in shapes],
        jax.ShapeDtypeStruct(network.input_shape, jnp.dtype(network.dtype)),
    )

    def begin(seed: Array) -> tuple[State, Any]:
        keys = jax.random.split(jax.random.key(seed), len(shapes) + 1)
        weights = [
            jax.random.normal(key, shape, network.dtype) / math.sqrt(math.prod(shape[:-1]))
            for key, shape in zip(keys, shapes)
        ]
        x = jax.random.normal(keys[-1], network.input_shape, network.dtype)
        return (x, jnp.zeros(output.shape, output.dtype)), (weights, jnp.zeros((), bool))

    def step(state: State, fixed: Any) -> State:
        x, _ = state
        weights, swap = fixed
        y = network.forward(weights, x)
        y = lax.optimization_barrier(y) if barrier else y
        first = lax.slice(y, (0,) * y.ndim, (1,) * y.ndim).reshape(())
        return _tie(x, swap, first), y

    return Whole(begin, step, lambda state: state[1])


def epoch_of_training(epochs: Epochs) -> Whole:
    """An epoch of training as a step."""
    return Whole(epochs.begin, epochs.epoch, lambda state: state[-1])


def compile_whole(whole: Whole, device: jax.Device) -> "WholePrograms":
    """Compiles the call of one step and the loop of many ahead of time."""
    start = time.perf_counter()
    with jax.default_device(device):
        begin = jax.jit(whole.begin).lower(np.uint32(0)).compile()
        state, fixed = jax.eval_shape(whole.begin, np.uint32(0))
        call = jax.jit(whole.step).lower(state, fixed).compile()

        def loop(steps: Array, state: State, fixed: Any) -> State:
            return lax.fori_loop(0, steps, lambda _, state: whole.step(state, fixed), state)

        looped = jax.jit(loop, donate_argnums=1).lower(np.int32(1), state, fixed).compile()
    needed = max(_memory_bytes(call), _memory_bytes(looped))
    return WholePrograms(whole, begin, call, looped, needed, time.perf_counter() - start)


@dataclasses.dataclass(frozen=True)
class WholePrograms:
    """What was compiled; `programs.Programs` of a layer, without a text to prove its work by."""

    whole: Whole
    begin: Callable[..., Any]
    step: Callable[..., Any]
    looped: Callable[..., Any]
    memory_bytes: int
    compile_s: float
    hlo_text: str = ""

    def load(self, seed: int) -> "LoadedWhole":
        """The programs with random weights and data on the device."""
        return LoadedWhole(self, seed)


class LoadedWhole:
    """Programs ready to run; every method returns when the device is done."""

    def __init__(self, programs: WholePrograms, seed: int) -> None:
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
        result = self._programs.whole.result(self._state)
        return bool(np.isfinite(np.asarray(result, np.float32)).all())


def measure_whole(
    prepare: Callable[[], Any],
    rules: TimingRules,
    watch: Stopwatch,
    *,
    energy: EnergyReader | None = None,
    most_bytes: float = math.inf,
) -> dict[str, Any]:
    """One row: times in s, energy in J or empty with the reason, and what says how good they are.

    Args:
        prepare: compiles; `compile_whole`, or a fake.
        rules, watch: as for layers.
        energy: reads the energy of a step, keyword-only as is the next; None reads none.
        most_bytes: of memory that may be used.
    """
    track = Track(_STAND_IN)
    try:
        track.programs = programs = prepare()
    except Exception as error:  # whatever one network does, the others are still measured
        line = " ".join(str(error).split()) or type(error).__name__
        track.stop("error", line[:200])
        return _row(track.found, rules, watch, {})
    track.note(compile_s=programs.compile_s, memory_bytes=programs.memory_bytes)
    if programs.memory_bytes > most_bytes:
        track.stop("oom", f"needs {programs.memory_bytes / 1e9:.3g} GB")
    for _ in range(rules.rounds):
        visit(track, rules, watch)
        if track.found.status or converged(track.found.loops, rules, watch.processors):
            break
    read: Mapping[str, Any] = {}
    if energy is not None and not track.found.status:
        read = energy(track, rules)
    return _row(track.found, rules, watch, read)


def _row(
    found: Visit, rules: TimingRules, watch: Stopwatch, read: Mapping[str, Any]
) -> dict[str, Any]:
    why = rejections(found.loops, processors=watch.processors)
    good = [block.step_s for block, reason in zip(found.loops, why) if not reason]
    loop = summarise(good or [b.step_s for b in found.loops], rules.quantile, rules.confidence)
    calls = summarise([block.step_s for block in found.calls], rules.quantile)
    accepted = len(good) / len(why) if why else math.nan
    status, error = found.status, found.error
    if not status and loop is not None:
        status, error = _verdict(found, loop.half_width, accepted, rules)
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
        "accepted_fraction": accepted,
        "doubling_ratio": found.doubling.ratio,
        "compile_s": found.compile_s,
        "memory_bytes": found.memory_bytes,
    }


def _verdict(
    found: Visit, half_width: float, accepted: float, rules: TimingRules
) -> tuple[str, str]:
    if found.doubling.failed:
        return "eliminated", found.doubling.reason
    if accepted < rules.least_accepted:
        return "noisy", f"only {accepted:.0%} of the blocks count"
    if found.doubling.reason:
        return "noisy", found.doubling.reason
    if not half_width <= rules.noisy:
        return "noisy", f"the interval is ± {half_width:.1%}, over {rules.noisy:.0%}"
    return "ok", ""

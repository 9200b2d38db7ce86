"""Measuring layers: in this process, or by fresh ones that leave every visit in a store."""

import contextlib
import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from jaxcost.measure.clock.bench import Bench
from jaxcost.measure.clock.memory import free_memory_bytes
from jaxcost.measure.clock.probes import PROBE
from jaxcost.measure.clock.programs import compile_layer
from jaxcost.measure.clock.proofs import Peaks
from jaxcost.measure.clock.timing import Stopwatch, TimingRules
from jaxcost.measure.clock.track import Prepare
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.process.identity import describe
from jaxcost.measure.process.schedule import OpenWorker, Progress, Sweep, SweepPlan
from jaxcost.measure.process.supervisor import Worker
from jaxcost.measure.process.wire import Visit
from jaxcost.measure.results import Measurements, collect
from jaxcost.measure.store import IN_MEMORY, Store, StoreError


def measure_layers(
    layers: Sequence[LayerSpec],
    *,
    rules: TimingRules | None = None,
    budget_s: float = math.inf,
    progress: Callable[[Progress], None] | None = None,
    device: jax.Device | None = None,
    peaks: Peaks | None = None,
    watch: Stopwatch | None = None,
    prepare: Prepare = compile_layer,
    free_memory: Callable[[jax.Device], int | None] = free_memory_bytes,
) -> Measurements:
    """Times layers in this process, without a store: for a look, and for tests.

    Args:
        layers: what to measure; equal ones are measured once.
        rules: see `TimingRules`, whose defaults hold where there are none.
        budget_s: after this time in s no visit is begun.
        progress: called after each visit.
        device: default: the first of `jax.devices()`.
        peaks: the device's peaks where they are known; otherwise measured along the way.
        watch, prepare, free_memory: clock and meter, compiler, and free bytes of the device.
    Returns:
        A record for every layer, whatever became of it.
    Raises:
        ValueError: no layers, or a budget that is not positive.
    """
    rules = rules or TimingRules()
    bench = Bench(rules, device, watch=watch, prepare=prepare, free_memory=free_memory)
    plan = SweepPlan(rules=rules, budget_s=budget_s)
    _check(layers, plan)
    with Store.create(IN_MEMORY) as store:
        sweep = Sweep(store, layers, plan, _local(bench), progress=progress, now=bench.now)
        sweep.run()
        assert sweep.partition
        return collect(
            store, sweep.partition, rules, layers=layers, peaks=peaks, elapsed_s=sweep.elapsed_s
        )


def measure_into(
    path: str | Path,
    layers: Sequence[LayerSpec],
    plan: SweepPlan,
    *,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    open_worker: OpenWorker | None = None,
) -> tuple[Measurements, Sweep]:
    """Times layers in fresh processes, each visit on disk before the next begins.

    Args:
        path: of the store, made if there is none.
        layers, plan: what to measure, and how.
        resume: whether to go on with what the store has; without it a store that has any is
            refused, keyword-only.
        progress: called after each visit, keyword-only.
        open_worker: begins a process; another one in tests, keyword-only.
    Returns:
        What the store then holds of the layers, and the sweep that has run.
    Raises:
        ValueError: no layers, a budget that is not positive.
        StoreError: a store that cannot be used, is in use, or holds another sweep's work.
        SweepStoppedError, StoreFullError: the sweep cannot go on.
    """
    _check(layers, plan)
    open_worker = open_worker or functools.partial(_process, plan)
    with Store.create(path) as store, store.lock():
        if not resume and store.has_attempts():
            raise StoreError(
                f"store {str(path)!r} has measurements already; "
                "go on with --resume, or give another file"
            )
        sweep = Sweep(store, layers, plan, open_worker, progress=progress)
        sweep.run()
        assert sweep.partition
        found = collect(
            store, sweep.partition, plan.rules, layers=layers, elapsed_s=sweep.elapsed_s
        )
        return found, sweep


class LocalWorker:
    """A bench in this process where a worker is wanted."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.description = describe(bench.device, bench.processors, bench.now())

    def visit(self, layer: LayerSpec, *, energy: bool, timeout_s: float) -> Visit:
        """One visit; nobody watches the time."""
        del timeout_s
        return self._bench.visit(layer, energy=energy)


def _local(bench: Bench) -> OpenWorker:
    return lambda platform: contextlib.nullcontext(LocalWorker(bench))


def _process(plan: SweepPlan, platform: str) -> Worker:
    return Worker(plan.rules, energy=plan.energy, platform=platform)


def _check(layers: Sequence[LayerSpec], plan: SweepPlan) -> None:
    if not layers:
        raise ValueError("layers is empty; give at least one layer")
    if not plan.budget_s > 0:
        raise ValueError(f"budget_s = {plan.budget_s} is not allowed; give a time above 0 s")
    if any(layer.sweep == PROBE for layer in layers):
        raise ValueError(f"sweep = {PROBE!r} is kept for the probes; give another name")

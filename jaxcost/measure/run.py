"""Measuring this device, as the commands do: what is to be measured on it, and measuring it, in
fresh processes that leave every visit in a store, or in this one.
"""

import contextlib
import dataclasses
import functools
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxcost._support.messages import unknown
from jaxcost.device import Device
from jaxcost.device.facts import from_facts
from jaxcost.measure.clock.bench import Bench, Prepare, free_memory_bytes
from jaxcost.measure.clock.programs import compile_layer
from jaxcost.measure.clock.proofs import PROBE, Peaks
from jaxcost.measure.clock.timing import Stopwatch, TimingRules
from jaxcost.measure.designs import check_sweep, sweep_layers
from jaxcost.measure.designs.presets import PRESETS, Preset, preset, with_layers_of
from jaxcost.measure.layers import LayerSpec
from jaxcost.measure.process.schedule import OpenWorker, Progress, Sweep, SweepPlan
from jaxcost.measure.process.worker import Worker, WorkerDiedError
from jaxcost.measure.results import Measurements, collect
from jaxcost.measure.store import IN_MEMORY, Store, StoreError

PROCESSES = 3  # fresh ones: the spread between them is part of the result


def measure(
    sweep: str,
    store: str | Path = "measurements.db",
    *,
    resume: bool = False,
    processes: int = PROCESSES,
    dtypes: Sequence[str] = (),
    energy: bool = False,
    budget_s: float = math.inf,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Measurements:
    """Times a sweep of layers on this device into a store, as `jaxcost measure` does.

    Args:
        sweep: by name (`jaxcost measure --sweep list` shows them), or a table in a CSV file.
        store: the file in which every timing is kept before the next begins.
        resume: whether to go on with what the store has, keyword-only.
        processes: how many fresh ones, one after another, keyword-only.
        dtypes: precisions to measure in; empty: float32, or what the table says. keyword-only.
        energy: whether to read energies, too, which takes 5 s a layer at least. keyword-only.
        budget_s: after this time, in s, no visit is begun, keyword-only.
        seed: of the order, keyword-only.
        progress: called after each visit, keyword-only.
    Returns: what the store then holds of these layers; `to_frame` is a table of layers.
    Raises: ValueError: an unknown sweep or precision, no device; StoreError: a store that cannot be
        used, or holds another sweep's work.
    """
    _, planned = planned_sweep(
        sweep, processes=processes, dtypes=dtypes, energy=energy, budget_s=budget_s, seed=seed
    )
    return measure_into(store, planned.layers, planned.plan, resume=resume, progress=progress)[0]


def planned_sweep(
    sweep: str,
    *,
    processes: int = PROCESSES,
    dtypes: Sequence[str] = (),
    energy: bool = False,
    budget_s: float = math.inf,
    seed: int = 0,
) -> tuple[Device, Preset]:
    """This device, and what `measure` would measure on it; arguments as there."""
    check_sweep(sweep, dtypes)
    device, platform = look()
    memory = float(device.memory[-1].capacity) if device.memory else None
    layers = sweep_layers(sweep, platform, dtypes, memory)
    rules = TimingRules(seed=seed, longest_step_s=2.0)
    plan = SweepPlan(rules=rules, processes=processes, budget_s=budget_s, energy=energy)
    return device, Preset(sweep, layers, plan)


def planned_preset(
    name: str,
    *,
    dtype: str = "float32",
    budget_s: float | None = None,
    seed: int = 0,
    program: Sequence[LayerSpec] = (),
) -> tuple[Device, Preset]:
    """This device, and what a calibration of it measures.

    Args:
        name: one of `PRESETS`.
        dtype: precision to measure in, keyword-only.
        budget_s: in s; None: the preset's own. keyword-only.
        seed: of the order, keyword-only.
        program: layers to measure besides, as far as they are of that precision; keyword-only.
    Raises: ValueError: an unknown preset or precision, a program without any, no device.
    """
    if name not in PRESETS:
        raise ValueError(unknown("preset", name, PRESETS))
    check_sweep(name, [dtype])
    device, platform = look()
    found = preset(name, platform)
    own = [layer for layer in program if layer.dtype == dtype]
    if program and not own:
        raise ValueError(
            f"the program has no layer in {dtype}, but in {program[0].dtype}; measure in that dtype"
        )
    found = with_layers_of(own, found) if own else found
    rules = dataclasses.replace(found.plan.rules, seed=seed)
    seconds = found.plan.budget_s if budget_s is None else budget_s
    plan = dataclasses.replace(found.plan, rules=rules, budget_s=seconds)
    layers = [dataclasses.replace(layer, dtype=dtype) for layer in found.layers]
    return device, dataclasses.replace(found, layers=layers, plan=plan)


def look() -> tuple[Device, str]:
    """The device that JAX gives a fresh process, and its platform; this process takes none.

    Raises:
        ValueError: JAX sees no such device.
    """
    try:
        with Worker(TimingRules()) as worker:
            found: dict[str, Any] = dict(worker.description)
    except WorkerDiedError as error:
        asked = os.environ.get("JAX_PLATFORMS")
        where = f" with JAX_PLATFORMS = {asked!r}" if asked else ""
        raise ValueError(
            f"JAX finds no device to measure{where} ({error.words}); "
            "choose another with JAX_PLATFORMS, or install the JAX that drives it"
        ) from None
    return from_facts(found["device"]), str(found["fingerprint"]["platform"])


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
        sweep = Sweep(
            store,
            layers,
            plan,
            lambda platform: contextlib.nullcontext(bench),
            progress=progress,
            now=bench.watch.now,
        )
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
    also: Sequence[LayerSpec] = (),
    progress: Callable[[Progress], None] | None = None,
    open_worker: OpenWorker | None = None,
) -> tuple[Measurements, Sweep]:
    """Times layers in fresh processes, each visit on disk before the next begins.

    Args:
        path: of the store, made if there is none.
        layers, plan: what to measure, and how.
        resume: whether to go on with what the store has; without it a store that has any is
            refused, keyword-only.
        also: layers that the store has from earlier sweeps, to be among what is returned, before
            the others; keyword-only.
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
        of_all = [*also, *layers]
        found = collect(
            store, sweep.partition, plan.rules, layers=of_all, elapsed_s=sweep.elapsed_s
        )
        return found, sweep


def _process(plan: SweepPlan, platform: str) -> Worker:
    return Worker(plan.rules, energy=plan.energy, platform=platform)


def _check(layers: Sequence[LayerSpec], plan: SweepPlan) -> None:
    if not layers:
        raise ValueError("layers is empty; give at least one layer")
    if not plan.budget_s > 0:
        raise ValueError(f"budget_s = {plan.budget_s} is not allowed; give a time above 0 s")
    if any(layer.sweep == PROBE for layer in layers):
        raise ValueError(f"sweep = {PROBE!r} is kept for the probes; give another name")

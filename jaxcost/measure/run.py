"""Measuring this device, as the commands do: what is to be measured on it, and measuring it."""

import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxcost._support.messages import unknown
from jaxcost.device import Device
from jaxcost.device.facts import from_facts
from jaxcost.measure.clock.timing import TimingRules
from jaxcost.measure.designs import check_sweep, sweep_layers
from jaxcost.measure.designs.presets import PRESETS, Preset, preset
from jaxcost.measure.process.runner import measure_into
from jaxcost.measure.process.schedule import Progress, SweepPlan
from jaxcost.measure.process.supervisor import Worker, WorkerDiedError
from jaxcost.measure.results import Measurements

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
    name: str, *, dtype: str = "float32", budget_s: float | None = None, seed: int = 0
) -> tuple[Device, Preset]:
    """This device, and what a calibration of it measures.

    Args:
        name: one of `PRESETS`.
        dtype: precision to measure in, keyword-only.
        budget_s: in s; None: the preset's own. keyword-only.
        seed: of the order, keyword-only.
    Raises: ValueError: an unknown preset or precision, no device.
    """
    if name not in PRESETS:
        raise ValueError(unknown("preset", name, PRESETS))
    check_sweep(name, [dtype])
    device, platform = look()
    found = preset(name, platform)
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

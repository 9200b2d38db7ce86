"""Where the search begins: typical values, in the scale of the data."""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array

from jaxcost.calibrate.fit.space import Space
from jaxcost.models.base import Parameter
from jaxcost.workload import Workload, counts
from jaxcost.workload.runs import TrainingRun

# The quantile that stands for the smallest: a few faulty rows must not set a scale, because the
# loss is flat where a floor is far too low or a rate far too high.
_SMALL = 0.1
_RUN_UNITS = ("run", "pass", "layer", "access", "operation")
_SCATTER = 1.0  # standard deviation of ln(start), where the parameter declares no spread


def work_of(workloads: Workload | TrainingRun) -> dict[str, np.ndarray]:
    """How much each row does, by unit, each of shape `(rows,)`: FLOPs and bytes moved.

    Of runs of training, over an epoch: also operations, passes, layers and accesses in passes.
    """
    if isinstance(workloads, TrainingRun):
        return _work_of_runs(workloads)
    return {
        "FLOP": _per_row(counts.flops, workloads),
        "B": _per_row(counts.bytes_moved, workloads),
    }


def starting_points(
    space: Space, work: dict[str, np.ndarray], observed: np.ndarray, *, number: int, seed: int
) -> np.ndarray:
    """Vectors `z` to start from, shape `(number, parameters)`: a typical one, then scattered ones.

    Args: work: of the rows, as from `work_of`; observed: what they cost, shape `(rows,)`.
    """
    typical = typical_point(space, work, observed)
    spread = np.array([p.spread or _SCATTER for p in space.parameters])
    noise = np.random.default_rng(seed).standard_normal((number, len(typical)))
    noise[0] = 0
    return typical + spread * noise


def typical_point(space: Space, work: dict[str, np.ndarray], observed: np.ndarray) -> np.ndarray:
    """The vector `z` of typical values, shape `(parameters,)`; arguments as `starting_points`.

    A parameter without a declared start gets one from its unit and the data: a rate (FLOP/s, B/s)
    about the fastest seen, a cost by itself (s, J) about the smallest seen, a cost per FLOP or
    byte the median.
    """
    natural = _natural_scales(work, observed)
    return space.vector({p.name: _start(p, natural) for p in space.parameters})


def _start(p: Parameter, natural: dict[str, float]) -> float:
    if p.start is not None:
        return p.start
    if p.unit in natural:
        return natural[p.unit]
    if np.isfinite(p.lower) and np.isfinite(p.upper):
        return (p.lower + p.upper) / 2
    return 1.0 + p.lower if np.isfinite(p.lower) else 0.0


def _natural_scales(work: dict[str, np.ndarray], observed: np.ndarray) -> dict[str, float]:
    smallest = np.quantile(observed, _SMALL)
    scales = {"s": smallest, "J": smallest}
    for unit, amount in work.items():
        some = amount > 0
        if some.any() and unit in _RUN_UNITS:
            # Of what a run consists of, no one is known to be the greatest part.
            scales[f"J/{unit}"] = np.quantile(observed[some] / amount[some], _SMALL)
        elif some.any():
            pace = observed[some] / amount[some]
            scales[f"{unit}/s"] = 1 / np.quantile(pace, _SMALL)
            scales |= {f"s/{unit}": np.median(pace), f"J/{unit}": np.median(pace)}
    return {unit: float(value) for unit, value in scales.items()}


def _work_of_runs(runs: TrainingRun) -> dict[str, np.ndarray]:
    passes = np.asarray(runs.passes)
    flops, moved = (_per_row(c, runs.workload) for c in (counts.flops, counts.bytes_moved))
    layers = np.asarray(runs.workload.repeat.sum(-1))
    return {
        "run": np.ones_like(passes),
        "pass": passes,
        "layer": passes * layers,
        "access": passes * (layers + 1),
        "operation": passes * flops,
        "B": passes * moved,
    }


def _per_row(count: Callable[[Workload], Array], workloads: Workload) -> np.ndarray:
    amount = np.asarray(jax.jit(count)(workloads) * workloads.repeat)
    return amount if amount.ndim == 1 else amount.sum(-1)

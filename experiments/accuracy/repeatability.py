"""How well timings repeat between fresh processes, alone and beside a busy neighbour.

    python experiments/accuracy/repeatability.py [--processes 10] [--out OUT]

Twelve layers are timed in fresh processes, one after another; then again while another program
keeps one core busy. For each layer: the coefficient of variation between processes of the figure
that is reported (25th percentile of the undisturbed loop blocks), and of others that could be.
Convolutions and products above 5 ms are also timed by NumPy's BLAS or by calls of the compiled
layer without a loop, in the same run.
"""

import argparse
import contextlib
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import lax

from jaxcost.measure import (
    LayerSpec,
    Store,
    SweepPlan,
    TimingRules,
    measure_into,
    measure_layers,
    rejections,
)

LAYERS = [
    LayerSpec(op="dense", batch=1, c_in=512, c_out=512, sweep="memory-bound"),
    LayerSpec(op="dense", batch=1, c_in=4096, c_out=1024, sweep="memory-bound"),
    LayerSpec(op="dense", batch=64, c_in=256, c_out=256, sweep="small"),
    LayerSpec(op="conv2d", in_h=14, in_w=14, c_in=32, c_out=32, k_h=3, k_w=3, sweep="small"),
    LayerSpec(op="dense", batch=512, c_in=1024, c_out=1024, sweep="compute-bound"),
    LayerSpec(op="dense", batch=1024, c_in=2048, c_out=2048, sweep="compute-bound"),
    LayerSpec(op="dense", batch=2048, c_in=1024, c_out=1024, sweep="compute-bound"),
    LayerSpec(
        op="conv2d", in_h=56, in_w=56, c_in=64, c_out=64, k_h=3, k_w=3, sweep="compute-bound"
    ),
    LayerSpec(
        op="conv2d", batch=8, in_h=28, in_w=28, c_in=128, c_out=128, k_h=3, k_w=3,
        sweep="compute-bound",
    ),
    LayerSpec(op="conv2d", batch=4, in_h=56, in_w=56, c_in=64, c_out=256, sweep="compute-bound"),
    LayerSpec(
        op="conv2d", batch=4, in_h=112, in_w=112, c_in=32, c_out=64, k_h=3, k_w=3,
        sweep="compute-bound",
    ),
    LayerSpec(
        op="conv2d", batch=4, in_h=28, in_w=28, c_in=96, c_out=96, k_h=3, k_w=3, groups=96,
        sweep="compute-bound",
    ),
]  # fmt: skip
RULES = TimingRules(rounds=4, most_rounds=4, converged=0.0)
METHODS = ("reported", "loop median", "loop minimum", "loop mean, ungated", "call median, ungated")
_INDEPENDENT_S = 5e-3


def figures(loops: list, calls: list, processors: int) -> dict[str, float]:
    """What one process would report of one layer by each method, in s."""
    why = rejections(loops, processors=processors)
    steps = np.array([block.step_s for block in loops])
    good = steps[[not reason for reason in why]]
    counted = good if len(good) else steps
    return {
        "reported": float(np.quantile(counted, RULES.quantile)),
        "loop median": float(np.median(counted)),
        "loop minimum": float(counted.min()),
        "loop mean, ungated": float(steps.mean()),
        "call median, ungated": float(np.median([block.step_s for block in calls])),
        "accepted": len(good) / len(steps),
    }


def by_process(processes: int) -> tuple[pd.DataFrame, dict[LayerSpec, str]]:
    """Each layer's figures in each of so many fresh processes, and its status over all."""
    # A process here stands for one run; `most_rounds` is shared out among them.
    rounds = RULES.most_rounds * processes
    rules = TimingRules(rounds=rounds, most_rounds=rounds, converged=0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.db"
        found, sweep = measure_into(path, LAYERS, SweepPlan(rules=rules, processes=processes))
        with Store.existing(path) as store:
            assert sweep.partition
            attempts = [a for a in store.attempts(sweep.partition) if a.layer in LAYERS]
        processors = int(sweep.partition.fingerprint["processors"] or 1)
    gathered: dict[tuple[int, int], tuple[list, list]] = {}
    for attempt in attempts:
        key = (LAYERS.index(attempt.layer), attempt.process)
        loops, calls = gathered.setdefault(key, ([], []))
        loops += attempt.visit.loops
        calls += attempt.visit.calls
    rows = [
        {"layer": layer, "process": process} | figures(*blocks, processors)
        for (layer, process), blocks in gathered.items()
    ]
    return pd.DataFrame(rows), {r.layer: r.status for r in found.records}


def variation(frame: pd.DataFrame, statuses: dict[LayerSpec, str]) -> pd.DataFrame:
    """Coefficient of variation between processes by layer and method."""
    groups = frame.groupby("layer")
    spread = groups[list(METHODS)].std() / groups[list(METHODS)].mean()
    return spread.assign(
        name=[in_words(layer) for layer in LAYERS],
        kind=[layer.sweep for layer in LAYERS],
        time_ms=1e3 * groups["reported"].median(),
        accepted=groups["accepted"].mean(),
        status=[statuses[layer] for layer in LAYERS],
    )


@contextlib.contextmanager
def busy_neighbour() -> Iterator[None]:
    """Within it, another program keeps one core busy."""
    program = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(program.pid, {max(os.sched_getaffinity(0))})
    try:
        yield
    finally:
        program.kill()
        program.wait()


def independent() -> pd.DataFrame:
    """Layers above 5 ms: the loop's step beside another way to time the same work."""
    return pd.DataFrame(filter(None, map(beside_others, LAYERS)))


def beside_others(layer: LayerSpec) -> dict[str, object] | None:
    """The loop's step, a plain loop over the compiled call, and NumPy's product; None if short."""
    rng = np.random.default_rng(0)
    shapes = layer.input_shape, layer.weight_shape
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    call, on_device = jax.jit(product(layer)), jax.device_put((x, w))

    def one_call() -> None:
        call(*on_device).block_until_ready()

    if _quarter(one_call, 20) < _INDEPENDENT_S:
        return None
    (record,) = measure_layers([layer], rules=RULES).records
    calls = _quarter(one_call, 100)
    blas = _quarter(lambda: x @ w, 100) if layer.op == "dense" else math.nan
    return {
        "layer": in_words(layer),
        "loop_ms": 1e3 * record.loop_time_s,
        "call_ms": 1e3 * calls,
        "loop_over_call": record.loop_time_s / calls,
        "numpy_ms": 1e3 * blas,
        "loop_over_numpy": record.loop_time_s / blas,
    }


def product(layer: LayerSpec) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """A dense layer, or a convolution padded to the same size, as JAX has them."""
    if layer.op == "dense":
        return jnp.matmul
    return lambda x, w: lax.conv_general_dilated(
        x, w, (layer.stride, layer.stride), "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=layer.groups,
    )  # fmt: skip


def in_words(layer: LayerSpec) -> str:
    """A layer's sizes in a few characters."""
    place = f"{layer.batch}×{layer.in_h}×{layer.in_w}×{layer.c_in}"
    return f"{layer.op} {place}→{layer.c_out} k{layer.k_h}"


def _quarter(run: Callable[[], object], repeats: int) -> float:
    """25th percentile of so many timings, in s."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return float(np.quantile(times, 0.25))


def main() -> None:
    """Prints the tables and writes them as CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("experiments/accuracy/repeatability"))
    options = parser.parse_args()
    found = []
    for neighbour in (False, True):
        with busy_neighbour() if neighbour else contextlib.nullcontext():
            table = variation(*by_process(options.processes))
        found.append(table.assign(neighbour="busy" if neighbour else "none"))
        print("\nbeside a busy neighbour" if neighbour else "\nalone")
        shown = table[["name", "kind", "time_ms", *METHODS, "accepted", "status"]]
        print(shown.round(4).to_string(index=False))
        print(f"median layer {table['reported'].median():.2%}, worst {table['reported'].max():.2%}")
    pd.concat(found).round(5).to_csv(options.out.with_suffix(".csv"), index=False)
    beside = independent()
    print("\nbeside other ways to time the same work\n", beside.round(3).to_string(index=False))
    beside.round(5).to_csv(f"{options.out}_independent.csv", index=False)


if __name__ == "__main__":
    main()

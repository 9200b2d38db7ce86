"""How fast the package is: predictions, gradients, fits, and import, each beside a yardstick.

    python experiments/speed/speed.py [--table LAYERS.csv] [--out experiments/speed/speed.json]

Every figure is the median of repetitions with its range; those that are compared are measured in
turns in the same run. Without a table, a made-up one of 439 rows is fitted.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.optimize import least_squares

import jaxcost as jc
from jaxcost.device import device
from jaxcost.models import parameters_of
from jaxcost.workload import counts

MILLION = 1_000_000
ROBUST = 0.1  # ln ratio from which a row counts ever less, as in `jc.fit_model`


def timed(call: Callable[[], object]) -> float:
    """Wall-clock seconds of a call, its arrays awaited."""
    begin = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - begin


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and range, in seconds."""
    return {
        "median_s": statistics.median(seconds),
        "least_s": min(seconds),
        "most_s": max(seconds),
        "repetitions": len(seconds),
    }


def in_turns(calls: dict[str, Callable[[], object]], repetitions: int) -> dict[str, dict]:
    """Each call once untimed, then all in turns."""
    first = {name: timed(call) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repetitions):
        for name, call in calls.items():
            seconds[name].append(timed(call))
    return {name: {"first_s": first[name], **spread(seconds[name])} for name in calls}


def made_up_table(rows: int = 439, seed: int = 0) -> pd.DataFrame:
    """Layers of random sizes on a made-up device with 3 % noise, in the layer-table format."""
    draw = np.random.default_rng(seed)
    kernel = draw.choice([1, 1, 3, 5], rows)
    spatial = draw.choice([1, 7, 14, 28, 56], rows)
    frame = pd.DataFrame(
        {
            "sweep": draw.choice(["a", "b", "c"], rows),
            "op": "conv2d",
            "batch": draw.choice([1, 8, 32], rows),
            "in_h": spatial,
            "in_w": spatial,
            "c_in": draw.integers(8, 512, rows),
            "c_out": draw.integers(8, 512, rows),
            "k_h": kernel,
            "k_w": kernel,
            "stride": 1,
            "padding": "same",
            "groups": 1,
            "dtype": "float32",
        }
    )
    typical = jc.AlphaRoofline(
        rate=2e12, conv_ratio=1, spatial_ratio=1.5, grouped_ratio=1, bandwidth=1e11,
        weight_ratio=1, spatial_weight_ratio=0.3, kernel_exponent=0.9, half_run=40,
        half_c_out=20, misaligned=1.5, half_taps_grouped=10, half_c_out_grouped=20, floor=1e-4,
        sharpness=4,
    )  # fmt: skip
    seconds = np.asarray(typical.layer_costs(jc.from_table(frame), device("quadro-t2000")))
    return frame.assign(time_s=seconds * np.exp(0.03 * draw.standard_normal(rows)))


def predictions(frame: pd.DataFrame) -> dict[str, dict]:
    """One layer and a million, forward and with gradients by every size, from a calibration."""
    where = device("quadro-t2000")
    fitted = jc.fit(frame, where, model="alpha-roofline", correction=True).models["time_s"]
    forward = jax.jit(lambda layers: fitted.cost(layers, where))
    gradient = jax.jit(jax.grad(lambda layers: fitted.cost(layers, where)))
    one = jc.from_table(frame)[:1]
    places = np.random.default_rng(1).integers(0, len(frame), MILLION)
    many = jc.from_table(frame)[places]
    return in_turns(
        {
            "one layer, forward": lambda: forward(one),
            "one layer, gradient": lambda: gradient(one),
            "a million layers, forward": lambda: forward(many),
            "a million layers, gradient": lambda: gradient(many),
        },
        repetitions=7,
    )


def fits(frame: pd.DataFrame) -> dict[str, dict]:
    """All 16 starts against the same 16 by scipy, on the same loss and Jacobian."""
    layers, where = jc.from_table(frame), device("quadro-t2000")
    observed = frame["time_s"].to_numpy(float)

    def ours() -> object:
        return jc.fit_model(jc.AlphaRoofline, layers, where, observed, folds=0).covariance

    def with_folds() -> object:
        sweeps = frame["sweep"].astype(str).tolist()
        return jc.fit_model(jc.AlphaRoofline, layers, where, observed, sweeps=sweeps).covariance

    return in_turns(
        {
            "jaxcost.fit_model, 16 starts": ours,
            "scipy.optimize.least_squares, 16 starts": scipy_fit(layers, where, observed),
            "jaxcost.fit_model, 16 starts and cross-validation": with_folds,
        },
        repetitions=3,
    )


def scipy_fit(layers: jc.Workload, where: jc.Device, observed: np.ndarray) -> Callable[[], object]:
    """The same problem for scipy: residuals and their Jacobian compiled by JAX, in float64."""
    starts, spread = starting_points(layers, observed)
    believed, weight = starts[0], np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    log_observed = np.log(observed)

    def residual(z: jax.Array) -> jax.Array:
        declared = enumerate(parameters_of(jc.AlphaRoofline))
        z = jnp.clip(z, -85, 85)  # beyond which a long step finds no numbers
        values = {
            p.name: jnp.exp(z[i]) if p.upper > 1 else jax.nn.sigmoid(z[i]) for i, p in declared
        }
        costs = jc.AlphaRoofline(**values).layer_costs(layers, where)
        data = (jnp.log(costs) - log_observed) / ROBUST
        data = jnp.sqrt(jnp.log1p(data**2) + 1e-12)  # half its square is the loss of a row
        return jnp.concatenate([data, weight * (z - believed)])

    value, jacobian = jax.jit(residual), jax.jit(jax.jacfwd(residual))

    def solve() -> object:
        with jax.enable_x64(True):
            found = [
                least_squares(
                    lambda z: np.asarray(value(jnp.asarray(z))),
                    start,
                    jac=lambda z: np.asarray(jacobian(jnp.asarray(z))),
                    x_scale="jac",
                    max_nfev=400,
                )
                for start in starts
            ]
        return min(result.cost for result in found)

    return solve


def starting_points(layers: jc.Workload, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where `jc.fit_model` starts: ln or logit of each parameter, and how far these may scatter.

    A typical value is declared, or is of the scale of the data.

    Returns: shapes `(16, parameters)` and `(parameters,)`; the scatter is 0 where none is declared.
    """
    declared = parameters_of(jc.AlphaRoofline)
    amounts = {"FLOP/s": counts.flops(layers), "B/s": counts.bytes_moved(layers)}
    scale = {unit: 1 / np.quantile(observed / np.asarray(a), 0.1) for unit, a in amounts.items()}
    scale["s"] = np.quantile(observed, 0.1)
    start = np.array([p.start or scale[p.unit] for p in declared])
    share = np.array([p.upper <= 1 for p in declared])  # between 0 and 1
    typical = np.log(start) - np.log1p(-start, out=np.zeros(len(start)), where=share)
    spread = np.array([p.spread or 0.0 for p in declared])
    noise = np.random.default_rng(0).standard_normal((16, len(declared)))
    noise[0] = 0
    return typical + np.where(spread > 0, spread, 1.0) * noise, spread


def training_runs(rows: int = 40_000) -> jc.TrainingRun:
    """Made-up runs as many as BUTTER-E's: 2 to 20 layers, 2**5 to 2**25 parameters."""
    draw = np.random.default_rng(0)
    depth = draw.integers(2, 21, rows)
    size = 2.0 ** draw.integers(5, 26, rows)
    width = np.maximum(np.sqrt(size / depth), 2.0)[:, None].repeat(20, axis=1).round()
    place = np.arange(20)
    c_in, c_out = width.copy(), width.copy()
    c_in[:, 0] = draw.integers(4, 800, rows)
    c_out[np.arange(rows), depth - 1] = draw.integers(1, 20, rows)
    layers = jc.dense(
        c_in=c_in, c_out=c_out, batch=256, bias=True, repeat=1.0 * (place < depth[:, None])
    )
    observations = draw.integers(500, 110_000, rows).astype(float)
    return jc.TrainingRun(layers, observations, c_in[:, 0], jnp.ones(rows))


def energies() -> dict[str, dict]:
    """40,000 runs of training: energy and its gradients by every width and parameter, and a fit."""
    runs, node = training_runs(), device("eagle-gpu")
    smooth = jc.WorkingSetEnergy.butter_e("gpu", temperature=0.3)

    def total(model: jc.WorkingSetEnergy, widths: jax.Array) -> jax.Array:
        moved = eqx.tree_at(lambda r: r.workload.c_out, runs, widths)
        return jnp.sum(jax.vmap(model, in_axes=(0, None))(moved, node))

    evaluate = eqx.filter_jit(jax.value_and_grad(total, argnums=(0, 1)))
    planted = jc.TrainingEnergy(
        pass_energy=1.0, layer_ratio=0.02, access_ratio=0.01, byte_energy=3e-8,
        activation_ratio=0.1, beyond_ratio=0.4,
    )  # fmt: skip
    exact = jax.jit(jax.vmap(planted, in_axes=(0, None)))(runs, node)
    noise = np.exp(0.05 * np.random.default_rng(1).standard_normal(len(exact)))
    observed = np.asarray(exact) * noise

    def fit(model: type) -> Callable[[], object]:
        given = (model, runs, node, observed)
        return lambda: jc.fit_model(*given, folds=0, starts=8, robust=1.0, noise=0.1).covariance

    return in_turns(
        {
            "40,000 runs, energy and gradients": lambda: evaluate(smooth, runs.workload.c_out),
            "40,000 runs, fit of training-energy": fit(jc.TrainingEnergy),
            "40,000 runs, fit of working-set": fit(jc.WorkingSetEnergy),
        },
        repetitions=3,
    )


def imports() -> dict[str, dict]:
    """`import jax` and `import jax, jaxcost` in fresh interpreters."""

    def run(line: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", line], check=True)

    return in_turns(
        {"import jax": run("import jax"), "import jax, jaxcost": run("import jax, jaxcost")},
        repetitions=7,
    )


def main() -> None:
    """Runs all of it, prints a table and writes it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, help="layers with time_s, such as the T2000's")
    parser.add_argument("--out", type=Path, default=Path("experiments/speed/speed.json"))
    options = parser.parse_args()
    frame = (
        jc.read_layer_table(options.table, target="time_s") if options.table else made_up_table()
    )
    results = imports() | fits(frame) | predictions(frame) | energies()
    print(f"{'':<46}{'first':>10}{'median':>10}{'least':>10}{'most':>10}   seconds")
    for name, r in results.items():
        figures = (r["first_s"], r["median_s"], r["least_s"], r["most_s"])
        print(f"{name:<46}" + "".join(f"{value:>10.4f}" for value in figures))
    settings = {"rows": len(frame), "table": options.table.name if options.table else "made up"}
    settings |= {"jax": jax.__version__, "backend": jax.default_backend()}
    options.out.write_text(json.dumps({"settings": settings, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""How long training steps take beside what is estimated of them: forward, gradients, and update.

    python experiments/zoo/training_steps.py --calibration FILE --out training_steps.csv
        [--models NAME ...] [--batches 8]

The step is what a training loop runs: the gradient of the mean square of the outputs by all
weights, and stochastic gradient descent on them. It is timed as `zoo_times.py` times a forward
pass, in the same minutes as that pass, so that both ratios are of one machine in one state.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from zoo_models import build, runnable, sample

import jaxcost as jc

MODELS = (
    "MobileNet", "MobileNetV2", "DenseNet121", "ResNet50", "EfficientNetB0", "NASNetMobile",
    "ResNet-50, Flax NNX", "ViT-S/16, Equinox", "BERT-Base, Flax Linen", "GPT-2, Equinox",
)  # fmt: skip
LEAST_CALLS = 3
_RATE = 1e-3


def step_of(run: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """One step of stochastic gradient descent on the mean square of all outputs."""

    def loss(weights: Any, others: Any, tree: Any, x: Any) -> jax.Array:
        outputs = run(_joined(weights, others, tree), x)
        squares = [jnp.mean(jnp.square(o.astype(jnp.float32))) for o in jax.tree.leaves(outputs)]
        return sum(squares, jnp.zeros(()))

    def step(values: Any, x: Any) -> Any:
        weights, others, tree = _parted(values)
        gradients = jax.grad(loss)(weights, others, tree, x)
        return [w - _RATE * g for w, g in zip(weights, gradients, strict=True)]

    return step


def _parted(values: Any) -> tuple[list[Any], list[Any], Any]:
    """The floating leaves, the others (None where a leaf is floating), and the structure."""
    leaves, tree = jax.tree.flatten(values)
    floating = [jnp.issubdtype(jnp.result_type(leaf), jnp.floating) for leaf in leaves]
    weights = [leaf for leaf, is_weight in zip(leaves, floating) if is_weight]
    return weights, [None if f else leaf for leaf, f in zip(leaves, floating)], tree


def _joined(weights: list[Any], others: list[Any], tree: Any) -> Any:
    remaining = iter(weights)
    return jax.tree.unflatten(tree, [next(remaining) if o is None else o for o in others])


def timed(function: Callable[[Any, Any], Any], values: Any, x: Any, seconds: float) -> float:
    """First quartile of awaited calls of the compiled function, in s."""
    compiled = jax.jit(function).lower(values, x).compile()
    jax.block_until_ready(compiled(values, x))
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < LEAST_CALLS:
        begin = time.perf_counter()
        jax.block_until_ready(compiled(values, x))
        taken.append(time.perf_counter() - begin)
    return float(np.quantile(taken, 0.25))


def compared(name: str, batch: int, calibration: jc.Calibration, seconds: float) -> dict[str, Any]:
    """A row: both programs of a model, as timed and as estimated, in s."""
    x = sample(name, batch)
    run, values = runnable(build(name), x)
    row: dict[str, Any] = {"model": name, "batch": batch}
    for kind, function in (("forward", run), ("step", step_of(run))):
        known = jc.estimate(function, values, x, calibration=calibration)
        row |= {f"{kind}_s": timed(function, values, x, seconds)}
        row |= {
            f"{kind}_estimated_s{end}": getattr(known, f"latency_s{end}")
            for end in ("", "_lo", "_hi")
        }
    return row


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--batches", nargs="*", type=int, default=[8])
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    calibration = jc.load_calibration(given.calibration)
    rows = []
    for name in given.models:
        for batch in given.batches:
            rows.append(compared(name, batch, calibration, given.seconds))
            print(rows[-1], flush=True)
            pd.DataFrame(rows).round(6).to_csv(given.out, index=False)


if __name__ == "__main__":
    main()

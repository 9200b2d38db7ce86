"""What a regulariser adds to a training step, and how long a search takes once it is compiled.

The step is forward and backward through convolutions of the sizes of ResNet-50's, each with gates
on its outputs; the same step with and without the penalty, in turns.

    python experiments/search/speed.py
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
from width_problems import KINDS, draw

import jaxcost as jc

BATCH = 4
STAGES = ((56, 64, 256, 3), (28, 128, 512, 4), (14, 256, 1024, 6), (7, 512, 2048, 3))


def shapes() -> list[tuple[int, int, int, int]]:
    """Side, channels in and out, kernel of the 53 convolutions, shortcuts included."""
    found, before = [(112, 3, 64, 7)], 64
    for side, narrow, wide, blocks in STAGES:
        found.append((side, before, wide, 1))
        for _ in range(blocks):
            found += [(side, before, narrow, 1), (side, narrow, narrow, 3), (side, narrow, wide, 1)]
            before = wide
    return found


CALIBRATION = jc.load_calibration("quadro-t2000")


def latency(widths: jax.Array) -> jax.Array:
    """Latency of all convolutions with so many outputs, in s."""
    side, c_in, _, k = (np.array(column, float) for column in zip(*shapes()))
    size = {"in_h": side, "in_w": side, "k_h": k, "k_w": k, "batch": BATCH}
    return CALIBRATION.latency(jc.conv2d(c_in=c_in, c_out=widths, **size))


def step_times(rounds: int = 25) -> dict[str, np.ndarray]:
    """Seconds of the step without and with the penalty, and of the penalty alone, each round."""
    random = np.random.default_rng(0)
    weights = [jnp.asarray(random.standard_normal((k, k, i, o)) * 0.01, dtype=float)
               for _, i, o, k in shapes()]  # fmt: skip
    inputs = [jnp.ones((BATCH, s, s, i)) for s, i, _, _ in shapes()]
    logits = [jc.open_gates(o) for *_, o, _ in shapes()]
    regularizer = jc.CostRegularizer(latency, target=1e-3)
    pressure = regularizer.update(regularizer.init(widths_of(logits)), widths_of(logits), 1.0)

    def task(weights: list, logits: list) -> jax.Array:
        total = jnp.zeros(())
        for x, w, gate in zip(inputs, weights, logits):
            order = ("NHWC", "HWIO", "NHWC")
            y = jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=order)
            total = total + jnp.mean((y * jc.gates(gate)) ** 2)
        return total

    def regularised(weights: list, logits: list) -> jax.Array:
        return task(weights, logits) + regularizer(widths_of(logits), pressure)

    def penalty(weights: list, logits: list) -> jax.Array:
        return regularizer(widths_of(logits), pressure)

    calls = {"without": task, "with": regularised, "penalty alone": penalty}
    steps = {name: jax.jit(jax.value_and_grad(f, argnums=(0, 1))) for name, f in calls.items()}
    steps["penalty alone"] = jax.jit(jax.value_and_grad(penalty, argnums=1))
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for i in range(rounds + 1):
        for name in list(steps)[:: 1 if i % 2 else -1]:
            began = time.perf_counter()
            jax.block_until_ready(steps[name](weights, logits))
            if i:
                seconds[name].append(time.perf_counter() - began)
    return {name: np.array(each) for name, each in seconds.items()}


def added(seconds: dict[str, np.ndarray]) -> str:
    """What the penalty adds to a step, in per cent: median of the rounds, 95 % by bootstrap."""
    share = 100 * (seconds["with"] / seconds["without"] - 1)
    drawn = np.median(np.random.default_rng(0).choice(share, (2000, len(share))), axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"added           {np.median(share):10.2f} %  ({low:.2f} to {high:.2f})"


def widths_of(logits: list[jax.Array]) -> jax.Array:
    return jnp.stack([jc.soft_width(each) for each in logits])


def search_times() -> dict[str, list[float]]:
    """Seconds of searches of eight widths from 64 starts: the first compiles, the others do not."""
    found = {}
    for kind in KINDS:
        found[kind] = []
        for seed in range(3):
            objective, budgets, settings = draw(kind, 8, 50 + seed)
            began = time.perf_counter()
            jc.search_widths(objective, budgets=budgets, method="gradient", **settings)
            found[kind].append(time.perf_counter() - began)
    return found


def main() -> None:
    """Prints both."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    steps = step_times()
    for name, seconds in steps.items():
        print(f"{name:<16}{1e3 * np.median(seconds):10.3f} ms")
    print(added(steps), flush=True)
    for kind, seconds in search_times().items():
        print(f"{kind:<40}" + "".join(f"{s:8.2f}" for s in seconds) + "   s")


if __name__ == "__main__":
    main()

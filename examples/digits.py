"""What the examples share: scikit-learn's digits, a budget, and the answer that is printed."""

import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

import jaxcost as jc

INPUTS, HIDDEN, OUTPUTS, BATCH = 64, (256, 128), 10, 128
CALIBRATION = jc.load_calibration("quadro-t2000")  # or "calibration.json", of your own device


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inputs and labels to train with, then to test with."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    x, y = (digits.data[order] / 16).astype(np.float32), digits.target[order]
    return x[:1400], y[:1400], x[1400:], y[1400:]


def batches(x: np.ndarray, y: np.ndarray, steps: int):
    """So many random batches."""
    random = np.random.default_rng(1)
    for _ in range(steps):
        chosen = random.integers(0, len(x), BATCH)
        yield x[chosen], y[chosen]


def latency(hidden: jnp.ndarray) -> jnp.ndarray:
    """Latency of the network with so many hidden units, shape (2,), in s."""
    chain = jnp.concatenate([jnp.array([INPUTS * 1.0]), hidden, jnp.array([OUTPUTS * 1.0])])
    return CALIBRATION.latency(jc.mlp(chain, batch=BATCH))


FULL = float(latency(jnp.array(HIDDEN, float)))
BUDGET = 0.5 * FULL


def told(name: str, before: float, after: float, kept: list[np.ndarray]) -> dict:
    """Prints and returns what became of the network."""
    widths = [len(k) for k in kept]
    cost = float(latency(jnp.array(widths, float)))
    print(f"{name}: widths {widths} of {list(HIDDEN)}")
    print(f"accuracy {before:.3f}, made smaller {after:.3f}")
    print(f"latency {1e6 * cost:.3g} µs, budget {1e6 * BUDGET:.3g} µs, before {1e6 * FULL:.3g} µs")
    return {"widths": widths, "latency_s": cost, "gated": before, "accuracy": after}

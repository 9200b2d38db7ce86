"""The small network of `digits.py`: two inverted bottlenecks and a dense layer, with gates."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from digits_data import SIDE, data

import jaxcost as jc
from jaxcost.workload import counts

STEM, FULL, CLASSES, BATCH = 16, (32, 32, 512), 10, 128
STEPS, MORE, TRAIN_BATCH = 600, 300, 48


def workload(widths: jax.Array, batch: int = BATCH) -> jc.Workload:
    """The network's layers; widths of the two bottlenecks and of the dense layer, shape (3,)."""
    size = {"in_h": SIDE, "in_w": SIDE, "batch": batch}
    rows = [jc.conv2d(c_in=1, c_out=STEM, k_h=3, k_w=3, **size)]
    for wide in (widths[0], widths[1]):
        rows += [
            jc.conv2d(c_in=STEM, c_out=wide, k_h=1, k_w=1, **size),
            jc.conv2d(c_in=wide, c_out=wide, k_h=3, k_w=3, groups=wide, **size),
            jc.conv2d(c_in=wide, c_out=STEM, k_h=1, k_w=1, **size),
        ]
    rows.append(jc.dense(c_in=SIDE * SIDE * STEM, c_out=widths[2], batch=batch))
    return jc.Workload.concatenate([*rows, jc.dense(c_in=widths[2], c_out=CLASSES, batch=batch)])


def flops(widths: jax.Array) -> jax.Array:
    """FLOPs of a batch."""
    return jnp.sum(counts.flops(workload(widths)))


def parameters(widths: tuple[int, ...], seed: int) -> dict[str, jax.Array]:
    """Weights of a network, by He's rule."""
    first, second, dense = widths
    shapes = {"stem": (3, 3, 1, STEM), "head": (SIDE * SIDE * STEM, dense), "out": (dense, CLASSES)}
    for i, wide in enumerate((first, second)):
        shapes |= {f"up{i}": (1, 1, STEM, wide), f"deep{i}": (3, 3, 1, wide)}
        shapes |= {f"down{i}": (1, 1, wide, STEM)}
    keys = jax.random.split(jax.random.key(seed), len(shapes))
    fan_in = {name: np.prod(shape[:-1]) for name, shape in shapes.items()}
    return {
        name: jax.random.normal(key, shape) * np.sqrt(2 / fan_in[name])
        for key, (name, shape) in zip(keys, shapes.items())
    }


def network(
    weights: dict[str, jax.Array],
    x: jax.Array,
    opened: list[jax.Array],
    depthwise: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
) -> jax.Array:
    """Scores of the classes; `opened` multiplies the channels of each wide part."""
    depthwise = depthwise or depthwise_convolve
    x = jax.nn.relu(convolve(x, weights["stem"]))
    for i in range(2):
        wide = jax.nn.relu(convolve(x, weights[f"up{i}"]))
        wide = jax.nn.relu(depthwise(wide, weights[f"deep{i}"]))
        x = x + convolve(wide * opened[i], weights[f"down{i}"])
    hidden = jax.nn.relu(x.reshape(x.shape[0], -1) @ weights["head"])
    return (hidden * opened[2]) @ weights["out"]


def convolve(x: jax.Array, kernel: jax.Array, groups: int = 1) -> jax.Array:
    order = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=order, feature_group_count=groups
    )


def depthwise_convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """As frameworks write it, and as it is timed."""
    return convolve(x, kernel, x.shape[-1])


def depthwise_sum(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same as a sum of shifted images: on a CPU its gradient takes a third of the time."""
    high, wide = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    places = [(i, j) for i in range(3) for j in range(3)]
    return sum(padded[:, i : i + high, j : j + wide] * kernel[i, j][None, None] for i, j in places)


def loss_of(weights: dict, x: jax.Array, y: jax.Array, opened: list) -> jax.Array:
    scores = network(weights, x, opened, depthwise_sum)
    return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()


def train(cost: object, target: float | None, seed: int) -> tuple[dict, list[np.ndarray]]:
    """Weights and logits of gates, trained to a target of the cost; None: without one."""
    x, y, *_ = data()
    weights = parameters(FULL, seed)
    logits = [jc.open_gates(width) for width in FULL]
    solver, gater = optax.adam(2e-3), jc.gate_optimizer()
    state, gate_state = solver.init(weights), gater.init(logits)
    regularizer = jc.CostRegularizer(cost, target=target or 1e30)
    pressure = regularizer.init(jnp.array(FULL, float))

    def total(weights: dict, logits: list, pressure: object, x: jax.Array, y: jax.Array) -> tuple:
        task = loss_of(weights, x, y, [jc.gates(each) for each in logits])
        return task + regularizer(widths_of(logits), pressure), task

    @jax.jit
    def step(weights, state, logits, gate_state, pressure, x, y):
        found = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)
        (_, task), (slope, gate_slope) = found(weights, logits, pressure, x, y)
        change, state = solver.update(slope, state)
        gate_change, gate_state = gater.update(gate_slope, gate_state)
        logits = optax.apply_updates(logits, gate_change) if target else logits
        pressure = regularizer.update(pressure, widths_of(logits), task)
        return optax.apply_updates(weights, change), state, logits, gate_state, pressure

    random = np.random.default_rng(seed)
    for _ in range(STEPS):
        chosen = random.integers(0, len(x), TRAIN_BATCH)
        weights, state, logits, gate_state, pressure = step(
            weights, state, logits, gate_state, pressure, x[chosen], y[chosen]
        )
    return jax.tree.map(np.asarray, weights), [np.asarray(each) for each in logits]


def widths_of(logits: list[jax.Array]) -> jax.Array:
    return jnp.stack([jc.soft_width(each) for each in logits])


def smaller(weights: dict, kept: list[np.ndarray]) -> dict:
    """The weights of the channels kept."""
    small = dict(weights)
    for i in range(2):
        small[f"up{i}"] = weights[f"up{i}"][..., kept[i]]
        small[f"deep{i}"] = weights[f"deep{i}"][..., kept[i]]
        small[f"down{i}"] = weights[f"down{i}"][:, :, kept[i]]
    small["head"], small["out"] = weights["head"][:, kept[2]], weights["out"][kept[2]]
    return small


def finish(weights: dict, seed: int) -> float:
    """Accuracy on the test set after some more training."""
    x, y, x_test, y_test = data()
    solver = optax.adam(optax.cosine_decay_schedule(1e-3, MORE))
    weights = jax.tree.map(jnp.asarray, weights)
    ones = [jnp.ones(weights[n].shape[-1]) for n in ("up0", "up1", "head")]

    @jax.jit
    def step(weights, state, x, y):
        change, state = solver.update(jax.grad(loss_of)(weights, x, y, ones), state)
        return optax.apply_updates(weights, change), state

    state, random = solver.init(weights), np.random.default_rng(100 + seed)
    for _ in range(MORE):
        chosen = random.integers(0, len(x), TRAIN_BATCH)
        weights, state = step(weights, state, x[chosen], y[chosen])
    scores = jax.jit(network, static_argnums=3)(weights, x_test, ones, depthwise_sum)
    return float((scores.argmax(-1) == y_test).mean())

"""How long counting takes, beside compiling the same program for XLA's cost analysis.

    python experiments/speed/trace_speed.py [--out experiments/speed/trace_speed.json]

ResNet-152 (keras.applications) and a transformer of 24 layers, batch 1; each in turn, so that both
see the same machine. Nothing is run. KERAS_BACKEND=jax is set here.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp

import jaxcost as jc

F32 = jnp.float32
WIDTH, HEADS, LAYERS, TOKENS = 1024, 16, 24, 512
SMALL = 1024  # bytes: constants that JAX itself makes while it traces


def block(x: jax.Array, w: dict[str, jax.Array]) -> jax.Array:
    """A layer of a transformer: attention and a feed-forward network, each after normalisation."""

    def normal(y: jax.Array) -> jax.Array:
        return (y - y.mean(-1, keepdims=True)) * jax.lax.rsqrt(y.var(-1, keepdims=True) + 1e-6)

    q, k, v = jnp.split((normal(x) @ w["qkv"]).reshape(1, TOKENS, 3 * HEADS, -1), 3, axis=2)
    x = x + jax.nn.dot_product_attention(q, k, v).reshape(x.shape) @ w["out"]
    return x + jax.nn.gelu(normal(x) @ w["up"]) @ w["down"]


def transformer() -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """24 layers written out, and the shapes of their weights and input."""
    sizes = {"qkv": (WIDTH, 3 * WIDTH), "out": (WIDTH, WIDTH)}
    sizes |= {"up": (WIDTH, 4 * WIDTH), "down": (4 * WIDTH, WIDTH)}
    weights = [{n: jax.ShapeDtypeStruct(s, F32) for n, s in sizes.items()} for _ in range(LAYERS)]

    def run(weights: Any, x: jax.Array) -> jax.Array:
        for layer in weights:
            x = block(x, layer)
        return x

    return run, (weights, jax.ShapeDtypeStruct((1, TOKENS, WIDTH), F32))


def resnet() -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """ResNet-152 as a function of its variables and an image."""
    import keras

    model = keras.applications.ResNet152(weights=None)
    shapes = [
        [jax.ShapeDtypeStruct(tuple(v.shape), F32) for v in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    def run(own: Any, others: Any, x: jax.Array) -> jax.Array:
        return model.stateless_call(own, others, x, training=False)[0]

    return run, (*shapes, jax.ShapeDtypeStruct((1, 224, 224, 3), F32))


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock seconds of a call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def held() -> int:
    """Bytes of all arrays that JAX holds."""
    return sum(array.nbytes for array in jax.live_arrays())


def in_turn(run: Callable[..., Any], shapes: tuple[Any, ...]) -> tuple[list[float], list[float]]:
    """Seconds of counting and of compiling, three of each, from empty caches."""
    ours, xla = [], []
    before = held()
    for _ in range(3):
        jax.clear_caches()
        ours.append(seconds(lambda: jc.count(run, *shapes)))
        assert held() - before < SMALL, "counting made arrays"
        jax.clear_caches()
        xla.append(seconds(lambda: jax.jit(run).lower(*shapes).compile().cost_analysis()))
    return ours, xla


def main() -> None:
    """Prints both for both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = {}
    for name, build in (("ResNet-152", resnet), ("transformer of 24 layers", transformer)):
        ours, xla = in_turn(*build())
        counted, compiled = statistics.median(ours), statistics.median(xla)
        print(f"{name}: counted in {counted:.2f} s ({min(ours):.2f} to {max(ours):.2f}), ", end="")
        print(f"compiled for XLA's analysis in {compiled:.2f} s, {compiled / counted:.1f} times")
        found[name] = {"count_s": ours, "xla_s": xla, "times_faster": compiled / counted}
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

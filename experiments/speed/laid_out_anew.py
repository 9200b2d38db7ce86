"""How fast sums of arrays are read in their order, and with another axis as the innermost one.

    python experiments/speed/laid_out_anew.py

Sums of one to eight arrays, written in their order and transposed, as XLA lays out the operands of
products' gradients anew; GB/s of all arrays read and written, by the first quartile of 15 calls.
`jaxcost.workload.left_once_fused.AGAINST_ORDER` is from here.
"""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

SHAPES = ((788, 384), (788, 1536), (12544, 64), (3136, 256), (4096, 4096))
ARRAYS = (1, 2, 4, 8)
CALLS = 15


def seconds(function: object, arrays: list[jax.Array]) -> float:
    """First quartile of awaited calls of the compiled function."""
    compiled = jax.jit(function)
    compiled(*arrays).block_until_ready()
    taken = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        compiled(*arrays).block_until_ready()
        taken.append(time.perf_counter() - begin)
    return float(np.quantile(taken, 0.25))


def in_order(*arrays: jax.Array) -> jax.Array:
    return functools.reduce(jnp.add, arrays) + 1


def transposed(*arrays: jax.Array) -> jax.Array:
    return functools.reduce(jnp.add, arrays).T + 1


def main() -> None:
    """Prints a line for each shape and number of arrays."""
    draw = np.random.default_rng(0)
    rows = []
    for shape in SHAPES:
        arrays = [jnp.asarray(draw.standard_normal(shape), jnp.float32) for _ in range(max(ARRAYS))]
        for many in ARRAYS:
            moved = (many + 1) * arrays[0].nbytes / 1e9
            rates = [moved / seconds(f, arrays[:many]) for f in (in_order, transposed)]
            rows.append([shape, many, *rates, rates[1] / rates[0]])
    names = ["shape", "arrays", "in order, GB/s", "transposed, GB/s", "ratio"]
    print(pd.DataFrame(rows, columns=names).round(2).to_string(index=False))


if __name__ == "__main__":
    main()

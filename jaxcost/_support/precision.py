"""Computing in float64 whatever JAX is set to, on the CPU whatever it runs on."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Within it, new JAX arrays are float64 and live on the CPU; afterwards all is as it was.

    Where JAX_PLATFORMS leaves the CPU out, they live on the device that it names.
    """
    with jax.enable_x64(True), jax.default_device(_cpu()):
        yield


def _cpu() -> jax.Device | None:
    try:
        return jax.devices("cpu")[0]
    except RuntimeError:
        return None


def as_double(tree: Any) -> Any:
    """Every array of a pytree as a float64 JAX array; call it within `double_precision`."""
    # Not by jnp.asarray, which compiles a program for every new shape.
    return jax.device_put(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree))


def as_default(tree: Any) -> Any:
    """Every array of a pytree of known numbers as a JAX array of JAX's default precision."""
    dtype = jax.dtypes.canonicalize_dtype(float)
    return jax.device_put(jax.tree.map(lambda leaf: np.asarray(leaf, dtype), tree))

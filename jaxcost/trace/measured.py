"""How long a traced program takes on this machine, to hold an estimate against."""

import math
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from jaxcost.trace.program import trace_program
from jaxcost.trace.sharding import spread

_LEAST_CALLS, _SECONDS = 5, 2.0
_SCALE = 0.1  # of random inputs: small enough that deep networks stay finite


def measure_program(
    fn: Any, *args: Any, backward: bool = False, step: str | None = None, **kwargs: Any
) -> float:
    """Latency of one awaited call of a compiled program on this machine, in s: the first quartile.

    Args: fn, args, kwargs, backward, step: as `jaxcost.count` takes them. Weights and inputs are
        replaced by random numbers from 0 to 0.1, and by zeros where they are no real numbers: a
        loop whose trips depend on values may run more or less often than with the real ones.
    Returns: of at least five calls in two seconds, after one that is not timed.
    Raises: ValueError: it cannot be traced, is of several devices, or does not run here.
    """
    program = trace_program(fn, args, kwargs, backward=backward, step=step)
    if (devices := spread(program.traced, (fn, args, kwargs)).devices) > 1:
        raise ValueError(f"the program runs on {devices} devices; time it where it runs")
    inputs = [_filled(v.aval) for v in program.jaxpr.invars]
    closed = ClosedJaxpr(program.jaxpr, ())
    try:
        compiled = jax.jit(jaxpr_as_fun(closed)).lower(*inputs).compile()
        jax.block_until_ready(compiled(*inputs))
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"the program does not run on this machine: {first}") from error
    return _first_quartile(lambda: jax.block_until_ready(compiled(*inputs)))


def _filled(aval: Any) -> Any:
    if jnp.issubdtype(aval.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0), aval.shape)
    if not jnp.issubdtype(aval.dtype, jnp.floating):
        return jnp.zeros(aval.shape, aval.dtype)
    values = np.random.default_rng(0).uniform(0, _SCALE, math.prod(aval.shape))
    return jnp.asarray(values.reshape(aval.shape), aval.dtype)


def _first_quartile(call: Any) -> float:
    taken: list[float] = []
    end = time.perf_counter() + _SECONDS
    while len(taken) < _LEAST_CALLS or time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return float(np.quantile(taken, 0.25))

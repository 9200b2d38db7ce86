"""A program with the gradient of a loss."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun

from jaxcost.trace.constants import shape_of


def with_gradient(closed: Any, by: Sequence[int], results: int) -> Any:
    """The program of the loss, of its gradient by some inputs, and of what is updated in place.

    Args:
        closed: a program whose first `results` outputs make the loss: their own value where that
            is one real number, otherwise the sum of all real ones; the rest are updates.
        by: which inputs; those that are not real are left out.
    Raises: TypeError: no output is real; none of the inputs is.
    """
    run, shapes = jaxpr_as_fun(closed), [shape_of(aval) for aval in closed.in_avals]
    chosen = [place for place in by if is_real(shapes[place])]
    if not chosen:
        raise TypeError(
            "neither a parameter nor an input is real, so that there is nothing to differentiate "
            "by; close over the weights, or give them as the first argument"
        )

    def loss(values: list[Any], every: list[Any]) -> tuple[Any, list[Any]]:
        for place, value in zip(chosen, values):
            every[place] = value
        out = run(*every)
        return _loss(out[:results]), out[results:]

    def gradient(every: list[Any]) -> Any:
        values = [every[place] for place in chosen]
        return jax.value_and_grad(loss, has_aux=True)(values, list(every))

    return jax.make_jaxpr(gradient)(shapes)


def is_real(value: Any) -> bool:
    """Whether a value has a derivative: real or complex numbers."""
    return bool(jnp.issubdtype(value.dtype, jnp.inexact))


def _loss(outputs: Sequence[Any]) -> Any:
    real = [output for output in outputs if jnp.issubdtype(output.dtype, jnp.floating)]
    if not real:
        raise TypeError("no output is real, so that there is no loss to differentiate")
    if len(real) == 1 and real[0].ndim == 0:
        return real[0]
    return sum(jnp.sum(output) for output in real)

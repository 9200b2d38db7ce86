"""A program with the gradient of a loss, and with the step that an optimizer takes by it."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun

from jaxcost._support.messages import unknown
from jaxcost.trace.constants import shape_of

OPTIMIZERS = ("sgd", "momentum", "adam", "adamw", "rmsprop", "lion")
_RATE, _MOMENTUM = 1e-3, 0.9  # any will do: what is computed is the same


def optimizer(name: str) -> Any:
    """One of `OPTIMIZERS`, optax's of that name; `momentum` is `sgd` with it.

    Raises: ValueError: another name.
    """
    import optax

    if name not in OPTIMIZERS:
        raise ValueError(unknown("step", name, OPTIMIZERS))
    if name == "momentum":
        return optax.sgd(_RATE, momentum=_MOMENTUM)
    return getattr(optax, name)(_RATE)


def with_gradient(closed: Any, by: Sequence[int], results: int, step: str | None = None) -> Any:
    """The program of the loss, of its gradient by some inputs, and of what is updated in place.

    Args:
        closed: a program whose first `results` outputs make the loss: their own value where that
            is one real number, otherwise the sum of all real ones; the rest are updates.
        by: which inputs; those that are not real are left out.
        step: one of `OPTIMIZERS`, to return what its step makes of them instead of the gradient;
            the state of the optimizer follows the inputs, and its next one the results.
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

    if step is None:
        return jax.make_jaxpr(gradient)(shapes)
    chain = optimizer(step)

    def stepped(every: list[Any], state: Any) -> Any:
        (loss_, updated), by_weights = gradient(every)
        weights = [every[place] for place in chosen]
        with jax.named_scope("optimizer"):
            changes, state = chain.update(by_weights, state, weights)
            moved = [w + change for w, change in zip(weights, changes, strict=True)]
        return loss_, updated, moved, state

    state = jax.eval_shape(chain.init, [shapes[place] for place in chosen])
    return jax.make_jaxpr(stepped)(shapes, state)


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

"""From a model and the shapes of its inputs to its program, a jaxpr; nothing is run."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxcost.trace.models import Prepared, prepare
from jaxcost.trace.records import Leaf
from jaxcost.trace.specs import own_words


@dataclasses.dataclass(frozen=True)
class Program:
    """A traced program; `leaves` are its parameters, by the place among its inputs.

    `constants` are the elements of the arrays that a function is closed over.
    """

    jaxpr: Any
    leaves: dict[int, Leaf]
    constants: list[int]
    effects: tuple[str, ...]
    named_by_path: bool


def trace_program(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, backward: bool = False
) -> Program:
    """The program of a model at the shapes of its inputs; with `backward`, of a loss's gradient.

    The loss is the output where that is one real number, otherwise the sum of all outputs. Its
    gradient is taken by the parameters, or by the real inputs where there are none.

    Raises: ValueError: the model cannot be traced; its own error is shown.
    """
    try:
        prepared = prepare(model, args, kwargs)
        function = _with_backward(prepared) if backward else prepared.function
        with jax.disable_jit(False):  # loops stay loops, whatever the caller debugs with
            closed = jax.make_jaxpr(function)(prepared.parameters, *prepared.rest)
    except ValueError as error:
        if _is_ours(error):
            raise
        raise _not_traced(model, error) from error
    except Exception as error:
        raise _not_traced(model, error) from error
    leaves = dict(enumerate(prepared.leaves()))
    sizes = [_elements(value) for value in closed.consts]
    effects = tuple(sorted({str(effect) for effect in closed.effects}))
    return Program(closed.jaxpr, leaves, sizes, effects, prepared.named_by_path)


def _elements(value: Any) -> int:
    """Elements of a constant that a function is closed over, where it can be a parameter."""
    real = jnp.issubdtype(getattr(value, "dtype", jnp.int32), jnp.inexact)
    return int(value.size) if real and getattr(value, "ndim", 0) > 0 else 0


def _with_backward(prepared: Prepared) -> Any:
    """The gradient of a loss by the parameters, or by real inputs."""
    has_parameters = bool(jax.tree.leaves(prepared.parameters))

    def loss(parameters: Any, *rest: Any) -> Any:
        return _loss(prepared.function(parameters, *rest))

    if has_parameters:
        return jax.value_and_grad(loss)

    def by_inputs(parameters: Any, *rest: Any) -> Any:
        flat, tree = jax.tree.flatten(rest)
        real = [i for i, leaf in enumerate(flat) if jnp.issubdtype(leaf.dtype, jnp.floating)]

        def of_real(chosen: Any) -> Any:
            values = list(flat)
            for place, value in zip(real, chosen):
                values[place] = value
            return loss(parameters, *jax.tree.unflatten(tree, values))

        return jax.value_and_grad(of_real)([flat[i] for i in real])

    return by_inputs


def _loss(outputs: Any) -> Any:
    real = [o for o in jax.tree.leaves(outputs) if jnp.issubdtype(o.dtype, jnp.floating)]
    if not real:
        raise TypeError("no output is real, so that there is no loss to differentiate")
    if len(real) == 1 and real[0].ndim == 0:
        return real[0]
    return sum(jnp.sum(output) for output in real)


def _is_ours(error: ValueError) -> bool:
    """Whether an error was raised in this package: the last frame says so."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and str(last.tb_frame.f_globals.get("__name__")).startswith("jaxcost.")


def _not_traced(model: Any, error: BaseException) -> ValueError:
    name = getattr(model, "__name__", type(model).__name__)
    return ValueError(f"{name} cannot be traced with these inputs: {own_words(error)}")

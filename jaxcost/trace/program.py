"""From a model and the shapes of its inputs to its program, a jaxpr; nothing is run."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax

from jaxcost.trace.constants import with_constants_as_inputs
from jaxcost.trace.gradient import is_real, with_gradient
from jaxcost.trace.models import prepare
from jaxcost.trace.prepared import Prepared, is_like_a_parameter
from jaxcost.trace.records import Leaf
from jaxcost.trace.specs import own_words


@dataclasses.dataclass(frozen=True)
class Program:
    """A traced program, which holds no constant arrays: what it was closed over are inputs.

    Attributes:
        traced: the program as it was traced, with the shardings of what became part of it.
        leaves: its parameters, by the place among its inputs.
        inputs: those of its inputs that are given, the others being what it is closed over.
        effects: what it does besides, by name.
        notes: what the reader must mind.
        root: the scope that the whole model opens.
    """

    jaxpr: Any
    traced: Any
    leaves: dict[int, Leaf]
    inputs: Sequence[Any]
    effects: tuple[str, ...]
    notes: tuple[str, ...]
    root: str


def trace_program(
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    backward: bool = False,
    step: str | None = None,
    parameters: Sequence[int] | None = None,
) -> Program:
    """The program of a model at the shapes of its inputs; with `backward`, of a loss's gradient;
    with `step`, also of what the optimizer of that name does with it.

    The loss is the output where that is one real number, otherwise the sum of all real outputs. Its
    gradient is taken by the parameters, or by the real inputs where there are none.

    Raises: ValueError: the model cannot be traced; its own error is shown.
    """
    try:
        program = _traced(prepare(model, args, kwargs, parameters), backward, step)
        return dataclasses.replace(program, notes=(*_narrowed((args, kwargs)), *program.notes))
    except ValueError as error:
        if _is_ours(error):
            raise
        raise _not_traced(model, error) from error
    except Exception as error:
        raise _not_traced(model, error) from error


def _narrowed(given: Any) -> list[str]:
    """A line for each type that was asked for by name and that JAX computes in a narrower one."""
    asked = {
        leaf.dtype for leaf in jax.tree.leaves(given) if isinstance(leaf, jax.ShapeDtypeStruct)
    }
    narrower = {d: jax.dtypes.canonicalize_dtype(d, allow_extended_dtype=True) for d in asked}
    return [
        f"inputs in {wide} are counted in {narrow}, in which JAX computes them; set "
        f"JAX_ENABLE_X64=1 for {wide}"
        for wide, narrow in sorted((str(d), str(n)) for d, n in narrower.items() if d != n)
    ]


def _traced(prepared: Prepared, backward: bool, step: str | None) -> Program:
    with jax.disable_jit(False):  # loops stay loops, whatever the caller debugs with
        trace = jax.make_jaxpr(prepared.function, return_shape=True)
        traced, (out, _) = trace(*prepared.inputs)
    given = len(traced.in_avals)
    backward = backward or step is not None
    closed, constants, notes = with_constants_as_inputs(traced, backward=backward)
    leaves, guess = _leaves(prepared, constants, given)
    if backward:
        trained = [place for place, leaf in leaves.items() if leaf.trained]
        real = any(is_real(closed.in_avals[place]) for place in trained)
        if step and not real:
            raise ValueError(
                "none of the model's parameters is real, so that there is no step to take; close "
                "over the weights, or leave out the step"
            )
        by = trained if real else range(given)
        closed = with_gradient(closed, by, len(jax.tree.leaves(out)), step)
    effects = tuple(sorted({str(effect) for effect in closed.effects}))
    inputs = closed.jaxpr.invars[:given]
    notes = [*prepared.notes, *notes, *guess]
    return Program(closed.jaxpr, traced.jaxpr, leaves, inputs, effects, tuple(notes), prepared.root)


def _leaves(
    prepared: Prepared, constants: Sequence[Any], given: int
) -> tuple[dict[int, Leaf], list[str]]:
    """The parameters by place, those that a function is closed over after its own, and a guess."""
    held = {} if prepared.held is None else _held(prepared.held, constants)
    of_constants = {given + number: leaf for number, leaf in held.items()}
    if not prepared.guessed:
        return {**prepared.leaves, **of_constants}, []
    batch = bool(held) and prepared.like_a_batch
    leaves = {} if batch else dict(prepared.guessed)
    return {**leaves, **of_constants}, [_guess(batch)] if held else []


def _held(known: Any, constants: Sequence[Any]) -> dict[int, Leaf]:
    """The parameters among the constants, by number."""
    found: dict[int, Leaf] = {}
    for number, value in enumerate(constants):
        if is_like_a_parameter(value):
            leaf = known.get(id(value), Leaf("", "", int(value.size)))
            found |= {number: leaf} if leaf is not None else {}
    return found


def _guess(batch: bool) -> str:
    held = "as the function is closed over arrays of its own" if batch else ""
    taken = f"a batch, {held}; say parameters=0" if batch else "the parameters; say parameters=()"
    return f"the first argument, a container, was taken for {taken} if it is not"


def _is_ours(error: ValueError) -> bool:
    """Whether an error was raised in this package: the last frame says so."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and str(last.tb_frame.f_globals.get("__name__")).startswith("jaxcost.")


def _not_traced(model: Any, error: BaseException) -> ValueError:
    name = getattr(model, "__name__", type(model).__name__)
    return ValueError(f"{name} cannot be traced with these inputs: {own_words(error)}")

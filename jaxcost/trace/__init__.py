"""Any JAX callable or model to what it computes, from its jaxpr: nothing is run or compiled."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jaxcost._support.lazy import lazy
from jaxcost.trace.counts import Counts
from jaxcost.trace.liveness import Liveness
from jaxcost.trace.memory import peak
from jaxcost.trace.program import Program, trace_program
from jaxcost.trace.records import Leaf
from jaxcost.trace.sharding import spread
from jaxcost.trace.walk import Found, Walk
from jaxcost.trace.work import total_bytes
from jaxcost.workload import Workload
from jaxcost.workload.left_once_fused import Fusion

if TYPE_CHECKING:
    from jaxcost.trace.to_measure import layers_of as layers_of
    from jaxcost.trace.whole_program import program_costs as program_costs

__all__ = ["Counts", "Fusion", "count", "layers_of", "program_costs", "trace"]

__getattr__ = lazy(__name__, {"program_costs": "whole_program", "layers_of": "to_measure"})


def count(
    fn: Any,
    *args: Any,
    backward: bool = False,
    step: str | None = None,
    trips: float | Sequence[float] | None = None,
    parameters: int | Sequence[int] | None = None,
    **kwargs: Any,
) -> Counts:
    """FLOPs, multiply-adds, parameters and bytes of a callable or model, operation by operation.

    Args:
        fn: a function of arrays, or a model of Equinox, Flax (NNX, Linen), Haiku or Keras 3 on JAX.
        args, kwargs: its arguments: arrays, or `jax.ShapeDtypeStruct`s; it is traced, never run.
        backward: whether to count the gradient of a loss as well: of the output, or of the sum of
            all outputs where that is not one number; by the parameters, or by the real inputs where
            there are none; keyword-only.
        step: an optimizer, to count its step as well, once for each parameter: `sgd`, `momentum`,
            `adam`, `adamw`, `rmsprop` or `lion`, as optax has them; keyword-only.
        trips: how often each `while` loop runs, in the program's order, or one number for all,
            >= 0; without it a loop is counted once and reported as unknown; keyword-only.
        parameters: the number of the argument of a function that holds its parameters, or several,
            or `()` for none. Without it they are those of each model of Equinox or NNX, and each
            collection `params`, among the arguments; or, of a first argument that is a dict, list
            or tuple, its real arrays, unless the function is closed over real arrays itself and
            the container is its only argument, or has as many examples as all others, and so is a
            batch: then a line in `warnings` says how it was taken. Arrays that a function is closed
            over are parameters where they are real, or quantised to a byte or less. Those of a
            model are what was or is trained, frozen and quantised weights too, without running
            statistics, random state, and the state of an optimizer; keyword-only.
    Returns: `Counts`; what is not known is listed in `unknown`.
    Raises: ValueError: `fn` cannot be traced with these arguments; its own error is shown.
    Example:
        >>> import jax, jax.numpy as jnp
        >>> x, w = jnp.ones((8, 64)), jnp.ones((64, 32))
        >>> count(lambda x, w: jnp.tanh(x @ w), x, w).transcendentals
        256.0
    """
    chosen = (parameters,) if isinstance(parameters, int) else parameters
    program = trace_program(fn, args, kwargs, backward=backward, step=step, parameters=chosen)
    liveness = Liveness()
    walk = Walk(program.leaves, trips, liveness, program.root)
    found = walk.program(program.jaxpr, {place: place for place in program.leaves})
    _own(found, program.leaves)
    over = spread(program.traced, (fn, args, kwargs))
    found.unknown += over.unseen()
    memory = peak(program, liveness)
    inputs = [v for place, v in enumerate(program.inputs) if place not in program.leaves]
    return Counts(
        operations=tuple(found.operations),
        unknown=tuple(found.unknown),
        branches=tuple(found.branches),
        parameters=sum(leaf.size for leaf in program.leaves.values()),
        peak_bytes=memory.bytes,
        peak_layers=memory.layers,
        input_bytes=float(total_bytes(v.aval for v in inputs)),
        warnings=(*_warnings(found, program), *over.warnings()),
        devices=over.devices,
        together=over.together,
        jaxpr=program.jaxpr,
    )


def trace(fn: Any, *args: Any, **kwargs: Any) -> Workload:
    """The layers of any callable or model as a `Workload`, one row an operation.

    Args: as `count` takes them.
    Returns: leaves of shape `(operations,)`; an operation that is no product has `other_flops`
        and `other_bytes`.
    Raises: ValueError: as `count`; nothing was found to compute.
    """
    return count(fn, *args, **kwargs).workload()


def _own(found: Found, leaves: dict[int, Leaf]) -> None:
    """Gives each parameter to the operation that first uses it, a share for each of its runs."""
    for leaf, place in found.owners.items():
        operation = found.operations[place]
        operation.parameters += leaves[leaf].size / max(operation.repeat, 1)


def _warnings(found: Found, program: Program) -> list[str]:
    lines = list(program.notes)
    if not found.unknown and not sum(
        o.repeat * (o.flops + o.bytes_moved) for o in found.operations
    ):
        lines.append(
            "the program computes nothing: it returns its inputs, constants or empty arrays"
        )
    if found.unknown:
        names = ", ".join(sorted({unknown.primitive for unknown in found.unknown}))
        lines.append(f"the totals are lower bounds: what {names} does is not known")
    if found.branches:
        lines.append(f"of {len(found.branches)} conditionals the largest branch was counted")
    if program.effects:
        effects = ", ".join(program.effects)
        lines.append(f"the program has side effects ({effects}), which are not counted")
    return lines

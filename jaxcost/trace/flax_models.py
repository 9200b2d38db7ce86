"""Models of Flax Linen, whose parameters and random streams are made as they are traced."""

from typing import Any

import jax

from jaxcost.trace.prepared import Prepared, from_parameters, split


def prepare(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prepared | None:
    """A module of Linen with all its variables; None of anything else.

    Every random stream is there: Linen takes one that is not given from `params`. Collections
    other than the parameters may change, and what they become is of the results.
    """
    from flax import linen

    if not isinstance(model, linen.Module):
        return None
    given = {"params": jax.eval_shape(lambda: jax.random.key(0))} | kwargs.pop("rngs", {})
    traced, join = split((args, kwargs, given))

    def init(values: Any) -> Any:
        more, named, rngs = join(values)
        return model.init(rngs, *more, **named)

    variables = dict(jax.eval_shape(init, traced))
    own = variables.pop("params", {})

    def call(parameters: Any, others: Any, values: Any) -> tuple[Any, Any]:
        more, named, rngs = join(values)
        collections = {"params": parameters, **others}
        return model.apply(collections, *more, rngs=rngs, mutable=list(others), **named)

    return from_parameters(call, own, (variables, traced))

"""Operations that hold programs: calls, loops, branches, and what runs on many devices."""

import dataclasses
from collections.abc import Sequence
from typing import Any

# A program run once, its operands and results those of the operation.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "call": "call_jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "custom_vmap_call": "call",
    "composite": "jaxpr",
    "linear_call": "callee",
    "run_state": "jaxpr",
    "run_scoped": "jaxpr",
    "custom_lin": "jaxpr",
    "jaxpr_call": "jaxpr",
    "eval_jaxpr": "jaxpr",
    "remat_opt": "fwd_jaxpr",
    "xla_call": "call_jaxpr",
    "xla_metadata_call": "jaxpr",
    "fused_call": "jaxpr",
    "call_tf": "jaxpr",
}
HOLDING = (*_CALLS, "scan", "while", "cond", "shard_map", "custom_linear_solve")


@dataclasses.dataclass(frozen=True)
class Body:
    """A program within an operation: how often it runs, on what, and which results are used.

    `operands` are those of the operation, one for each input of the program, as far as known.
    `same_results` says that its results are the operation's own.
    """

    jaxpr: Any
    times: float
    operands: Sequence[Any]
    same_results: bool = False


def bodies(equation: Any) -> list[Body] | None:
    """The programs that an operation runs, without branches; None where it holds none."""
    name, params = equation.primitive.name, equation.params
    if name in _CALLS:
        inner = params.get(_CALLS[name])
        if inner is None or not hasattr(opened(inner), "eqns"):
            return None
        return [Body(opened(inner), 1, equation.invars, same_results=True)]
    if name == "scan":
        return [Body(opened(params["jaxpr"]), params["length"], equation.invars)]
    if name == "shard_map":
        return [Body(opened(params["jaxpr"]), _shards(params), equation.invars)]
    if name == "custom_linear_solve":
        solve = params["jaxprs"].solve
        return [Body(opened(solve), 1, ())]
    return None


def loop(equation: Any) -> tuple[Body, Body]:
    """The condition and the body of a `while`, each for one trip."""
    params, operands = equation.params, list(equation.invars)
    of_cond, of_body = params["cond_nconsts"], params["body_nconsts"]
    state = operands[of_cond + of_body :]
    return (
        Body(opened(params["cond_jaxpr"]), 1, operands[:of_cond] + state),
        Body(opened(params["body_jaxpr"]), 1, operands[of_cond : of_cond + of_body] + state),
    )


def branches(equation: Any) -> list[Body]:
    """The branches of a `cond` or `switch`, of which one runs."""
    inside = equation.params["branches"]
    return [Body(opened(b), 1, equation.invars[1:], same_results=True) for b in inside]


def opened(jaxpr: Any) -> Any:
    """A program without the constants that it is closed over."""
    return getattr(jaxpr, "jaxpr", jaxpr)


def live(jaxpr: Any, used: Sequence[bool] | None = None) -> list[Any]:
    """The operations whose results are used, or that do something else besides, in order.

    Compilers remove the rest. Args: used: of the program's results; None for all of them.
    """
    keep = [True] * len(jaxpr.outvars) if used is None else used
    wanted = {id(v) for v, u in zip(jaxpr.outvars, keep) if u}
    kept = []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or any(id(v) in wanted for v in equation.outvars):
            kept.append(equation)
            wanted.update(id(v) for v in equation.invars)
    kept.reverse()
    return kept


def _shards(params: Any) -> int:
    """On how many devices the program runs, each on its own part."""
    extents = dict(params["mesh"].shape)
    manual = params.get("manual_axes") or extents
    count = 1
    for axis in manual:
        count *= extents[axis]
    return count

"""Operations that hold programs: calls, loops, branches, and what runs on many devices."""

import dataclasses
from collections.abc import Sequence
from typing import Any

# A program run once, its operands and results those of the operation.
CALLS = {
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


@dataclasses.dataclass(frozen=True)
class Body:
    """A program within an operation: how often it runs, on what, and which results are used.

    `operands` are those of the operation, one for each input of the program, as far as known.
    `same_results` says that its results are the operation's own. Where a loop carries state from
    one trip to the next, that begins at the input `state`, and at the first result of a body; a
    condition has one result, which is always used.
    """

    jaxpr: Any
    times: float
    operands: Sequence[Any]
    same_results: bool = False
    state: int = 0
    is_condition: bool = False
    used: tuple[bool, ...] | None = None


def bodies(equation: Any) -> list[Body] | None:
    """The programs that an operation holds: of a `while` its condition, then its body; of a `cond`
    its branches, of which one runs; None where it holds none."""
    name, params = equation.primitive.name, equation.params
    if name in CALLS:
        inner = params.get(CALLS[name])
        if inner is None or not hasattr(opened(inner), "eqns"):
            return None
        return [Body(opened(inner), 1, equation.invars, same_results=True)]
    return _HOLDERS[name](equation) if name in _HOLDERS else None


def _scan(equation: Any) -> list[Body]:
    params = equation.params
    body = opened(params["jaxpr"])
    return [Body(body, params["length"], equation.invars, state=params["num_consts"])]


def _while(equation: Any) -> list[Body]:
    """Each for one trip."""
    params, operands = equation.params, list(equation.invars)
    of_cond, of_body = params["cond_nconsts"], params["body_nconsts"]
    state = operands[of_cond + of_body :]
    condition, body = opened(params["cond_jaxpr"]), opened(params["body_jaxpr"])
    constants = operands[of_cond : of_cond + of_body]
    return [
        Body(condition, 1, operands[:of_cond] + state, state=of_cond, is_condition=True),
        Body(body, 1, constants + state, state=of_body),
    ]


def _cond(equation: Any) -> list[Body]:
    inside = equation.params["branches"]
    return [Body(opened(b), 1, equation.invars[1:], same_results=True) for b in inside]


def _sharded(equation: Any) -> list[Body]:
    """What one of the devices does."""
    return [Body(opened(equation.params["jaxpr"]), 1, equation.invars, same_results=True)]


def _linear_solve(equation: Any) -> list[Body]:
    """The solver, on its own constants and the right-hand sides; the other programs transpose."""
    lengths, solve = equation.params["const_lengths"], opened(equation.params["jaxprs"].solve)
    before = lengths.matvec + lengths.vecmat
    operands = list(equation.invars)
    own, sides = operands[before : before + lengths.solve], operands[sum(lengths) :]
    return [Body(solve, 1, own + sides, same_results=True)]


_HOLDERS = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "shard_map": _sharded,
    "custom_linear_solve": _linear_solve,
}
HOLDING = (*CALLS, *_HOLDERS)


def carried(equation: Any) -> int:
    """How many results of an operation are state that a loop carries from trip to trip."""
    if equation.primitive.name == "while":
        return len(equation.outvars)
    return int(equation.params["num_carry"]) if equation.primitive.name == "scan" else 0


def opened(jaxpr: Any) -> Any:
    """A program without the constants that it is closed over."""
    return getattr(jaxpr, "jaxpr", jaxpr)

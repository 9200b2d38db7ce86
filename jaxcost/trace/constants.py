"""What a program is closed over, made inputs of it: at any depth, within jit, loops, branches."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend import source_info_util
from jax.extend.core import Literal

from jaxcost.trace.control import CALLS, opened

_OF_A_DERIVATIVE = ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "custom_lin")
_REMATERIALISED = ("remat", "remat2", "checkpoint")


def with_constants_as_inputs(closed: Any, *, backward: bool) -> tuple[Any, list[Any], list[str]]:
    """The program with its constants as inputs after its own, those constants, and what to mind.

    Within a custom derivative they stay constants where `backward` says that it is to be
    differentiated, as its rule was not written for them.
    """
    constants = _constants(opened(closed), closed.consts)
    if not constants:
        return closed, [], []
    hoist = _Hoist(list(constants), backward)

    def run(inputs: list[Any], values: list[Any]) -> list[Any]:
        hoist.values = dict(zip(constants, values))
        return hoist.run(closed, inputs)

    shapes = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in constants.values()]
    inputs = [shape_of(a) for a in closed.in_avals]
    return jax.make_jaxpr(run)(inputs, shapes), list(constants.values()), sorted(hoist.notes)


def shape_of(aval: Any) -> jax.ShapeDtypeStruct:
    """The shape and type of a value, weak where the value's is."""
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=getattr(aval, "weak_type", False))


def _constants(jaxpr: Any, values: Sequence[Any]) -> dict[int, Any]:
    """The arrays that a program, or one within it, is closed over; scalars stay where they are."""
    found = {id(v): v for v in values if getattr(v, "ndim", 0) > 0}
    for equation in jaxpr.eqns:
        found |= _literals(equation.invars)
        for inner in _programs(equation):
            found |= _constants(opened(inner), getattr(inner, "consts", ()))
    return found | _literals(jaxpr.outvars)


def _literals(atoms: Sequence[Any]) -> dict[int, Any]:
    values = [atom.val for atom in atoms if isinstance(atom, Literal)]
    return {id(value): value for value in values if getattr(value, "ndim", 0) > 0}


def _programs(equation: Any) -> list[Any]:
    """The programs among an operation's parameters."""
    each = [v if isinstance(v, tuple | list) else (v,) for v in equation.params.values()]
    return [program for values in each for program in values if hasattr(opened(program), "eqns")]


class _Hoist:
    """Runs a program with other values in the place of its constants, by their identity."""

    def __init__(self, constants: Sequence[int], backward: bool):
        self.values: dict[int, Any] = dict.fromkeys(constants)
        self.backward = backward
        self.notes: set[str] = set()

    def run(self, program: Any, inputs: Sequence[Any]) -> list[Any]:
        jaxpr = opened(program)
        values = [self._known(value) for value in getattr(program, "consts", ())]
        held = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*values, *inputs)))

        def read(atom: Any) -> Any:
            return self._known(atom.val) if isinstance(atom, Literal) else held[atom]

        for equation in jaxpr.eqns:
            with _source(equation):
                results = self._equation(equation, [read(v) for v in equation.invars])
            held.update(zip(equation.outvars, results))
        return [read(v) for v in jaxpr.outvars]

    def _known(self, value: Any) -> Any:
        return self.values.get(id(value), value)

    def _equation(self, equation: Any, values: list[Any]) -> list[Any]:
        inner: dict[int, Any] = {}
        for program in _programs(equation):
            inner |= _constants(opened(program), getattr(program, "consts", ()))
        run = self._opening(equation.primitive.name) if inner else None
        if run is not None:
            return run(equation.params, values)
        if inner:
            name = equation.primitive.name
            why = "its rule does not name" if name in _OF_A_DERIVATIVE else "cannot be told apart"
            self.notes.add(f"{name} is closed over arrays that {why}: they count as no parameters")
        return _bind(equation, values)

    def _opening(self, name: str) -> Callable[[Any, list[Any]], list[Any]] | None:
        if name in _REMATERIALISED:
            return self._checkpoint
        if name in CALLS and not (self.backward and name in _OF_A_DERIVATIVE):
            return lambda params, values: self.run(params[CALLS[name]], values)
        return {"scan": self._scan, "while": self._while, "cond": self._cond}.get(name)

    def _checkpoint(self, params: Any, values: list[Any]) -> list[Any]:
        options = {name: params[name] for name in ("prevent_cse", "policy")}
        return jax.checkpoint(lambda *v: self.run(params["jaxpr"], v), **options)(*values)

    def _scan(self, params: Any, values: list[Any]) -> list[Any]:
        after, carried = params["num_consts"], params["num_carry"]
        fixed, state, each = values[:after], values[after:][:carried], values[after + carried :]

        def step(state: list[Any], each: list[Any]) -> tuple[list[Any], list[Any]]:
            out = self.run(params["jaxpr"], [*fixed, *state, *each])
            return out[:carried], out[carried:]

        options = {name: params[name] for name in ("length", "reverse", "unroll")}
        last, stacked = jax.lax.scan(step, state, each, **options)
        return [*last, *stacked]

    def _while(self, params: Any, values: list[Any]) -> list[Any]:
        of_cond, of_body = params["cond_nconsts"], params["body_nconsts"]
        tests, fixed = values[:of_cond], values[of_cond:][:of_body]
        return jax.lax.while_loop(
            lambda state: self.run(params["cond_jaxpr"], [*tests, *state])[0],
            lambda state: self.run(params["body_jaxpr"], [*fixed, *state]),
            values[of_cond + of_body :],
        )

    def _cond(self, params: Any, values: list[Any]) -> list[Any]:
        def branch(program: Any) -> Callable[..., list[Any]]:
            return lambda *operands: self.run(program, operands)

        return jax.lax.switch(values[0], [branch(b) for b in params["branches"]], *values[1:])


@contextlib.contextmanager
def _source(equation: Any) -> Any:
    """What is traced within keeps the operation's scopes, after those that are open."""
    info = equation.source_info
    names = source_info_util.current_name_stack() + info.name_stack
    with source_info_util.user_context(info.traceback, name_stack=names), equation.ctx.manager:
        yield


def _bind(equation: Any, values: list[Any]) -> list[Any]:
    """An operation as it is, on other values; JAX before 0.10 hands its functions apart."""
    bound = equation.primitive.get_bind_params(equation.params)
    functions, params = bound if isinstance(bound, tuple) else ((), bound)
    out = equation.primitive.bind(*functions, *values, **params)
    return list(out) if equation.primitive.multiple_results else [out]

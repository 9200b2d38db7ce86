"""What a function holds: the models and arrays that it is closed over, and by what names."""

import contextlib
import functools
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

import equinox as eqx

from jaxcost.trace.owned import STATE, Marked, arrays_of, is_nnx
from jaxcost.trace.prepared import leaf_of
from jaxcost.trace.records import Leaf

_LIBRARIES = ("jax", "jaxlib", "numpy", "equinox", "flax", "haiku", "keras", "optax")


def held_arrays(function: Any) -> dict[int, Leaf | None]:
    """The arrays that a function, or what it wraps or calls, is closed over, by identity.

    Returns: of each the parameter that it is, under the name of its variable where several hold
        parameters; None for one that is known to be none, such as an optimizer's state.
    """
    variables = {id(value): (name, value) for name, value in _variables(function, set())}
    held = [(name, list(_arrays(value))) for name, value in variables.values()]
    owners = [name for name, arrays in held if any(m.kind != STATE and m.path for m in arrays)]
    found: dict[int, Leaf | None] = {}
    for name, arrays in held:
        for marked in arrays:
            path = f"{name}/{marked.path}" if len(owners) > 1 else marked.path
            leaf = leaf_of(path or name, marked.array, marked.by_path)
            known = found.get(id(marked.array))
            found[id(marked.array)] = known or (None if marked.kind == STATE else leaf)
    return found


def held_models(function: Any) -> list[tuple[str, Any]]:
    """The variables that a function is closed over, each after its parameters' prefix."""
    variables = {id(value): (name, value) for name, value in _variables(function, set())}
    held = [
        (name, value)
        for name, value in variables.values()
        if any(m.kind != STATE and m.path for m in _arrays(value))
    ]
    return held if len(held) > 1 else [("", value) for _, value in held]


def keras_root(values: Sequence[Any]) -> str:
    """The name of the only layer of Keras among some values, which it opens as a scope, or ''."""
    layers = {id(value): value for value in values if _is_of(value, "keras", "Layer")}
    return str(layers.popitem()[1].name) if len(layers) == 1 else ""


def _variables(value: Any, seen: set[int], name: str = "") -> Iterator[tuple[str, Any]]:
    """The variables that a function reads, and those of the functions that it holds in turn."""
    if id(value) in seen or isinstance(value, types.ModuleType | type):
        return
    seen.add(id(value))
    if _is_model(value) or not callable(value):
        yield name, value
        return
    for inner_name, inner in _within(value):
        yield from _variables(inner, seen, inner_name or name)


def _is_model(value: Any) -> bool:
    if isinstance(value, eqx.Module):
        return not hasattr(value, "__wrapped__")
    return is_nnx(value) or _is_of(value, "keras", "Layer") or _is_of(value, "flax.linen", "Module")


def _is_of(value: Any, framework: str, name: str) -> bool:
    return framework in sys.modules and isinstance(value, getattr(sys.modules[framework], name))


def _within(function: Any) -> Iterator[tuple[str, Any]]:
    """What a callable holds, of one level."""
    if isinstance(function, functools.partial):
        yield "", function.func
        yield from (("", value) for value in function.args)
        yield from function.keywords.items()
    elif isinstance(function, types.FunctionType):
        yield from _closed_over(function)
    if hasattr(function, "__wrapped__"):
        yield "", function.__wrapped__
    for attribute in ("__self__", "__func__"):
        if (inner := getattr(function, attribute, None)) is not None:
            yield "", inner


def _closed_over(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        with_value = _value_of(cell)
        if with_value:
            yield name, with_value[0]
    if function.__module__.partition(".")[0] in _LIBRARIES:
        return
    for name in _globals_read(function.__code__):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _value_of(cell: Any) -> tuple[Any, ...]:
    """What a cell holds; nothing before its variable is assigned."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _globals_read(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_read(constant)


def _arrays(value: Any) -> Iterator[Marked]:
    if _is_of(value, "keras", "Layer"):
        from jaxcost.trace.keras_models import arrays_of_layer

        yield from arrays_of_layer(value)
    elif _is_of(value, "flax.linen", "Module"):
        yield from arrays_of(dict(value.variables) if value.scope is not None else {})
    else:
        with contextlib.suppress(ValueError):  # no tree: a dict whose keys have no order
            yield from arrays_of(value)

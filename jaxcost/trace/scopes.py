"""While a function is traced, each call of a module of Equinox or NNX has its path as its scope."""

import contextlib
import contextvars
import functools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
from jax.experimental.xla_metadata import set_xla_metadata

# The modules that run in this thread, outermost first, each with the paths of what it holds.
_Frame = tuple[Any, Mapping[int, tuple[str, Any]]]
_running: contextvars.ContextVar[tuple[_Frame, ...] | None] = contextvars.ContextVar(
    "_running", default=None
)
_lock = threading.Lock()
_originals: dict[type, Any] = {}
_users = 0


@contextlib.contextmanager
def scopes_of_modules(roots: Sequence[tuple[str, Any]]) -> Iterator[None]:
    """Names what modules compute by their paths, as `layers/0`, within those that call them.

    Args:
        roots: models, each after the prefix of its paths, '' for none.

    The classes' `__call__` is replaced meanwhile, and put back even if tracing fails. Other threads
    that call the same classes run them as they are; several may trace at once. What `jax.jit` keeps
    of this is not what it gives elsewhere, nor the other way round: the metadata keeps them apart.
    """
    _replace()
    paths: dict[int, tuple[str, Any]] = {}
    for prefix, root in roots:
        _index(root, prefix, paths)
    token = _running.set(((None, paths),))
    try:
        with set_xla_metadata(jaxcost="scopes"):
            yield
    finally:
        _running.reset(token)
        _put_back()


def _replace() -> None:
    global _users
    with _lock:
        _users += 1
        for cls in _classes():
            if "__call__" in vars(cls) and cls not in _originals:
                _originals[cls] = vars(cls)["__call__"]
                type.__setattr__(cls, "__call__", _scoped(_originals[cls]))


def _put_back() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            for cls, original in _originals.items():
                type.__setattr__(cls, "__call__", original)
            _originals.clear()


def _classes() -> Iterator[type]:
    """Every class of modules but Equinox's wrappers of functions."""
    bases: list[type] = [eqx.Module]
    if "flax.nnx" in sys.modules:
        bases.append(sys.modules["flax.nnx"].Module)
    seen: set[type] = set()
    while bases:
        cls = bases.pop()
        if cls not in seen:
            seen.add(cls)
            bases += type.__subclasses__(cls)
            if not cls.__module__.startswith("equinox._"):
                yield cls


def _scoped(original: Any) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = original.__get__(self, type(self))
        running = _running.get()
        if running is None or running[-1][0] is self:  # the latter: super().__call__
            return bound(*args, **kwargs)
        path = _path(self, running)
        inside: dict[int, tuple[str, Any]] = {}
        _index(self, "", inside)
        token = _running.set((*running, (self, inside)))
        try:
            with jax.named_scope(path) if path else contextlib.nullcontext():
                return bound(*args, **kwargs)
        finally:
            _running.reset(token)

    return call


def _path(module: Any, running: Sequence[_Frame]) -> str:
    """The path of a module in the innermost that holds it; of one that a transformation has made
    anew, that of the only one of its class; '' of what nobody holds."""
    for _, held in reversed(running):
        if id(module) in held:
            return held[id(module)][0]
    for _, held in reversed(running):
        alike = {path for path, other in held.values() if type(other) is type(module)}
        if alike:
            return alike.pop() if len(alike) == 1 else ""
    return ""


def _index(value: Any, path: str, found: dict[int, tuple[str, Any]]) -> None:
    """The modules in a value, itself too, by identity: the first path of each, and itself."""
    if id(value) in found:
        return
    if _is_module(value):
        found[id(value)] = path, value
    for name, inner in _children(value):
        _index(inner, f"{path}/{name}" if path else str(name), found)


def _children(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes | range):
        yield from enumerate(value)
    elif _is_module(value):
        yield from vars(value).items()


def _is_module(value: Any) -> bool:
    if isinstance(value, eqx.Module):
        return True
    return "flax.nnx" in sys.modules and isinstance(value, sys.modules["flax.nnx"].Module)

"""Shapes written as text, `f32[1,224,224,3]`, and things named as `MODULE:ATTR`."""

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from jaxcost._support.messages import nearest, unknown

_SPEC = re.compile(r"^\s*(\w+)\s*\[([\d\s,]*)\]\s*$")
_SHORT = {"f": "float", "i": "int", "u": "uint", "s": "int", "c": "complex", "bf": "bfloat"}
_MISSING = object()
_NAMES = (
    *("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128"),
    *("float8_e4m3fn", "float8_e5m2", "float8_e4m3", "float8_e3m4", "float8_e8m0fnu"),
    *("int4", "uint4", "int2", "uint2", "float4_e2m1fn"),
)
_TYPES = tuple(name for name in _NAMES if hasattr(jnp, name))  # older JAX has fewer


def parse_spec(text: str) -> jax.ShapeDtypeStruct:
    """A shape and type from text such as `f32[1,224,224,3]`, `int32[8,128]` or `bf16[]`.

    Raises: ValueError: text that is none, an unknown type, an extent of 0.
    Example:
        >>> parse_spec("f32[1,224,224,3]").shape
        (1, 224, 224, 3)
    """
    found = _SPEC.match(text)
    if found is None:
        raise ValueError(f"input {text!r} is not a shape; write one like f32[1,224,224,3]")
    name = _type_name(found[1])
    extents = [part.strip() for part in found[2].split(",")] if found[2].strip() else []
    if not all(part.isdigit() and int(part) > 0 for part in extents):
        raise ValueError(f"input {text!r} has an extent that is not 1 or more; write f32[1,224,3]")
    return jax.ShapeDtypeStruct(tuple(map(int, extents)), jnp.dtype(name))


def _type_name(name: str) -> str:
    short = re.fullmatch(r"(bf|[fiusc])(\d+)", name)
    full = f"{_SHORT[short[1]]}{short[2]}" if short else {"pred": "bool"}.get(name, name)
    if full not in _TYPES:
        raise ValueError(unknown("input type", name, ("f32", "f16", "bf16", "f64", "i32", *_TYPES)))
    return full


def load_attribute(name: str, *, call: bool = False) -> Any:
    """What `MODULE:ATTR` names; with `call`, what it returns when called without arguments.

    The folder that the program runs in is searched, too: while the module is imported and called
    after Python's own modules and before those installed, later after all others.

    Raises: ValueError: no such module or attribute, or the call fails or ends the program; with
        its own error.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ValueError(f"{name!r} names no attribute; write MODULE:ATTR, such as models:resnet")
    with _current_folder():
        found = _found(module_name, attribute, name)
        return _called(found, name) if call else found


def _found(module_name: str, attribute: str, name: str) -> Any:
    found: Any = _module(module_name, name)
    for part in attribute.split("."):
        found = _attribute(found, part, name)
    return found


def _called(found: Any, name: str) -> Any:
    if not callable(found):
        raise ValueError(f"{name} is a {type(found).__name__} and cannot be called; drop --call")
    with _users_errors(f"{name}() failed"):
        return found()


@contextlib.contextmanager
def _users_errors(words: str) -> Iterator[None]:
    """Within it the user's code runs: what it raises is an error of the input, in one line.

    Also SystemExit and the like, which would end the command as if all were well.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ValueError(f"{words}: {own_words(error)}") from error


def own_words(error: BaseException) -> str:
    """A user's error in one line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


@contextlib.contextmanager
def _current_folder() -> Iterator[None]:
    """Within it the current folder comes before what is installed; afterwards it comes last."""
    here = os.getcwd()  # noqa: PTH109
    if sys.path[-1:] == [here]:
        sys.path.pop()
    if here in sys.path or "" in sys.path:
        yield
        return
    own = [i for i, folder in enumerate(sys.path) if _is_librarys(folder)]
    sys.path.insert(max(own, default=-1) + 1, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)
        sys.path.append(here)


def _is_librarys(folder: str) -> bool:
    """Whether a folder of the path has Python's own modules."""
    library = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120
    return f"{folder}{os.sep}".startswith(library) and "-packages" not in folder


def _module(module_name: str, name: str) -> Any:
    with _users_errors(f"{name}: importing {module_name} failed"):
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            way_out = "install it, or put its folder on PYTHONPATH"
            raise ModuleNotFoundError(f"{error}; {way_out}", name=error.name) from error


def _attribute(found: Any, part: str, name: str) -> Any:
    with _users_errors(f"{name}: reading {part!r} failed"):
        value = getattr(found, part, _MISSING)
    if value is not _MISSING:
        return value
    near = nearest(part, [n for n in dir(found) if not n.startswith("_")])
    hint = f"did you mean {near!r}?" if near else "look up its name there"
    raise ValueError(f"{name}: there is no {part!r}; {hint}")

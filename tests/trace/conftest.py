"""The ways of calling a function that should change nothing that is counted."""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import pytest

_WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda f: f,
    "closed over": lambda f: lambda x: f(x),
    "jit": lambda f: jax.jit(lambda x: f(x)),
    "filter_jit": lambda f: eqx.filter_jit(lambda x: f(x)),
    "vmap": lambda f: jax.vmap(lambda x: f(x[None])[0]),
    "checkpoint": lambda f: jax.checkpoint(lambda x: f(x)),
    "partial": lambda f: functools.partial(lambda f, x: f(x), f),
    "jit of checkpoint": lambda f: jax.jit(jax.checkpoint(lambda x: f(x))),
}


@pytest.fixture
def wrappers() -> dict[str, Callable[[Any], Any]]:
    """By name, from a function to the same, called in another way; those that checkpoint say so."""
    return _WRAPPERS


@pytest.fixture
def frameworks_as_they_are(monkeypatch):
    """They broadcast as they like, and Keras runs on JAX."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with jax.numpy_rank_promotion("allow"):
        yield

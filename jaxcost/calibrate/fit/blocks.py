"""A model at the rows of a table, from one program for all tables, points and folds."""

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcost._support.precision import as_double
from jaxcost.calibrate.fit.space import Space

# What is compiled is for so many rows, and up to so many points: that takes far longer than it
# runs, and tables of any length then share it, as do the folds and starts of a fit.
_ROWS, _POINTS = 256, 16
# XLA's newer emitters of loops compile for twice as long, and what they make is no faster here.
_QUICK = {"xla_cpu_use_fusion_emitters": False}
_ONE = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Block:
    """Rows of a table, filled up with the last of them; which they are, and their device."""

    rows: slice
    workloads: Any
    device: Any


def in_blocks(workloads: Any, device: Any, rows: int) -> list[Block]:
    """All rows of a table, a block after another; used within `double_precision`.

    Args: workloads: leaves of shape `(rows, ...)`; device: numbers, or one a row.
    """
    blocks = []
    for begin in range(0, rows, _ROWS):
        taken = np.minimum(np.arange(begin, begin + _ROWS), rows - 1)
        of_rows = jax.tree.map(lambda leaf, taken=taken: np.asarray(leaf)[taken], workloads)
        own = jax.tree.map(
            lambda leaf, taken=taken: np.asarray(leaf)[taken] if np.ndim(leaf) else leaf, device
        )
        blocks.append(Block(slice(begin, min(begin + _ROWS, rows)), *as_double((of_rows, own))))
    return blocks


def linearised(
    space: Space, blocks: list[Block], points: np.ndarray
) -> Iterator[tuple[slice, slice, np.ndarray, np.ndarray]]:
    """ln of what the model predicts, and its slopes, for some of the points and rows at a time.

    Args: points: shape `(points, parameters)`.
    Yields: which points and which rows, ln predicted, of shape `(points, rows)`, and its
        derivatives, of shape `(points, rows, parameters)`.
    """
    for first in range(0, len(points), _POINTS):
        here = slice(first, min(first + _POINTS, len(points)))
        filled = np.zeros((_POINTS, points.shape[1]))
        filled[: here.stop - first] = points[here]
        given = as_double(filled), np.asarray(here.stop - first)
        for block in blocks:
            some = slice(here.stop - first), slice(block.rows.stop - block.rows.start)
            predicted, slopes = _at(False, space, *given, block)
            if not np.isfinite(slopes[some].sum()):
                # Backward, a branch that is not taken can spoil what is; forward it does not.
                predicted, slopes = _at(True, space, *given, block)
            yield here, block.rows, predicted[some], slopes[some]


def _at(
    forward: bool, space: Space, points: Array, number: np.ndarray, block: Block
) -> tuple[np.ndarray, np.ndarray]:
    with _ONE:  # of fits side by side, the first asks
        program = _program()
    found = program(forward, space, points, number, block.workloads, block.device)
    return np.asarray(found[0]), np.asarray(found[1])


@functools.cache
def _program() -> Any:
    """`_linearised`, compiled for this version of XLA."""
    try:
        jax.jit(lambda: 0.0, compiler_options=_QUICK)()
    except Exception:  # of a type that JAX does not export: an option that this version lacks
        return jax.jit(_linearised, static_argnums=(0, 1))
    return jax.jit(_linearised, static_argnums=(0, 1), compiler_options=_QUICK)


def _linearised(
    forward: bool,
    space: Space,
    points: Float[Array, "points parameters"],
    number: Array,
    workloads: Any,
    device: Any,
) -> tuple[Array, Array]:
    """At the first `number` of the points; one after another, whose numbers stay in the cache."""
    each = jax.tree.map(lambda leaf: 0 if leaf.ndim else None, device)
    slopes_of = _forward if forward else _backward

    def at(i: Array, found: tuple[Array, Array]) -> tuple[Array, Array]:
        def of_row(z: Array, workload: Any, own: Any) -> tuple[Array, Array]:
            return slopes_of(lambda z: jnp.log(space.model(z)(workload, own)), z)

        here = jax.vmap(of_row, in_axes=(None, 0, each))(points[i], workloads, device)
        return found[0].at[i].set(here[0]), found[1].at[i].set(here[1])

    predicted = jnp.zeros((len(points), _ROWS), points.dtype)
    slopes = jnp.zeros((*predicted.shape, points.shape[1]), points.dtype)
    return jax.lax.fori_loop(0, number, at, (predicted, slopes))


def _backward(function: Callable[[Any], Array], z: Array) -> tuple[Array, Array]:
    """Value and slopes, the parameters one by one: most of a model's terms know few of them."""
    try:
        value, slopes = jax.value_and_grad(function)(list(z))
    except ValueError:  # a loop of unknown length has no way back
        return _forward(function, z)
    return value, jnp.stack(slopes)


def _forward(function: Callable[[Any], Array], z: Array) -> tuple[Array, Array]:
    value, along = jax.linearize(function, z)
    return value, jax.vmap(along)(jnp.eye(len(z), dtype=z.dtype))

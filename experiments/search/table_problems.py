"""Widths to choose of which every candidate was measured: drawn from a table of products on a GPU.

A candidate is a network of which each layer, inputs by outputs at the problem's rows, is in the
table; it costs the sum of its layers. There are multilayer perceptrons from a given input, and
transformer blocks without what mixes tokens: width, attention's inner width, hidden width.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import jaxcost as jc

FILES = {"time_s": "aic_gemm_bf16_time.csv", "energy_j": "aic_gemm_bf16_energy.csv"}
FEWEST, MOST = 30, 50_000  # candidates of a problem: a choice, and one that can be enumerated
_LAYERS = (2, 3, 4)  # of a perceptron
_USUAL = (0.1, 0.9)  # quantiles of the candidates' costs between which a budget is drawn
_ABOVE = 1.1  # at most so much above that quantile, so that no candidate lies on a budget
# How the error falls with parameters, each width here by itself, in Hoffmann et al. (2022),
# Training compute-optimal large language models, approach 3; by weights drawn about 1.
_POWER = 0.34
_WEIGHTS = (0.5, 2.0)


class Summed(eqx.Module):
    """The sum over a network's layers of what a table, inputs by outputs, says of each."""

    table: jax.Array
    axis: jax.Array
    given: jax.Array
    block: bool = eqx.field(static=True)

    def __call__(self, widths: jax.Array) -> jax.Array:
        c_in, c_out, times = layers_of(widths, self.given, self.block, jnp)
        apart = [jnp.abs(self.axis[None] - side[:, None]) for side in (c_in, c_out)]
        return jnp.sum(times * self.table[tuple(jnp.argmin(each, axis=1) for each in apart)])


class Sought(eqx.Module):
    """Minus the parameters, in millions; or, with weights, an error that falls with every width."""

    given: jax.Array
    weights: jax.Array
    block: bool = eqx.field(static=True)

    def __call__(self, widths: jax.Array) -> jax.Array:
        c_in, c_out, times = layers_of(widths, self.given, self.block, jnp)
        error = jnp.sum(self.weights / widths**_POWER)
        return jnp.where(self.weights.any(), error, -jnp.sum(times * c_in * c_out) / 1e6)


def layers_of(widths: jax.Array, given: jax.Array, block: bool, numpy: object) -> tuple:
    """Inputs, outputs and number of each sort of layer."""
    if block:  # queries, keys and values; the way back; up; down
        d, a, f = widths
        return numpy.stack([d, a, d, f]), numpy.stack([a, d, f, d]), numpy.array([3.0, 1, 1, 1])
    chain = numpy.concatenate([given, widths])
    return chain[:-1], chain[1:], numpy.ones(len(chain) - 1)


@dataclasses.dataclass(frozen=True)
class Problem:
    """A search, and all its candidates: widths, what is sought (least is best), measured costs."""

    kind: str
    goal: str
    rows: int
    axis: np.ndarray
    given: np.ndarray
    known: np.ndarray
    candidates: np.ndarray
    objective: eqx.Module
    sought: np.ndarray
    measured: np.ndarray
    limit: float

    @property
    def block(self) -> bool:
        return self.kind == "block"

    @property
    def unmeasured(self) -> Summed:
        """How many of a network's layers are not in the table; a block's values, keys and queries
        are three."""
        return self._summed(~self.known)

    def cost(self, of_layers: np.ndarray) -> Summed:
        """Of a network, given those of the layers measured, by inputs and then outputs."""
        return self._summed(np.nan_to_num(self._matrix(of_layers)))

    def network(self, widths: jax.Array) -> jc.Workload:
        """The layers of so many widths, as the table's rows are."""
        c_in, c_out, times = layers_of(widths, jnp.asarray(self.given), self.block, jnp)
        sizes = {"batch": self.rows, "item_bytes": 2, "repeat": times, "bias": 0}
        return jc.dense(c_in=c_in, c_out=c_out, **sizes)

    def layer(self, of_layers: np.ndarray) -> Callable[[jc.Workload], float]:
        """From a layer to what was measured of it, given that of all by inputs and then outputs."""
        matrix = self._matrix(of_layers)

        def look_up(layer: jc.Workload) -> float:
            at = (np.searchsorted(self.axis, float(side)) for side in (layer.c_in, layer.c_out))
            return float(matrix[tuple(at)])

        return look_up

    def _summed(self, table: np.ndarray) -> Summed:
        numbers = (jnp.asarray(x, dtype=float) for x in (table, self.axis, self.given))
        return Summed(*numbers, self.block)

    def _matrix(self, of_layers: np.ndarray) -> np.ndarray:
        matrix = np.full(self.known.shape, np.nan)
        matrix[self.known] = of_layers
        return matrix

    def costs(self, of_layers: np.ndarray) -> np.ndarray:
        """Of the candidates, given the same."""
        return _summed(self._matrix(of_layers), self.candidates, self.axis, self.given, self.block)

    def at(self, widths: tuple[int, ...]) -> int:
        """The place of a candidate."""
        return int((self.candidates == np.array(widths)).all(axis=1).argmax())

    def judged(self, at: int) -> tuple[float, float]:
        """How far a candidate is from the best that meets the budget as measured, and how far it
        is above the budget, relative to each; either is below 0 where it is beyond or within."""
        best, own = self.sought[self.measured <= self.limit].min(), self.sought[at]
        return float((own - best) / abs(best)), float(self.measured[at] / self.limit - 1)


def cards(folder: Path) -> Iterator[tuple[str, str, float, pd.DataFrame]]:
    """Device, `time_s` or `energy_j`, the share of its problems, and all rows of each table."""
    tables = {target: jc.read_layer_table(folder / file) for target, file in FILES.items()}
    metered = set(tables["energy_j"]["device"])
    for target, table in tables.items():
        table[target] = table[target].astype(float)
        for device, rows in table.groupby("device"):
            share = 0.5 if device in metered else 1.0
            yield str(device), target, share, rows.drop(columns="sweep").reset_index(drop=True)


def draw(table: pd.DataFrame, target: str, number: int, seed: int = 0) -> list[Problem]:
    """So many problems on one device."""
    random = np.random.default_rng(seed)
    axis = np.unique(np.append(table["c_in"], table["c_out"])).astype(float)
    by_rows = {int(rows): _matrix(part, target, axis) for rows, part in table.groupby("batch")}
    found: list[Problem] = []
    while len(found) < number:
        rows = int(random.choice(list(by_rows)))
        block, goal = bool(random.integers(2)), str(random.choice(["parameters", "law"]))
        given = axis[[] if block else [random.integers(len(axis))]]
        layers = int(random.choice(_LAYERS))
        known = np.isfinite(by_rows[rows])
        candidates = axis[_blocks(known) if block else _paths(known, axis, given, layers)]
        if FEWEST <= len(candidates) <= MOST:
            sizes = rows, axis, given, by_rows[rows], candidates
            found.append(_problem(random, "block" if block else f"mlp {layers}", goal, *sizes))
    return found


def _problem(
    random: np.random.Generator, kind: str, goal: str, rows: int, axis: np.ndarray,
    given: np.ndarray, matrix: np.ndarray, candidates: np.ndarray,
) -> Problem:  # fmt: skip
    block = kind == "block"
    weights = random.uniform(*_WEIGHTS, candidates.shape[1]) * (goal == "law")
    objective = Sought(jnp.asarray(given), jnp.asarray(weights), block)
    measured = _summed(matrix, candidates, axis, given, block)
    limit = float(np.quantile(measured, random.uniform(*_USUAL)) * random.uniform(1, _ABOVE))
    sought = np.asarray(jax.jit(jax.vmap(objective))(jnp.asarray(candidates)), float)
    known = np.isfinite(matrix)
    return Problem(kind, goal, rows, axis, given, known, candidates, objective, sought, measured,
                   limit)  # fmt: skip


def _matrix(part: pd.DataFrame, target: str, axis: np.ndarray) -> np.ndarray:
    matrix = np.full((len(axis), len(axis)), np.nan)
    places = (np.searchsorted(axis, part[side]) for side in ("c_in", "c_out"))
    matrix[tuple(places)] = part[target]
    return matrix


def _paths(known: np.ndarray, axis: np.ndarray, given: np.ndarray, layers: int) -> np.ndarray:
    """Places of the widths of every perceptron all of whose layers are known."""
    paths = np.searchsorted(axis, given)[None]
    for _ in range(layers):
        path, following = np.nonzero(known[paths[:, -1]])
        paths = np.column_stack([paths[path], following])
        if len(paths) > MOST:
            break
    return paths[:, 1:]


def _blocks(known: np.ndarray) -> np.ndarray:
    """Places of the widths of every block all of whose layers are known."""
    both = known & known.T
    d, a, f = np.nonzero(both[:, :, None] & both[:, None, :])
    return np.column_stack([d, a, f])


def _summed(
    matrix: np.ndarray, candidates: np.ndarray, axis: np.ndarray, given: np.ndarray, block: bool
) -> np.ndarray:
    at = np.searchsorted(axis, candidates)
    first = np.broadcast_to(np.searchsorted(axis, given), (len(at), len(given)))
    c_in, c_out, times = layers_of(at.T, first.T, block, np)
    return np.einsum("l,lc->c", times, matrix[c_in.astype(int), c_out.astype(int)])

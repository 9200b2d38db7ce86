"""What is minimised: the robust log ratio of predicted to observed, and the parameters' priors."""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcost._support.precision import as_double
from jaxcost.calibrate.fit.optimize import minimize
from jaxcost.calibrate.fit.space import Space
from jaxcost.calibrate.fit.starts import starting_points, typical_point, work_of
from jaxcost.device import Device
from jaxcost.workload import Workload
from jaxcost.workload.runs import TrainingRun

_LEAST_BEND = 0.1  # of the curvature that an exact row has


class Problem(eqx.Module):
    """A model class, the rows to fit it to, and the loss; used within `double_precision`.

        loss(z) = (robust / noise)**2 sum over rows of weight certainty ln(1 + (r / robust)**2) / 2
                  + sum over parameters of ((z - believed) / spread)**2 / 2
        r       = ln(predicted / observed)

    Quadratic for errors below `robust`, weighed against the priors as if of standard deviation
    `noise`, then ever flatter: a row that no other row bears out,
    such as a timing of work that was never done, does not bend the model. The certainty of a row
    falls from 1, where repeating its measurement gave the same, to a half where it scattered by
    `robust`.
    """

    space: Space = eqx.field(static=True)
    workloads: Any
    device: Device
    log_observed: Float[Array, " rows"]
    certainty: Float[Array, " rows"]
    work: dict[str, Float[Array, " rows"]]
    robust: Float[Array, ""]
    noise: Float[Array, ""]
    believed: Float[Array, " parameters"]
    precision: Float[Array, " parameters"]

    @classmethod
    def of(
        cls,
        space: Space,
        workloads: Workload | TrainingRun,
        device: Device,
        observed: np.ndarray,
        *,
        robust: float,
        priors: bool,
        noise: float | None = None,
        spread: np.ndarray | None = None,
    ) -> "Problem":
        """The problem in float64; a workload of rank 1 is one network of one layer a row."""
        if workloads.batch.ndim == 1:
            workloads = jax.tree.map(lambda leaf: leaf[:, None], workloads)
        work = work_of(workloads)
        believed = typical_point(space, work, observed)
        workloads, device = as_double(workloads), as_double(device)
        model = space.model(as_double(space.vector({p.name: 1.0 for p in space.parameters})))
        prepared = jax.jit(jax.vmap(model.prepared, in_axes=(0, None)))(workloads, device)
        scales = (robust, noise or robust, believed, space.precision() * priors)
        certainty = _certainty(spread, robust, len(observed))
        rows = (np.log(observed), certainty, work)
        return cls(space, prepared, device, *map(as_double, (*rows, *scales)))

    @property
    def padded(self) -> "Problem":
        """The same with rows that count nothing, up to a size that tables near it share.

        What is compiled for it serves them all.
        """
        more = _room(len(self.log_observed)) - len(self.log_observed)

        def longer(leaf: Array) -> np.ndarray:
            return np.concatenate([leaf, np.repeat(np.asarray(leaf[-1:]), more, axis=0)])

        nothing = np.concatenate([self.certainty, np.zeros(more)])
        of_rows = self.workloads, self.log_observed
        workloads, log_observed = as_double(jax.tree.map(longer, of_rows))
        device = as_double(jax.tree.map(lambda x: longer(x) if x.ndim else x, self.device))
        return dataclasses.replace(
            self, workloads=workloads, device=device, log_observed=log_observed,
            certainty=as_double(nothing), work={},
        )  # fmt: skip

    def log_predicted(self, z: Float[Array, " parameters"]) -> Float[Array, " rows"]:
        """ln of what the model at `z` predicts for each row."""
        model = self.space.model(z)
        # A number of the device that has a row's axis is another device in every row.
        each = jax.tree.map(lambda leaf: 0 if leaf.ndim else None, self.device)
        return jnp.log(jax.vmap(model, in_axes=(0, each))(self.workloads, self.device))

    def loss(self, z: Float[Array, " parameters"], weights: Float[Array, " rows"]) -> Array:
        """The loss, a scalar."""
        return self._loss(self.log_predicted(z) - self.log_observed, z, weights)

    def _loss(self, residual: Array, z: Array, weights: Array) -> Array:
        counted = weights * self.certainty
        flattened = jnp.log1p((residual / self.robust) ** 2)
        data = jnp.sum(counted * flattened) * (self.robust / self.noise) ** 2 / 2
        return data + jnp.sum(self.precision * (z - self.believed) ** 2) / 2

    def linearised(
        self, z: Float[Array, " parameters"], weights: Float[Array, " rows"]
    ) -> tuple[Array, Array, Array]:
        """The loss at `z`, its gradient, and the Gauss-Newton approximation of its Hessian."""

        def along(direction: Array) -> tuple[Array, Array]:
            return jax.jvp(self.log_predicted, (z,), (direction,))

        predicted, jacobian = jax.vmap(along, out_axes=(None, 0))(jnp.eye(z.size, dtype=z.dtype))
        residual = predicted - self.log_observed
        trust = self.trust(residual)
        counted = weights * self.certainty / self.noise**2
        slope = jacobian @ (counted * trust * residual) + self.precision * (z - self.believed)
        # What is left of a row's curvature where its loss flattens; never below 0.
        bend = counted * trust * jnp.maximum(2 * trust - 1, _LEAST_BEND)
        curvature = (jacobian * bend[None]) @ jacobian.T + jnp.diag(self.precision)
        return self._loss(residual, z, weights), slope, curvature

    def trust(self, residual: Float[Array, " rows"]) -> Float[Array, " rows"]:
        """How much of a row the robust loss still lets count, in (0, 1], given its residual `r`."""
        return 1 / (1 + (residual / self.robust) ** 2)

    def starts(self, number: int, seed: int, seen: np.ndarray | None = None) -> np.ndarray:
        """Where to search from, told by the rows `seen` alone, shape `(number, parameters)`."""
        work = {unit: np.asarray(amount) for unit, amount in self.work.items()}
        observed = np.exp(np.asarray(self.log_observed))
        if seen is not None:
            work, observed = {k: v[seen] for k, v in work.items()}, observed[seen]
        return starting_points(self.space, work, observed, number=number, seed=seed)


def _certainty(spread: np.ndarray | None, robust: float, rows: int) -> np.ndarray:
    """Of a row whose own scatter is known; of others 1."""
    known = np.zeros(rows) if spread is None else np.nan_to_num(spread)
    return 1 / (1 + (known / robust) ** 2)


def solve(
    problem: Problem, weights: np.ndarray, starts: list[int], *, seed: int
) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """The best `z` for each row of weights, and what was reached from each of its starts.

    Args:
        weights: of the rows in each of several fits, shape `(fits, rows)`.
        starts: how many points each fit searches from. All fits run side by side in one program.
    Returns: shape `(fits, parameters)`; for each fit the losses, shape `(starts,)`, and the points,
        shape `(starts, parameters)`.
    """
    points = [problem.starts(n, seed, w > 0) for n, w in zip(starts, weights, strict=True)]
    fits = np.repeat(np.arange(len(starts)), starts)
    padded = problem.padded
    rows = ((0, 0), (0, len(padded.log_observed) - weights.shape[1]))
    begin, counted = map(_filled, (np.concatenate(points), np.pad(weights[fits], rows)))
    found, losses = (
        np.asarray(x)[: len(fits)] for x in _descend_all(padded, *as_double((begin, counted)))
    )
    losses = np.where(np.isfinite(losses), losses, np.inf)
    each = [np.flatnonzero(fits == fit) for fit in range(len(starts))]
    best = [rows[losses[rows].argmin()] for rows in each]
    return found[best], [losses[rows] for rows in each], [found[rows] for rows in each]


@eqx.filter_jit
def _descend_all(problem: Problem, begin: Array, weights: Array) -> tuple[Array, Array]:
    def descend(start: Array, counted: Array) -> tuple[Array, Array]:
        return minimize(lambda z: problem.linearised(z, counted), start)

    return jax.vmap(descend)(begin, weights)


def predict_all(problem: Problem, vectors: np.ndarray) -> np.ndarray:
    """ln of what each of several fits predicts for all rows, shape `(fits, rows)`.

    Args: vectors: `z` of each fit, shape `(fits, parameters)`.
    """
    padded = np.asarray(_predict_all(problem.padded, as_double(_filled(vectors))))
    return padded[: len(vectors), : len(problem.log_observed)]


@eqx.filter_jit
def _predict_all(problem: Problem, vectors: Float[Array, "fits parameters"]) -> Array:
    return jax.vmap(problem.log_predicted)(vectors)


def _room(number: int) -> int:
    """The least of 4, 5, 6 or 7 times a power of two that holds so many."""
    step = 2 ** max(math.ceil(math.log2(number)) - 3, 0)
    return math.ceil(number / step) * step


def _filled(fits: np.ndarray) -> np.ndarray:
    """The first fit again and again behind the last, up to a number that others share."""
    return np.concatenate([fits, np.repeat(fits[:1], _room(len(fits)) - len(fits), axis=0)])

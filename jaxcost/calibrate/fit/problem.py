"""What is minimised: the robust log ratio of predicted to observed, and the parameters' priors."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from jaxcost._support.precision import as_double
from jaxcost.calibrate.fit.blocks import Block, in_blocks, linearised
from jaxcost.calibrate.fit.optimize import minimize
from jaxcost.calibrate.fit.sample import some_of
from jaxcost.calibrate.fit.space import Space
from jaxcost.calibrate.fit.starts import starting_points, typical_point, work_of
from jaxcost.device import Device
from jaxcost.models.base import CostModel
from jaxcost.workload import Workload
from jaxcost.workload.runs import TrainingRun

_LEAST_BEND = 0.1  # of the curvature that an exact row has
# Shares of a loss whose gain ends a search; of thousands of rows far less than they can tell.
_EXACT, _SETTLED = 1e-7, 1e-5


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """A model class, the rows to fit it to, and the loss; used within `double_precision`.

        loss(z) = (robust / noise)**2 sum over rows of weight certainty ln(1 + (r / robust)**2) / 2
                  + sum over parameters of ((z - believed) / spread)**2 / 2
        r       = ln(predicted / observed)

    Quadratic for errors below `robust`, weighed against the priors as if of standard deviation
    `noise`, then ever flatter: a row that no other row bears out,
    such as a timing of work that was never done, does not bend the model. The certainty of a row
    falls from 1, where repeating its measurement gave the same, to a half where it scattered by
    `robust`. All but the model itself is computed in NumPy, for many points side by side.

    Attributes:
        space: of the parameters.
        workloads: leaves of shape `(rows, layers)`; device: numbers, or one a row.
        log_observed, certainty: shape `(rows,)`.
        work: how much each row does, by unit, each of shape `(rows,)`.
        robust, noise: in ln.
        believed, precision: shape `(parameters,)`.
    """

    space: Space
    workloads: Any
    device: Device
    log_observed: np.ndarray
    certainty: np.ndarray
    work: dict[str, np.ndarray]
    robust: float
    noise: float
    believed: np.ndarray
    precision: np.ndarray

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
            workloads = jax.tree.map(lambda leaf: np.asarray(leaf)[:, None], workloads)
        work = work_of(workloads)
        believed = typical_point(space, work, observed)
        workloads, device = as_double(workloads), as_double(device)
        return cls(
            space, _prepared(space, workloads, device), device, np.log(observed),
            _certainty(spread, robust, len(observed)), work, robust, noise or robust, believed,
            space.precision() * priors,
        )  # fmt: skip

    @functools.cached_property
    def blocks(self) -> list[Block]:
        """The rows as they are handed to the compiled model."""
        return in_blocks(self.workloads, self.device, len(self.log_observed))

    def log_predicted(self, points: np.ndarray) -> np.ndarray:
        """ln of what the model predicts at each point for each row, shape `(points, rows)`."""
        found = np.zeros((len(points), len(self.log_observed)))
        for some, rows, predicted, _ in linearised(self.space, self.blocks, points):
            found[some, rows] = predicted
        return found

    def jacobian(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ln predicted at `z`, shape `(rows,)`, and its slopes, shape `(rows, parameters)`."""
        found = [(p[0], s[0]) for *_, p, s in linearised(self.space, self.blocks, z[None])]
        predicted, slopes = map(np.concatenate, zip(*found, strict=True))
        return predicted, slopes

    def loss(self, points: np.ndarray, weights: np.ndarray | float) -> np.ndarray:
        """The loss at each point, shape `(points,)`; weights of shape `(points, rows)`, or one."""
        residual = self.log_predicted(points) - self.log_observed
        return self._of_rows(residual, weights * self.certainty) + self._unbelieved(points)

    def linearised(
        self, points: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The loss at each point, its gradient, and its Hessian's Gauss-Newton approximation.

        Args: points: shape `(points, parameters)`; weights: shape `(points, rows)`.
        Returns: leading axes of `points`.
        """
        loss = self._unbelieved(points)
        slope = self.precision * (points - self.believed)
        curvature = np.repeat(np.diag(self.precision)[None], len(points), axis=0)
        for some, rows, predicted, slopes in linearised(self.space, self.blocks, points):
            residual = predicted - self.log_observed[rows]
            counted = weights[some, rows] * self.certainty[rows]
            loss[some] += self._of_rows(residual, counted)
            trust = self.trust(residual)
            pull = counted * trust / self.noise**2
            across = np.swapaxes(slopes, 1, 2)
            slope[some] += (across @ (pull * residual)[:, :, None])[:, :, 0]
            # What is left of a row's curvature where its loss flattens; never below 0.
            bend = pull * np.maximum(2 * trust - 1, _LEAST_BEND)
            curvature[some] += across @ (slopes * bend[:, :, None])
        return loss, slope, curvature

    def _of_rows(self, residual: np.ndarray, counted: np.ndarray) -> np.ndarray:
        flattened = np.log1p((residual / self.robust) ** 2)
        return np.sum(counted * flattened, axis=1) * (self.robust / self.noise) ** 2 / 2

    def _unbelieved(self, points: np.ndarray) -> np.ndarray:
        return np.sum(self.precision * (points - self.believed) ** 2, axis=1) / 2

    def subset(self, rows: np.ndarray) -> "Problem":
        """The same of some of the rows, by their places."""

        def some(leaf: Any) -> Any:
            return np.asarray(leaf)[rows] if np.ndim(leaf) else leaf

        return dataclasses.replace(
            self, workloads=jax.tree.map(some, self.workloads),
            device=jax.tree.map(some, self.device), log_observed=self.log_observed[rows],
            certainty=self.certainty[rows], work={k: v[rows] for k, v in self.work.items()},
        )  # fmt: skip

    def trust(self, residual: np.ndarray) -> np.ndarray:
        """How much of a row the robust loss still lets count, in (0, 1], given its residual `r`."""
        return 1 / (1 + (residual / self.robust) ** 2)

    def starts(self, number: int, seed: int, seen: np.ndarray | None = None) -> np.ndarray:
        """Where to search from, told by the rows `seen` alone, shape `(number, parameters)`."""
        work, observed = self.work, np.exp(self.log_observed)
        if seen is not None:
            work, observed = {k: v[seen] for k, v in work.items()}, observed[seen]
        return starting_points(self.space, work, observed, number=number, seed=seed)


def _prepared(space: Space, workloads: Any, device: Device) -> Any:
    """The rows in the form that no parameter changes, where the model has one."""
    if space.template.prepared is CostModel.prepared:
        return workloads
    model = space.model(as_double(space.vector({p.name: 1.0 for p in space.parameters})))
    return jax.jit(jax.vmap(model.prepared, in_axes=(0, None)))(workloads, device)


def _certainty(spread: np.ndarray | None, robust: float, rows: int) -> np.ndarray:
    """Of a row whose own scatter is known; of others 1."""
    known = np.zeros(rows) if spread is None else np.nan_to_num(spread)
    return 1 / (1 + (known / robust) ** 2)


def solve(
    problem: Problem, weights: np.ndarray, starts: list[int], *, seed: int
) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """The best `z` for each row of weights, and what was reached from each of its starts.

    Of more than 4,000 rows, as many are searched from every start; with all rows, only the first
    fit goes on from whatever it reached, and the others from the best.

    Args:
        weights: of the rows in each of several fits, shape `(fits, rows)`.
        starts: how many points each fit searches from. All fits run side by side in one program.
    Returns: shape `(fits, parameters)`; for each fit the losses, shape `(starts,)`, and the points,
        shape `(starts, parameters)`.
    """
    points = [problem.starts(n, seed, w > 0) for n, w in zip(starts, weights, strict=True)]
    fits, found = np.repeat(np.arange(len(starts)), starts), np.concatenate(points)
    rows = len(problem.log_observed)
    some, settled = some_of(rows, seed), _EXACT
    if len(some) < rows:
        alike = weights[:, some] * (rows / len(some))  # beside the priors as much as all
        found, losses = _descend(problem.subset(some), alike, fits, found, _EXACT)
        kept = [np.flatnonzero(fits == 0), *_best(fits, losses)[1:, None]]
        fits, found = fits[np.concatenate(kept)], found[np.concatenate(kept)]
        settled = _SETTLED
    found, losses = _descend(problem, weights, fits, found, settled)
    each = [np.flatnonzero(fits == fit) for fit in range(len(starts))]
    return (
        found[_best(fits, losses)],
        [losses[rows] for rows in each],
        [found[rows] for rows in each],
    )


def _descend(
    problem: Problem, weights: np.ndarray, fits: np.ndarray, points: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """What is reached from each point, for the weights of its fit, and the losses there."""

    def linearised(some: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return problem.linearised(z, weights[fits[some]])

    return minimize(linearised, points, tolerance=tolerance)


def _best(fits: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """The place of the lowest loss of each fit."""
    order = np.lexsort((losses, fits))
    return order[np.searchsorted(fits[order], np.arange(fits.max() + 1))]

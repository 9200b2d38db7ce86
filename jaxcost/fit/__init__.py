"""Fitting a cost model to measurements: `fit`, and the `FitResult` it returns."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxcost.device import Device
from jaxcost.fit.accuracy import Accuracy
from jaxcost.fit.folds import Folds, row_folds, sweep_folds
from jaxcost.fit.identify import Estimate, identify
from jaxcost.fit.problem import Problem, predict_all, solve
from jaxcost.fit.space import Space
from jaxcost.messages import refused
from jaxcost.models.base import CostModel
from jaxcost.precision import double_precision
from jaxcost.runs import TrainingRun
from jaxcost.workload import Workload

ROBUST = 0.1  # ln ratio from which a row counts ever less: about the error of a good model
FOLD_STARTS = 3  # fewer than for the fit itself: the folds' losses differ little from its loss


@dataclasses.dataclass(frozen=True)
class FitResult:
    """A fitted model and what can be said of it.

    Attributes:
        model: the fitted model.
        estimates: each parameter with unit, 90 % interval, and whether the data determine it.
        covariance: of the searched parameters (logarithms, or logits between bounds), shape
            `(parameters, parameters)`.
        singular_values: of the Jacobian over the residual's standard deviation, shape
            `(parameters,)`, largest first.
        errors: `in_sample`; with folds also `rows` (cross-validated by row) and, where there are
            several sweeps, `sweeps` (each predicted from the others).
        losses: the loss reached from every start, shape `(starts,)`.
        warnings: what the data leave open, a line each.
        folds: by kind (`rows`, `sweeps`), what was left out and what was predicted then.
    """

    model: CostModel
    estimates: tuple[Estimate, ...]
    covariance: np.ndarray
    singular_values: np.ndarray
    errors: dict[str, Accuracy]
    losses: np.ndarray
    warnings: tuple[str, ...]
    folds: dict[str, Folds]


def fit(
    model: type[CostModel] | CostModel,
    workloads: Workload | TrainingRun,
    device: Device,
    observed: ArrayLike,
    *,
    sweeps: Sequence[str] | None = None,
    spread: ArrayLike | None = None,
    folds: int = 5,
    starts: int = 16,
    seed: int = 0,
    robust: float = ROBUST,
    noise: float | None = None,
    priors: bool = True,
) -> FitResult:
    """The model's parameters that make ln(predicted / observed) smallest over all rows.

    Args:
        model: the class of the model (of an instance, its class is fitted afresh, with the
            instance's static settings).
        workloads: what was measured: leaves of shape `(rows,)`, each row one layer, or
            `(rows, layers)`, each row one network; or runs of training, as `TrainingRun.stack`.
        device: what it was measured on; a number in it may have the shape `(rows,)` where every
            row was measured on another device.
        observed: what was measured, in the model's unit, > 0, shape `(rows,)`.
        sweeps: a label a row, keyword-only; cross-validation then also leaves out whole sweeps.
        spread: coefficient of variation of each row's own measurement, such as between
            processes, shape `(rows,)`, >= 0; NaN where it is not known. A row that scatters by
            `robust` counts half. keyword-only.
        folds: of cross-validation by row, at most one a row; 0 for none, keyword-only.
        starts: how many points to search from, keyword-only.
        seed: of the starts and the folds, keyword-only.
        robust: |ln ratio| from which a row counts ever less, in (0, 10], keyword-only.
        noise: standard deviation of ln(observed / predicted) against which priors are weighed;
            None: `robust`. keyword-only.
        priors: whether declared spreads of parameters count, keyword-only.
    Returns: a `FitResult`; computed in float64, the model in JAX's default precision.
    Raises: ValueError: observations that are not finite and > 0, fewer rows than parameters,
        rows that are all alike.
    Example:
        >>> from jaxcost.device import device
        >>> from jaxcost.models.baselines import FlopsOnly
        >>> from jaxcost.workload import dense
        >>> layers = dense(c_in=[64, 128, 256], c_out=[64, 128, 256])
        >>> result = fit(FlopsOnly, layers, device("quadro-t2000"), [8e-6, 32e-6, 128e-6], folds=0)
        >>> print(f"{result.estimates[0].value:.3g} {result.estimates[0].unit}")
        1.02e+09 FLOP/s
    """
    space = Space.of(model)
    observed = np.asarray(observed, np.float64)
    _check_settings(folds, starts, robust)
    _check_rows(space, workloads, device, observed, sweeps)
    spread = _checked_spread(spread, len(observed))
    masks = _masks(len(observed), folds, sweeps, seed)
    with double_precision():
        problem = Problem.of(
            space, workloads, device, observed,
            robust=robust, noise=noise, priors=priors, spread=spread,
        )  # fmt: skip
        best, losses, left_out = _solve_with_folds(problem, masks, starts, seed)
        known = identify(problem, best)
        in_sample = np.asarray(problem.log_predicted(jnp.asarray(best)))
    predictions = {"in_sample": in_sample} | {k: v.predicted() for k, v in left_out.items()}
    return FitResult(
        model=space.build(space.values(best)),
        estimates=known.estimates,
        covariance=known.covariance,
        singular_values=known.singular_values,
        errors={k: Accuracy.of(v, np.log(observed)) for k, v in predictions.items()},
        losses=losses,
        warnings=known.warnings,
        folds=left_out,
    )


def _solve_with_folds(
    problem: Problem, masks: dict[str, np.ndarray], starts: int, seed: int
) -> tuple[np.ndarray, np.ndarray, dict[str, Folds]]:
    rows = problem.log_observed.shape[0]
    left_out = np.concatenate([np.zeros((1, rows), bool), *masks.values()])
    numbers = [starts] + [min(FOLD_STARTS, starts)] * (len(left_out) - 1)
    vectors, losses = solve(problem, ~left_out, numbers, seed=seed)
    if not np.isfinite(losses[0]).any():
        name = problem.space.template.__name__
        raise ValueError(f"{name} is not finite for these rows; check its formula and the table")
    predicted = np.asarray(predict_all(problem, jnp.asarray(vectors)))
    ends = np.cumsum([1] + [len(mask) for mask in masks.values()])
    folds = {
        kind: Folds(mask, predicted[begin : begin + len(mask)])
        for (kind, mask), begin in zip(masks.items(), ends, strict=False)
    }
    return vectors[0], losses[0], folds


def _masks(rows: int, folds: int, sweeps: Sequence[str] | None, seed: int) -> dict[str, np.ndarray]:
    masks = {}
    if folds and rows > 1:
        masks["rows"] = row_folds(rows, folds=min(folds, rows), seed=seed)
        if sweeps is not None and len(set(sweeps)) > 1:
            masks["sweeps"] = sweep_folds(sweeps)
    return masks


def _check_settings(folds: int, starts: int, robust: float) -> None:
    if folds != 0 and not (folds >= 2 and folds % 1 == 0):
        raise ValueError(refused("folds", folds, "a whole number of at least 2, or 0 for none"))
    if not (starts >= 1 and starts % 1 == 0):
        raise ValueError(refused("starts", starts, "a whole number of at least 1"))
    if not 0 < robust <= 10:
        raise ValueError(refused("robust", robust, "a number above 0 and up to 10, such as 0.05"))


def _check_rows(
    space: Space,
    workloads: Workload | TrainingRun,
    device: Device,
    observed: np.ndarray,
    sweeps: Sequence[str] | None,
) -> None:
    shape = workloads.batch.shape
    if len(shape) not in (1, 2):
        raise ValueError(f"workloads has leaves of shape {shape}; give (rows,) or (rows, layers)")
    rows = shape[0]
    if observed.shape != (rows,):
        raise ValueError(f"observed has shape {observed.shape}; give one number a row: ({rows},)")
    if sweeps is not None and len(sweeps) != rows:
        raise ValueError(f"sweeps has {len(sweeps)} labels; give one a row: {rows}")
    bad = ~(np.isfinite(observed) & (observed > 0))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            refused(f"observed[{row}]", float(observed[row]), "a finite number above 0")
        )
    name, needed = space.template.__name__, len(space.parameters)
    if rows < needed:
        raise ValueError(
            f"rows = {rows} is not enough for {name}, which has {needed} parameters; "
            f"measure at least {needed} different layers, or fit a model with fewer parameters"
        )
    leaves = [np.asarray(leaf).reshape(rows, -1) for leaf in jax.tree.leaves(workloads)]
    leaves += _device_rows(device, rows)
    if rows > 1 and all((leaf == leaf[0]).all() for leaf in leaves):
        raise ValueError(
            f"all {rows} rows describe the same layers; measure layers of different sizes"
        )


def _checked_spread(spread: ArrayLike | None, rows: int) -> np.ndarray | None:
    if spread is None:
        return None
    given = np.asarray(spread, np.float64)
    if given.shape != (rows,):
        raise ValueError(f"spread has shape {given.shape}; give one number a row: ({rows},)")
    bad = (given < 0) | np.isinf(given)
    if bad.any():
        row = int(bad.argmax())
        allowed = "a finite number of at least 0, or NaN where it is not known"
        raise ValueError(refused(f"spread[{row}]", float(given[row]), allowed))
    return given


def _device_rows(device: Device, rows: int) -> list[np.ndarray]:
    """The numbers of `device` that differ by row, each of shape `(rows, 1)`."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(device)]
    for leaf in leaves:
        if leaf.shape not in ((), (rows,)):
            raise ValueError(
                f"device {device.name!r} has a number of shape {leaf.shape}; "
                f"give one for all rows, or one a row: ({rows},)"
            )
    return [leaf[:, None] for leaf in leaves if leaf.ndim]

"""Fitting a cost model to measurements: `fit_model`, and the `FitResult` it returns."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.typing import ArrayLike
from threadpoolctl import threadpool_limits

from jaxcost._support.messages import refused
from jaxcost._support.precision import double_precision
from jaxcost._support.screen import OnScreen
from jaxcost._support.sizes import count, one
from jaxcost.calibrate import on_screen
from jaxcost.calibrate.fit.accuracy import Accuracy
from jaxcost.calibrate.fit.folds import Folds, layer_folds, sweep_folds
from jaxcost.calibrate.fit.identify import Estimate, Identifiability, identify
from jaxcost.calibrate.fit.problem import Problem, solve
from jaxcost.calibrate.fit.repeats import Repeats
from jaxcost.calibrate.fit.space import Space
from jaxcost.device import Device
from jaxcost.models.base import CostModel
from jaxcost.workload import Workload
from jaxcost.workload.runs import TrainingRun

if TYPE_CHECKING:
    import pandas as pd

ROBUST = 0.1  # ln ratio from which a row counts ever less: about the error of a good model
FOLD_STARTS = 3  # fewer than for the fit itself: the folds' losses differ little from its loss
_SHARED = (
    "no sweep can be left out: one of them has all layers of the others; label them by what was "
    "varied, not by when they were measured"
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FitResult(OnScreen):
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
        largest, blocks: the same of the rows that were to be left out besides; None: none were.
    """

    model: CostModel
    errors: dict[str, Accuracy]
    losses: np.ndarray
    folds: dict[str, Folds]
    largest: Folds | None
    blocks: Folds | None
    _notes: tuple[str, ...]
    _identify: Callable[[], Identifiability]

    def of_rows(self, rows: np.ndarray) -> "FitResult":
        """The same fit, with what was left out and predicted of some of the rows: a mask."""
        folds = {kind: folds.of_rows(rows) for kind, folds in self.folds.items()}
        largest, blocks = (f and f.of_rows(rows) for f in (self.largest, self.blocks))
        return dataclasses.replace(self, folds=folds, largest=largest, blocks=blocks)

    @functools.cached_property
    def _known(self) -> Identifiability:
        """Found when it is asked for: of the models that are only compared, nobody does."""
        with double_precision(), threadpool_limits(1, user_api="blas"):  # for small matrices
            return self._identify()

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        return self._known.estimates

    @property
    def covariance(self) -> np.ndarray:
        return self._known.covariance

    @property
    def singular_values(self) -> np.ndarray:
        return self._known.singular_values

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self._known.warnings, *self._notes)

    def to_frame(self) -> "pd.DataFrame":
        """The parameters as a table, one a row, with their 90 % intervals and units."""
        import pandas as pd

        return pd.DataFrame(on_screen.estimated(self.estimates))

    def _screen(self) -> "tuple[list[str], pd.DataFrame]":
        return on_screen.fit(self)


def fit_model(
    model: type[CostModel] | CostModel,
    workloads: Workload | TrainingRun,
    device: Device,
    observed: ArrayLike,
    *,
    sweeps: Sequence[str] | None = None,
    largest: np.ndarray | None = None,
    blocks: np.ndarray | None = None,
    spread: ArrayLike | None = None,
    folds: int = 5,
    starts: int = 16,
    seed: int = 0,
    robust: float = ROBUST,
    noise: float | None = None,
    priors: bool = True,
    combine: bool = True,
) -> FitResult:
    """The model's parameters that make ln(predicted / observed) smallest over all layers.

    Rows of the same layer are one layer measured several times: it counts once, by the mean of
    its rows, in the fit, in every fold and in the errors (`jaxcost.calibrate.fit.repeats`).

    Args:
        model: the class of the model (of an instance, its class is fitted afresh, with the
            instance's static settings).
        workloads: what was measured: leaves of shape `(rows,)`, each row one layer, or
            `(rows, layers)`, each row one network; or runs of training, as `TrainingRun.stack`.
        device: what it was measured on; a number in it may have the shape `(rows,)` where every
            row was measured on another device.
        observed: what was measured, in the model's unit, > 0, shape `(rows,)`.
        sweeps: a label a row, keyword-only; cross-validation then also leaves out whole sweeps.
        largest, blocks: rows to leave out besides, such as the largest, or those of a range of
            sizes, as boolean masks of shape `(masks, rows)`, keyword-only.
        spread: coefficient of variation of each row's own measurement, such as between
            processes, shape `(rows,)`, >= 0; NaN where it is not known. A row that scatters by
            `robust` counts half. keyword-only.
        folds: of cross-validation by row, at most one a layer; 0 for none, keyword-only.
        starts: how many points to search from, keyword-only.
        seed: of the starts and the folds, keyword-only.
        robust: |ln ratio| from which a row counts ever less, in (0, 10], keyword-only.
        noise: standard deviation of ln(observed / predicted) against which priors are weighed;
            None: `robust`. keyword-only.
        priors: whether declared spreads of parameters count, keyword-only.
        combine: whether rows of equal sizes are the same layer, keyword-only.
    Returns: a `FitResult`; computed in float64, the model in JAX's default precision.
    Raises: ValueError: observations not finite and > 0, too few layers, rows that are all alike.
    Example:
        >>> from jaxcost.device import device
        >>> from jaxcost.models.baselines import FlopsOnly
        >>> from jaxcost.workload import dense
        >>> layers = dense(c_in=[64, 128, 256], c_out=[64, 128, 256])
        >>> rows = layers, device("quadro-t2000"), [8e-6, 32e-6, 128e-6]
        >>> result = fit_model(FlopsOnly, *rows, folds=0)
        >>> print(f"{result.estimates[0].value:.3g} {result.estimates[0].unit}")
        1.02e+09 FLOP/s
    """
    space = Space.of(model)
    observed = np.asarray(observed, np.float64)
    _check_settings(folds, starts, robust)
    _check_rows(workloads, device, observed, sweeps)
    rows = len(observed)
    _check_enough(space, rows, rows, priors)
    repeats = Repeats.of(workloads, device) if combine else Repeats(np.arange(rows))
    _check_enough(space, rows, repeats.layers, priors)
    given = np.log(observed), _checked_spread(spread, rows)
    log_mean, scatter = repeats.combined(*given, robust)
    masks, shared = _masks(repeats, folds, sweeps, seed)
    besides = {"largest": largest, "blocks": blocks}
    masks |= {k: v for k, v in besides.items() if masks and v is not None and len(v)}
    with double_precision():
        problem = Problem.of(
            space, *_layers(workloads, device, repeats), np.exp(log_mean),
            robust=robust, noise=noise, priors=priors, spread=scatter,
        )  # fmt: skip
        reached, losses, in_sample, left_out = _solved(problem, masks, repeats, starts, seed)
    best = reached[losses.argmin()]
    apart = {kind: left_out.pop(kind, None) for kind in besides}
    predictions = {"in_sample": in_sample} | {k: v.predicted() for k, v in left_out.items()}
    return FitResult(
        model=space.build(space.values(best)),
        errors={k: Accuracy.of(v, given[0], repeats) for k, v in predictions.items()},
        losses=losses,
        folds=left_out,
        largest=apart["largest"],
        blocks=apart["blocks"],
        _notes=shared,
        _identify=functools.partial(identify, problem, best, reached),
    )


def _layers(workloads: Any, device: Device, repeats: Repeats) -> tuple[Any, Device]:
    """Each layer once: the first of its rows."""

    def first(leaf: Any) -> np.ndarray:
        return np.asarray(leaf)[repeats.first] if np.ndim(leaf) else leaf

    return jax.tree.map(first, workloads), jax.tree.map(first, device)


def _solved(
    problem: Problem, masks: dict[str, np.ndarray], repeats: Repeats, starts: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Folds]]:
    """What each start reached, its loss, ln predicted of each row by the best; and the folds."""
    unseen = [np.zeros((1, repeats.layers), bool), *map(repeats.any, masks.values())]
    left_out = np.concatenate(unseen)
    numbers = [starts] + [min(FOLD_STARTS, starts)] * (len(left_out) - 1)
    vectors, losses, reached = solve(problem, ~left_out, numbers, seed=seed)
    if not np.isfinite(losses[0]).any():
        name = problem.space.template.__name__
        raise ValueError(f"{name} is not finite for these rows; check its formula and the table")
    predicted = problem.log_predicted(vectors)[:, repeats.layer]
    ends = np.cumsum([1] + [len(mask) for mask in masks.values()])
    folds = {
        kind: Folds(mask, predicted[begin : begin + len(mask)])
        for (kind, mask), begin in zip(masks.items(), ends, strict=False)
    }
    return reached[0], losses[0], predicted[0], folds


def _masks(
    repeats: Repeats, folds: int, sweeps: Sequence[str] | None, seed: int
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """By kind of fold, the rows that each leaves out; and why there are no sweeps, if so."""
    if not folds or repeats.layers < 2:
        return {}, ()
    masks = {"rows": layer_folds(repeats, folds=folds, seed=seed)}
    if sweeps is None or len(set(sweeps)) < 2:
        return masks, ()
    of_sweeps = sweep_folds(sweeps)
    if repeats.any(of_sweeps).all(axis=1).any():
        return masks, (_SHARED,)
    return masks | {"sweeps": of_sweeps}, ()


def _check_settings(folds: int, starts: int, robust: float) -> None:
    allowed = "a whole number of at least 2, or 0 for none"
    one("folds", folds, lambda n: n % 1 == 0 and (n == 0 or n >= 2), allowed)
    count("starts", starts)
    one("robust", robust, lambda r: 0 < r <= 10, "a number above 0 and up to 10, such as 0.05")


def _check_rows(
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
    for leaf in jax.tree.leaves(device):
        if leaf.shape not in ((), (rows,)):
            raise ValueError(
                f"device {device.name!r} has a number of shape {leaf.shape}; "
                f"give one for all rows, or one a row: ({rows},)"
            )


def _check_enough(space: Space, rows: int, layers: int, priors: bool) -> None:
    """ValueError where there are fewer different layers than parameters that only data tell."""
    name = space.template.__name__
    needed = sum(p.spread is None or not priors for p in space.parameters)
    if layers == 1 < rows:
        raise ValueError(
            f"all {rows} rows describe the same layers; measure layers of different sizes"
        )
    if layers < needed:
        of = "" if layers == rows else f" of {layers} different layers"
        raise ValueError(
            f"rows = {rows}{of} is not enough for {name}, which has {needed} parameters that data "
            f"alone tell; measure at least {needed} different layers, or fit a model with fewer"
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


fit = fit_model  # its name in 0.1

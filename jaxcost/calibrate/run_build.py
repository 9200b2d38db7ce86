"""From a table of training runs to what a calibration knows of their energy."""

from typing import TYPE_CHECKING

import numpy as np

from jaxcost.calibrate.build import check_enough
from jaxcost.calibrate.fit import FitResult, fit_model
from jaxcost.calibrate.fit.repeats import Repeats
from jaxcost.calibrate.fitted import Fitted
from jaxcost.calibrate.intervals import calibrate_intervals
from jaxcost.device import Device
from jaxcost.models.base import parameters_of
from jaxcost.models.registry import RUN_MODELS, model_class
from jaxcost.models.residency import check_fits, levels, working_sets
from jaxcost.workload.run_table import RUN_TARGET, networks_of, runs_from_table, validate_runs
from jaxcost.workload.runs import TrainingRun

if TYPE_CHECKING:
    import pandas as pd

# Sum of squares of ln(predicted / observed), as the paper's, but for the wildest rows.
ROBUST = 1.0
NOISE = 0.1  # of ln(energy), what priors are weighed against: about that of a run repeated
_STARTS = 8


def fit_runs(
    frame: "pd.DataFrame",
    device: Device,
    *,
    model: str | None = None,
    starts: int = _STARTS,
    seed: int = 0,
) -> Fitted:
    """Fits a model of training energy, and its intervals, to a table of measured runs.

    Errors are cross-validated by row, and by leaving out whole networks (data sets), as far as
    the table has several; intervals cover 90 % of the rows of networks left out. Rows of the same
    run are one run, measured several times.

    Args:
        frame: as from `jaxcost.workload.run_table.read_run_table`, of one device.
        device: what was measured, with its memory levels.
        model: a name from `jaxcost.models.registry.RUN_MODELS`; None takes the one with the
            smallest cross-validated error. keyword-only.
        starts, seed: as in `jaxcost.fit_model`, keyword-only.
    Raises: ValueError: fewer than ten runs, rows that are no runs or have no energy, a working
        set larger than the device's last level, or whatever `jaxcost.fit_model` refuses.
    """
    check_enough(len(frame), len(frame), "runs")
    if model is not None:
        model_class(model, RUN_MODELS)
    frame = validate_runs(frame, target=True)
    runs, observed = runs_from_table(frame), frame[RUN_TARGET].to_numpy(float)
    check_runs(runs, device)
    repeats = Repeats.of(runs)
    check_enough(len(frame), repeats.layers, "runs")
    enough = [n for n, kind in RUN_MODELS.items() if len(parameters_of(kind)) <= repeats.layers]
    results = {
        name: fit_model(
            RUN_MODELS[name], runs, device, observed, sweeps=networks_of(frame),
            starts=starts, seed=seed, robust=ROBUST, noise=NOISE,
        )
        for name in dict.fromkeys([*([model] if model else []), *enough])
    }  # fmt: skip
    log_observed = np.log(observed)
    best = model or min(results, key=lambda name: _error(results[name], log_observed, repeats))
    return _finish(best, results, log_observed, repeats)


def check_runs(runs: TrainingRun, device: Device) -> None:
    """ValueError where a device's memory levels are unknown or too small for some run."""
    import jax

    check_fits(jax.jit(jax.vmap(working_sets))(runs), levels(device), device.name)


def _error(result: FitResult, log_observed: np.ndarray, repeats: Repeats) -> float:
    """Mean over rows and networks left out of the mean |ln(predicted / observed)|."""
    each = (np.abs(f.predicted() - log_observed) for f in result.folds.values())
    return float(np.mean([np.average(error, weights=repeats.weights) for error in each]))


def _finish(
    best: str, results: dict[str, FitResult], log_observed: np.ndarray, repeats: Repeats
) -> Fitted:
    result = results[best]
    left_out = result.folds.get("sweeps", result.folds["rows"]).predicted() - log_observed
    alike = np.zeros(len(left_out))
    return Fitted(
        name=best,
        model=result.model,
        intervals=calibrate_intervals((left_out, alike), weights=repeats.weights),
        estimates=result.estimates,
        covariance=result.covariance,
        singular_values=result.singular_values,
        errors=result.errors,
        model_errors=result.errors,
        baselines={n: r.errors for n, r in results.items() if n != best},
        warnings=result.warnings,
    )

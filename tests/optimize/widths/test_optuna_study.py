import jax.numpy as jnp
import pytest

from jaxcost.optimize.widths import search_front, search_widths
from jaxcost.optimize.widths.optuna_study import OptunaObjective

optuna = pytest.importorskip("optuna", reason="optuna is not installed")
optuna.logging.set_verbosity(optuna.logging.ERROR)
BOUNDS = [(3, 3), (8, 256), (8, 256)]


def area(widths):
    return widths[1] * widths[2]


def error(widths):
    return jnp.sum(10.0 / widths[1:])


def study_of(objective, sampler):
    sampler = getattr(optuna.samplers, sampler)(seed=0)
    return optuna.create_study(directions=objective.directions, sampler=sampler)


@pytest.mark.parametrize("sampler", ["TPESampler", "NSGAIISampler"])
def test_constraints_reach_the_sampler_and_the_best_meets_them(sampler):
    objective = OptunaObjective(
        {"error": error}, BOUNDS, multiples=8, budgets={"area": (area, 6400.0)}
    )
    study = study_of(objective, sampler)
    study.optimize(objective, n_trials=40)
    widths = objective.widths(study.best_trial)
    assert widths[0] == 3
    assert all(w % 8 == 0 for w in widths[1:])
    assert widths[1] * widths[2] <= 6400
    assert study.best_value == pytest.approx(10 / widths[1] + 10 / widths[2], rel=1e-5)
    over = [t.constraints["area"] for t in study.trials]
    assert min(over) <= 0 < max(over)


def test_a_study_begins_with_what_gradients_found():
    budgets = {"area": (area, 6400.0)}
    found = search_widths(error, BOUNDS, budgets=budgets, multiples=8, method="gradient", starts=4)
    objective = OptunaObjective({"error": error}, BOUNDS, multiples=8, budgets=budgets)
    study = study_of(objective, "TPESampler")
    assert objective.seed(study, found, most=2) >= 1
    study.optimize(objective, n_trials=3)
    assert objective.widths(study.trials[0]) == found.widths == (3, 80, 80)


def test_a_front_seeds_two_objectives():
    costs = {"area": area, "error": error}
    front = search_front(costs, BOUNDS, multiples=8, evaluations=300)
    objective = OptunaObjective(costs, BOUNDS, multiples=8)
    study = study_of(objective, "NSGAIISampler")
    number = objective.seed(study, front, most=5)
    study.optimize(objective, n_trials=number)
    assert [objective.widths(t) for t in study.trials] == [tuple(w) for w in front.widths[:number]]


def test_no_costs_are_refused():
    with pytest.raises(ValueError, match="one or more costs"):
        OptunaObjective({}, BOUNDS)


def test_a_budget_that_nothing_meets_is_refused_before_any_trial():
    with pytest.raises(ValueError, match="meet area <= 3; the nearest, 3 8 8, has area = 64"):
        OptunaObjective({"error": error}, BOUNDS, multiples=8, budgets={"area": (area, 3)})


def test_a_cost_that_is_not_traceable_is_called_once_for_each_network():
    calls = []

    def trained(widths):
        calls.append(tuple(int(w) for w in widths))
        return float(sum(10.0 / w for w in calls[-1]))

    objective = OptunaObjective({"error": trained}, [(3, 3), (8, 24)], multiples=8)
    study = study_of(objective, "RandomSampler")
    study.optimize(objective, n_trials=20)
    assert sorted(calls) == [(3, 8), (3, 16), (3, 24)]
    assert objective.widths(study.best_trial) == (3, 24)


def test_a_budget_that_is_nan_is_named():
    def sometimes(widths):
        return jnp.where(widths[1] == 128, jnp.nan, area(widths))

    with pytest.raises(ValueError, match=r"budget area is NaN at widths \[3, 128"):
        OptunaObjective({"error": error}, BOUNDS, multiples=8, budgets={"area": (sometimes, 6400)})


def test_a_cost_that_is_nan_is_named_in_the_trial():
    def sometimes(widths):
        return jnp.where(widths[1] == 128, jnp.nan, error(widths))

    objective = OptunaObjective({"error": sometimes}, BOUNDS, multiples=8)
    study = study_of(objective, "RandomSampler")
    with pytest.raises(ValueError, match=r"the objective is NaN at widths \[3, 128"):
        study.optimize(objective, n_trials=200)

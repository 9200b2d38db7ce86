"""Problems whose every candidate was measured, and how a choice is judged."""

import itertools

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import table_problems
import table_search
from table_problems import draw

AXIS = (64, 128, 256, 512, 1024)


@pytest.fixture
def table():
    """Two thirds of all products of five widths at two numbers of rows, with made-up times."""
    rows = pd.DataFrame(itertools.product((8, 32), AXIS, AXIS), columns=["batch", "c_in", "c_out"])
    rows["time_s"] = 1e-6 + 1e-12 * rows["batch"] * rows["c_in"] * rows["c_out"]
    return rows.sample(frac=0.67, random_state=0)


@pytest.fixture
def problems(table, monkeypatch):
    monkeypatch.setattr(table_problems, "FEWEST", 5)
    return draw(table, "time_s", 30)


def by_hand(problem, table):
    """Widths and costs of all candidates, by a loop over every network there could be."""
    times = {(r.c_in, r.c_out): r.time_s for r in table[table.batch == problem.rows].itertuples()}
    for widths in itertools.product(AXIS, repeat=problem.candidates.shape[1]):
        if problem.block:
            d, a, f = widths
            layers = [(d, a)] * 3 + [(a, d), (d, f), (f, d)]
        else:
            chain = [int(problem.given[0]), *widths]
            layers = list(itertools.pairwise(chain))
        if all(layer in times for layer in layers):
            yield widths, sum(times[layer] for layer in layers), sum(a * b for a, b in layers)


def test_candidates_are_all_networks_whose_layers_were_measured_and_cost_their_sum(problems, table):
    assert {problem.kind for problem in problems} == {"mlp 2", "mlp 3", "mlp 4", "block"}
    assert {problem.goal for problem in problems} == {"parameters", "law"}
    for problem in problems:
        widths, costs, parameters = map(list, zip(*by_hand(problem, table)))
        found = [problem.at(w) for w in widths]
        assert len(widths) == len(problem.candidates) == len(set(found))
        assert problem.measured[found] == pytest.approx(costs)
        if problem.goal == "parameters":
            assert problem.sought[found] == pytest.approx(-np.array(parameters) / 1e6)
        assert problem.measured.min() <= problem.limit


def test_a_network_is_priced_by_its_layers_and_what_is_not_in_the_table_is_counted(problems):
    for problem in problems:
        known = {tuple(widths) for widths in problem.candidates.astype(int)}
        for widths in list(itertools.product(AXIS, repeat=problem.candidates.shape[1]))[::7]:
            missing = float(problem.unmeasured(jnp.array(widths, float)))
            assert (missing == 0) == (widths in known)
    costs = np.arange(1.0, 1 + problem.known.sum())
    for widths, cost in zip(problem.candidates[:9], problem.costs(costs)):
        assert float(problem.cost(costs)(jnp.asarray(widths))) == pytest.approx(cost)


def test_layers_looked_up_one_by_one_cost_together_what_the_network_does(problems, table):
    for problem in problems:
        own = table[table["batch"] == problem.rows].sort_values(["c_in", "c_out"])
        look_up = problem.layer(own["time_s"].to_numpy())
        for widths, cost in zip(problem.candidates[:5], problem.measured):
            layers = problem.network(jnp.asarray(widths))
            costs = [float(layers.repeat[i]) * look_up(layers[i]) for i in range(len(layers))]
            assert sum(costs) == pytest.approx(cost)
            assert layers.batch[0] == problem.rows


def test_a_choice_by_the_measured_costs_themselves_is_the_best(problems, table):
    for problem in problems:
        own = table[table["batch"] == problem.rows].sort_values(["c_in", "c_out"])
        at = table_search.chosen_by(problem, own["time_s"].to_numpy())
        short, over = problem.judged(at)
        assert short == 0
        assert over <= 0


def test_a_choice_that_is_over_budget_is_no_win_however_good():
    one = pd.DataFrame({"short": [-0.2, -0.2, 0.0, 0.0], "over": [0.2, 0.2, 0.0, 0.03]})
    other = pd.DataFrame({"short": [0.1, 0.1, 0.1, 0.0], "over": [0.0, 0.5, 0.0, 0.0]})
    assert table_search._better(one, other).tolist() == [False, False, True, False]
    assert table_search._better(other, one).tolist() == [True, False, False, False]

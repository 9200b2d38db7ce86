"""Rows and fits that fill up a compiled size count nothing, and let like sizes share programs."""

import numpy as np
import pytest

from jaxcost._support.precision import double_precision
from jaxcost.calibrate.fit import problem as problem_module
from jaxcost.calibrate.fit.problem import Problem, _room, solve
from jaxcost.calibrate.fit.space import Space
from jaxcost.device import device
from jaxcost.models.baselines import Roofline
from jaxcost.workload import dense

T2000 = device("quadro-t2000")


def _problem(rows):
    rng = np.random.default_rng(3)
    c_in, c_out = np.exp(rng.uniform(2, 8, (2, rows)))
    layers = dense(c_in=c_in, c_out=c_out, batch=32)
    seconds = 1e-6 + 1e-11 * 64 * c_in * c_out * np.exp(0.05 * rng.standard_normal(rows))
    return Problem.of(Space.of(Roofline), layers, T2000, seconds, robust=0.1, priors=True)


@pytest.mark.parametrize("number", [1, 2, 7, 8, 9, 33, 352, 439, 4000])
def test_the_room_holds_the_number_and_is_at_most_a_quarter_larger(number):
    assert number <= _room(number) <= max(1.25 * number, number)


def test_rows_that_fill_up_change_neither_loss_nor_gradient():
    with double_precision():
        problem = _problem(33)
        padded, weights = problem.padded, np.ones(33)
        z = np.asarray(problem.believed) + 0.3
        filled = np.pad(weights, (0, len(padded.log_observed) - 33), constant_values=1.0)
        assert len(filled) > 33
        for ours, theirs in zip(padded.linearised(z, filled), problem.linearised(z, weights)):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_tables_of_like_sizes_compile_once(monkeypatch):
    traced = []
    minimize = problem_module.minimize

    def counted(*arguments):
        traced.append(1)
        return minimize(*arguments)

    monkeypatch.setattr(problem_module, "minimize", counted)
    with double_precision():
        for rows in (97, 103, 112):
            solve(_problem(rows), np.ones((1, rows)), [5], seed=0)
    assert len(traced) == 1

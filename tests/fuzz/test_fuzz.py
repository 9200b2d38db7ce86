"""A few dozen odd inputs in every run of the tests; run.py tries thousands."""

import draws
import judge
import odd_inputs
import pytest


def test_odd_inputs_are_answered_or_refused_in_one_line():
    assert odd_inputs.failures(range(40), seed=0) == []


def boom():
    raise KeyError("c_in")


def several():
    raise ValueError("one\ntwo")


@pytest.mark.parametrize(
    ("call", "must_fail", "words"),
    [
        (boom, False, "KeyError"),
        (several, False, "several lines"),
        (lambda: float("nan"), False, "gave nan"),
        (lambda: 0.0, False, "gave 0.0"),
        (lambda: 1.0, True, "was accepted"),
        (lambda: judge.Ended(1, "", "jaxcost: KeyError"), False, "status 1"),
    ],
)
def test_the_judge_sees_what_is_wrong(call, must_fail, words):
    assert words in judge.fault(draws.Input("", call, must_fail))

"""The record of a timing: its plain values, several visits together, and what doubling says."""

import json
import math

import pytest

from jaxcost.measure.clock.visit import Block, Doubling, Visit

BLOCK = Block(4, 0.02, cpu_s=0.02)


def test_a_visit_is_the_same_after_its_plain_values():
    timed = Visit(loops=(BLOCK, Block(4, 0.1 + 0.2)), compile_s=0.1 + 0.2, settled=True)
    for visit in (Visit(), timed, Visit(energy={"energy_j": None}, state={"load_1min": 0.5})):
        assert Visit.from_plain(json.loads(json.dumps(visit.to_plain()))) == visit


def test_what_is_no_number_is_null_on_the_wire():
    plain = Visit(energy={"power_w": math.nan}, state={"list": [1, math.inf]}).to_plain()
    assert plain["energy"] == {"power_w": None}
    assert plain["state"] == {"list": [1, None]}
    assert not {"compile_s", "wall_s", "work"} & set(plain)


@pytest.mark.parametrize(
    "wrong",
    [
        {"loops": [{"steps": 4}]},
        {"loops": [{"steps": 4, "duration_s": 1.0, "usage": 1.0}]},
        {"doubling": {"a": 1}},
        {"status": None},
        {"memory_bytes": "many"},
    ],
)
def test_values_that_a_visit_does_not_have_are_refused(wrong):
    with pytest.raises(ValueError):
        Visit.from_plain(wrong)


def test_visits_add_up_to_all_blocks_and_what_was_said_last():
    first = Visit(work="dot", compile_s=0.5, steps=4, loops=(BLOCK,), calls=(BLOCK,), hlo_hash="a")
    first = first + Visit(memory_bytes=7, energy={"energy_j": 1.0}, state={"a": 1, "b": 1})
    total = first + Visit(
        status="timeout",
        error="why",
        loops=(BLOCK,),
        doubling=Doubling((2.0,), (True,)),
        state={"b": 2},
    )
    assert (total.loops, total.calls) == ((BLOCK, BLOCK), (BLOCK,))
    assert (total.status, total.error) == ("timeout", "why")
    assert (total.work, total.hlo_hash, total.compile_s, total.steps) == ("dot", "a", 0.5, 4)
    assert (total.memory_bytes, total.energy, total.state) == (
        7,
        {"energy_j": 1.0},
        {"a": 1, "b": 2},
    )
    assert (total + Visit()).doubling == Doubling((2.0,), (True,))


def test_the_least_of_calls_is_the_shortest_or_what_they_took_together():
    assert Block(4, 0.02, shortest_s=0.004).least_s == 0.004
    assert Block(4, 0.02).least_s == 0.005


@pytest.mark.parametrize("ratio", [1.91, 2.0, 2.09])
def test_one_undisturbed_pair_near_two_passes(ratio):
    doubling = Doubling(ratios=(ratio,), accepted=(True,))
    assert doubling.passed
    assert not doubling.failed
    assert not doubling.reason


def test_disturbed_pairs_neither_pass_nor_fail():
    doubling = Doubling(ratios=(2.0, 1.0, 1.0, 1.0), accepted=(False,) * 4)
    assert not doubling.passed
    assert not doubling.failed
    assert "no undisturbed pair" in doubling.reason
    assert "1.50 times as long, not 2 ± 0.1" in Doubling(ratios=(1.5,), accepted=(True,)).reason


def test_three_pairs_that_agree_fail():
    assert Doubling(ratios=(1.0, 1.1, 1.05), accepted=(True,) * 3).failed
    assert not Doubling(ratios=(1.0, 1.1), accepted=(True,) * 2).failed


def test_pairs_that_scatter_do_not_fail():
    assert not Doubling(ratios=(1.2, 2.0, 1.4), accepted=(True,) * 3).failed
    assert not Doubling(ratios=(1.2, 1.45, 1.1), accepted=(True,) * 3).failed
    assert not Doubling(ratios=(1.8, 1.82, 1.85), accepted=(True,) * 3).failed
    assert not Doubling(ratios=(2.5, 2.4, 2.6), accepted=(True,) * 3).failed


def test_no_pair_has_no_ratio():
    assert math.isnan(Doubling().ratio)
    assert not Doubling().passed

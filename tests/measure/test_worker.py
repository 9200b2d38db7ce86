"""The worker's side of the conversation, held in this process; and one real worker."""

import dataclasses
import io
import json
import math

import pytest

from jaxcost.measure import LayerSpec, Store, SweepPlan, TimingRules, measure_into
from jaxcost.measure.clock.visit import Visit
from jaxcost.measure.process.worker import serve

LAYER = LayerSpec(op="dense", batch=64, c_in=128, c_out=128)
RULES = TimingRules(block_s=2e-3, rounds=1, most_rounds=1, blocks_per_visit=2)


def converse(*requests):
    lines = io.StringIO("".join(json.dumps(request) + "\n" for request in requests))
    answers = io.StringIO()
    serve(lines, answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def test_it_says_who_it_is_and_visits_what_it_is_told():
    begin = {"rules": dataclasses.asdict(RULES), "energy": False}
    request = {"layer": LAYER.row(), "energy": False}
    description, first, second = converse(begin, request, request)
    assert description["fingerprint"]["platform"] == "cpu"
    assert description["device"]["memory"]
    assert description["processors"] >= 1
    visits = [Visit.from_plain(answer) for answer in (first, second)]
    assert [visit.status for visit in visits] == ["", ""]
    assert visits[0].compile_s > 0
    assert visits[1].compile_s is None
    assert {visit.work for visit in visits} == {"dot"}
    assert len(visits[0].hlo_hash) == 64
    assert all(block.duration_s > 0 for visit in visits for block in visit.loops)
    assert visits[0].energy == {}


def test_without_a_counter_the_energy_is_null_with_the_reason():
    begin = {"rules": dataclasses.asdict(RULES), "energy": True}
    _, answer = converse(begin, {"layer": LAYER.row(), "energy": True})
    energy = answer["energy"]
    if energy["energy_j"] is not None:
        pytest.skip("this machine has a power counter")
    assert energy["reason"]


def test_rules_survive_the_wire():
    rules = TimingRules(longest_step_s=math.inf, seed=4)
    assert TimingRules(**json.loads(json.dumps(dataclasses.asdict(rules)))) == rules


def test_a_real_worker_times_real_layers(tmp_path):
    plan = SweepPlan(rules=RULES, processes=2)
    found, sweep = measure_into(tmp_path / "m.db", [LAYER], plan)
    (record,) = found.records
    assert record.status in ("ok", "noisy")
    assert record.time_s > 0
    assert 1 <= len(record.process_times) <= 2  # a busy machine may spoil one of them
    with Store.existing(tmp_path / "m.db") as store:
        assert {attempt.slot for attempt in store.attempts(*store.partitions())} == {0, 1}
    assert sweep.description["device"]["platform"] == "cpu"
    assert 0 <= found.accepted_s <= found.timed_s  # a busy machine may spoil every block
    assert 0 < found.timed_s < found.elapsed_s


def test_layers_of_an_earlier_sweep_are_told_of_besides(tmp_path):
    plan = SweepPlan(rules=TimingRules(block_s=1e-3, rounds=1, most_rounds=1))
    other = LayerSpec(op="dense", batch=2, c_in=16, c_out=16)
    path = tmp_path / "m.db"
    first, _ = measure_into(path, [LAYER], plan)
    both, _ = measure_into(path, [other], plan, resume=True, also=[LAYER])
    assert [record.layer for record in both.records] == [LAYER, other]
    assert both.records[0].loops == first.records[0].loops

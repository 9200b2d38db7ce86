"""Faults of workers and of the parent, injected: what is lost, what is kept, and what is said."""

import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxcost.measure import (
    LayerSpec,
    Store,
    StoreError,
    SweepPlan,
    SweepStoppedError,
    TimingRules,
    measure_into,
)
from jaxcost.measure.process.worker import Worker, WorkerDiedError

FAKE = Path(__file__).parent / "fake_worker.py"
LAYERS = [LayerSpec(op="dense", batch=n, c_in=8, c_out=8, sweep="s", line=n) for n in range(1, 6)]
PLAN = SweepPlan(
    rules=TimingRules(rounds=4, most_rounds=4, converged=0.0), processes=2, timeout_s=30.0
)


@pytest.fixture
def sweep(tmp_path):
    """Runs the layers with the faults given by line; returns statuses by line."""

    def run(faults=None, plan=PLAN, resume=False, layers=LAYERS):
        file = tmp_path / "faults.json"
        file.write_text(json.dumps({str(k): v for k, v in (faults or {}).items()}))
        begin = functools.partial(fake_worker, file)
        found, _ = measure_into(tmp_path / "m.db", layers, plan, resume=resume, open_worker=begin)
        return {record.layer.line: record for record in found.records}

    return run


def fake_worker(file, platform):
    return Worker(TimingRules(), platform=platform, command=[sys.executable, str(FAKE), str(file)])


def attempts(folder):
    with Store.existing(folder / "m.db") as store:
        assert store.is_intact()
        (partition,) = store.partitions()
        return [a for a in store.attempts(partition) if a.layer.sweep != "probe"]


def statuses(records):
    return {line: record.status for line, record in records.items()}


def test_every_layer_is_visited_by_every_process(sweep, tmp_path):
    records = sweep()
    assert statuses(records) == dict.fromkeys(range(1, 6), "ok")
    assert all(len(record.process_times) == 2 for record in records.values())
    assert records[3].time_s == pytest.approx(3e-3)
    found = attempts(tmp_path)
    assert len(found) == 5 * 4
    assert len({a.process for a in found}) == 2


def test_a_worker_killed_by_the_system_is_out_of_memory_and_not_tried_again(sweep, tmp_path):
    records = sweep({2: "kill"})
    assert statuses(records) == {1: "ok", 2: "oom", 3: "ok", 4: "ok", 5: "ok"}
    assert "SIGKILL" in records[2].error
    assert [a.layer.line for a in attempts(tmp_path)].count(2) == 1


def test_a_worker_that_dies_tells_its_last_words(sweep):
    records = sweep({4: "exit"})
    assert statuses(records) == {1: "ok", 2: "ok", 3: "ok", 4: "error", 5: "ok"}
    assert records[4].error == "the worker ended with status 3: the driver is gone"


def test_a_worker_that_hangs_once_is_tried_once_more(sweep, tmp_path):
    plan = SweepPlan(rules=PLAN.rules, processes=1, timeout_s=1.5)
    records = sweep({3: "hang once"}, plan)
    assert statuses(records) == dict.fromkeys(range(1, 6), "ok")
    found = [a.visit.status for a in attempts(tmp_path) if a.layer.line == 3]
    assert found.count("timeout") == 1
    assert found.count("") == 4


def test_a_layer_that_hangs_again_is_given_up(sweep, tmp_path):
    plan = SweepPlan(rules=PLAN.rules, processes=1, timeout_s=1.5)
    records = sweep({3: "hang"}, plan)
    assert statuses(records) == {1: "ok", 2: "ok", 3: "timeout", 4: "ok", 5: "ok"}
    assert "no answer within 2 s" in records[3].error
    assert [a.layer.line for a in attempts(tmp_path)].count(3) == 2


def test_three_lost_workers_in_a_row_stop_the_sweep(sweep, tmp_path):
    with pytest.raises(SweepStoppedError, match="3 workers in a row were lost: .*SIGKILL"):
        sweep(dict.fromkeys(range(1, 6), "kill"))
    assert len(attempts(tmp_path)) == 3


def test_it_never_goes_on_with_another_device(sweep):
    with pytest.raises(SweepStoppedError, match="jax was '1' and is '2'.*--resume"):
        sweep({2: "other device"})


def test_a_device_that_does_not_come_up_is_said(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no such device')"]
    with pytest.raises(WorkerDiedError, match="no such device"):
        Worker(TimingRules(), command=command)


def test_resuming_on_another_version_begins_a_partition(sweep, tmp_path):
    sweep()
    (tmp_path / "faults.changed").touch()
    records = sweep(resume=True)
    assert statuses(records) == dict.fromkeys(range(1, 6), "ok")
    with Store.existing(tmp_path / "m.db") as store:
        assert [p.fingerprint["jax"] for p in store.partitions()] == ["1", "2"]


def test_a_store_with_measurements_is_not_added_to_unasked(sweep):
    sweep()
    with pytest.raises(StoreError, match="has measurements already; go on with --resume"):
        sweep()


def test_resuming_a_finished_sweep_measures_nothing(sweep, tmp_path):
    sweep()
    before = len(attempts(tmp_path))
    assert statuses(sweep(resume=True)) == dict.fromkeys(range(1, 6), "ok")
    assert len(attempts(tmp_path)) == before


def test_more_layers_can_be_added_to_a_store(sweep):
    sweep(layers=LAYERS[:2])
    assert statuses(sweep(resume=True)) == dict.fromkeys(range(1, 6), "ok")


KILLS = int(os.environ.get("JAXCOST_KILLS", "8"))  # 100 take five minutes
MANY = [
    LayerSpec(op="dense", batch=n, c_in=8, c_out=8, sweep="s", line=n) for n in range(1, 3 * KILLS)
]
# Begins a sweep in a process of its own for each line it is given: importing takes longer.
PARENT = """
import os, sys; from pathlib import Path
sys.path.insert(0, str(Path({here!r})))
from test_faults import *
from jaxcost.measure.clock.visit import Visit
Visit.from_plain({{}})  # what codes it is imported once, and not by each child before it is killed
begin = functools.partial(fake_worker, Path({faults!r}))
say = lambda progress: print("visited", flush=True)
for _ in sys.stdin:
    child = os.fork()
    if not child:
        print(os.getpid(), flush=True)
        measure_into({store!r}, MANY, PLAN, resume=True, open_worker=begin, progress=say)
        os._exit(0)
    print("ended", os.waitpid(child, 0)[1], flush=True)
"""


@pytest.fixture
def parents(tmp_path):
    """Begins a sweep in a process of its own; its number, and the lines that it says."""
    (tmp_path / "faults.json").write_text("{}")
    names = {"faults": str(tmp_path / "faults.json"), "store": str(tmp_path / "m.db")}
    program = PARENT.format(here=str(Path(__file__).parent), **names)
    pipe = subprocess.PIPE
    begun = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True)

    def begin():
        begun.stdin.write("\n")
        begun.stdin.flush()
        return int(begun.stdout.readline()), map(str.split, iter(begun.stdout.readline, ""))

    yield begin
    begun.stdin.close()
    begun.stdout.close()
    assert begun.wait() == 0


def stored(path):
    """How many visits the store has, which must be intact."""
    if not path.exists():
        return 0
    with Store.existing(path) as store:
        assert store.is_intact()
        return sum(len(list(store.attempts(partition))) for partition in store.partitions())


def kill_at_random(parents, draw):
    """Begins the sweep and kills its parent; how many visits it said that it had stored."""
    parent, said = parents()
    visits = 0
    if draw.random() < 0.75:
        assert next(said) == ["visited"]
        visits = 1
        time.sleep(draw.uniform(0, 0.15))
    else:  # while it starts
        time.sleep(draw.uniform(0, 0.3))
    os.kill(parent, signal.SIGKILL)
    return visits + how_it_ended(said, signal.SIGKILL)


def how_it_ended(said, signal_number):
    """How many visits it says until it ends, in the way that is expected."""
    for visits, (word, *status) in enumerate(said):
        if word == "ended":
            assert status == [str(int(signal_number))]
            return visits
    raise AssertionError("the process that begins sweeps has ended itself")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_sweep_killed_at_random_moments_loses_nothing_that_was_stored(parents, tmp_path):
    draw, said = random.Random(0), 0
    for kills in range(1, KILLS + 1):
        said += kill_at_random(parents, draw)
        # At most the one visit in flight was stored and not yet told.
        assert said <= stored(tmp_path / "m.db") <= said + kills
    before = len(attempts(tmp_path))
    planned = len(MANY) * PLAN.processes * PLAN.visits
    assert 0 < before < planned, "killed too early or too late to show anything"
    how_it_ended(parents()[1], 0)
    found = attempts(tmp_path)
    for layer in MANY:
        for slot in range(PLAN.processes):
            assert sum(a.layer == layer and a.slot == slot for a in found) == PLAN.visits
    records, _ = measure_into(
        tmp_path / "m.db", MANY, PLAN, resume=True,
        open_worker=functools.partial(fake_worker, tmp_path / "faults.json"),
    )  # fmt: skip
    assert [record.layer for record in records.records] == MANY
    assert [record.time_s for record in records.records] == pytest.approx(
        [1e-3 * layer.batch for layer in MANY]
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_no_worker_outlives_its_parent(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from jaxcost.measure import TimingRules\n"
        "from jaxcost.measure.process.worker import Worker\n"
        "worker = Worker(TimingRules())\n"
        "print(worker.description['facts']['pid'], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    child = int(ended.stdout)
    for _ in range(100):
        if not Path(f"/proc/{child}").exists():
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the worker was still there after 5 s")


def test_the_wall_clock_may_jump(monkeypatch, sweep):
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600 * (int(now() * 10) % 2))
    records = sweep()
    assert records[2].time_s == pytest.approx(2e-3)

"""Calibrating a borrowed GPU, with fakes of it: time that runs out, resuming, other devices."""

import argparse
import functools
import json
import subprocess
import sys
import time
from pathlib import Path

import agenda
import pandas as pd
import pytest
import run as run_script
import stages

from jaxcost.measure import LayerSpec, Store, TimingRules
from jaxcost.measure.process.worker import Worker
from jaxcost.workload.layer_table import read_layer_table
from jaxcost.workload.run_table import validate_runs

ROOT = Path(__file__).resolve().parents[2]
FAKE = ROOT / "tests" / "measure" / "fake_worker.py"
LAYERS = [LayerSpec(op="dense", batch=n, c_in=8, c_out=8, sweep="s", line=n) for n in range(1, 5)]


@pytest.fixture
def script(monkeypatch, tmp_path):
    """The script's modules; its device is a made-up GPU with a short agenda."""
    monkeypatch.setenv("FAKE_PLATFORM", "gpu")
    monkeypatch.setenv("FAKE_DEVICE", "made-up-gpu")
    short = [
        agenda.Stage("times", 0.5, lambda *_: LAYERS),
        agenda.Stage("networks", 0.2),
        agenda.Stage("joules", 0.5, lambda *_: joules(), energy=True),
        agenda.Stage("again", 1.0, lambda *_: LAYERS[:2], slot=2),
    ]
    monkeypatch.setattr(agenda, "agenda", lambda rehearse: short)
    parts = []
    monkeypatch.setattr(
        stages.Run, "_part", lambda self, name, budget: parts.append((name, budget))
    )
    faults = tmp_path / "faults.json"
    faults.write_text("{}")
    command = [sys.executable, str(FAKE), str(faults)]
    start = functools.partial(Worker, TimingRules(), energy=True, command=command)
    return argparse.Namespace(
        main=run_script.main, measure=stages, agenda=agenda,
        start=start, faults=faults, parts=parts,
    )  # fmt: skip


def joules():
    return [LayerSpec(op="dense", batch=7, c_in=8, c_out=8, sweep="energy", line=7)]


def run(script, out, *, minutes=1.0, **options):
    given = {"store": None, "resume": False, "rehearse": False} | options
    options = argparse.Namespace(out=out, minutes=minutes, **given)
    out.mkdir(exist_ok=True)
    one = script.measure.Run(options, time.monotonic(), script.start)
    return one, one.finish(one.measure())


def visits(out):
    with Store.existing(out / "measurements.db") as store:
        assert store.is_intact()
        return [
            [a for a in store.attempts(part) if a.layer.sweep != "probe"]
            for part in store.partitions()
        ]


def summary(out):
    return json.loads((out / "summary.json").read_text())


def test_everything_is_measured_in_order_and_told(script, tmp_path):
    _, status = run(script, tmp_path / "o")
    assert status == 0
    frame = read_layer_table(tmp_path / "o" / "layers.csv", target="time_s")
    assert frame["time_s"].tolist() == pytest.approx([1e-3, 2e-3, 3e-3, 4e-3, 7e-3])
    assert set(frame["device"]) == {"made-up-gpu"}
    assert frame["processes"].astype(int).tolist() == [2, 2, 1, 1, 1]
    told = summary(tmp_path / "o")
    assert [stage["name"] for stage in told["stages"]] == ["times", "networks", "joules", "again"]
    assert told["measured"]["layers"]["rows"] == 5
    assert told["fingerprint"]["platform"] == "gpu"
    assert [name for name, _ in script.parts] == ["networks"]


def test_an_energy_is_null_with_its_reason_or_there(script, tmp_path, monkeypatch):
    run(script, tmp_path / "o")
    frame = pd.read_csv(tmp_path / "o" / "layers.csv")
    assert frame["energy_j"].isna().all()
    assert frame["energy_reason"].tolist() == ["not asked for"] * 4 + ["no counter"]
    monkeypatch.setenv("FAKE_JOULES", "0.25")
    run(script, tmp_path / "p")
    frame = pd.read_csv(tmp_path / "p" / "layers.csv")
    assert frame["energy_j"].dropna().to_dict() == {4: 0.25}
    assert frame["idle_power_w"].dropna().to_dict() == {4: 70.0}
    assert frame["energy_reason"].isna().tolist() == [False] * 4 + [True]


def test_time_that_runs_out_loses_nothing_and_another_call_goes_on(script, tmp_path, monkeypatch):
    begun = time.monotonic()
    clock = [begun]
    monkeypatch.setattr("stages.time.monotonic", lambda: clock[0])
    add = Store.add_attempt

    def slow(*args):
        add(*args)
        clock[0] += 2.0  # every visit takes two seconds of the time there is

    monkeypatch.setattr(Store, "add_attempt", slow)
    out = tmp_path / "o"
    _, status = run(script, out, minutes=0.6)  # 36 s, of which 20 are kept for the end
    assert status == 0
    (first,) = visits(out)
    assert 0 < len(first) < 13
    assert summary(out)["stages"][-1]["name"] != "again"
    monkeypatch.setattr(Store, "add_attempt", add)
    run(script, out, resume=True)
    (after,) = visits(out)
    assert [a.visit for a in after[: len(first)]] == [a.visit for a in first]
    whole = tmp_path / "whole"
    run(script, whole)
    columns = ["batch", "status", "time_s"]
    ended, at_once = (pd.read_csv(o / "layers.csv")[columns] for o in (out, whole))
    pd.testing.assert_frame_equal(ended, at_once)
    before = len(visits(whole)[0])
    run(script, whole, resume=True)
    assert len(visits(whole)[0]) == before


def test_what_is_there_is_not_added_to_unasked(script, tmp_path):
    run(script, tmp_path / "o")
    with pytest.raises(script.measure.RefusedError, match="there already; go on with --resume"):
        run(script, tmp_path / "o")


def test_another_devices_store_gets_a_part_of_its_own(script, tmp_path, monkeypatch):
    out = tmp_path / "o"
    run(script, out)
    monkeypatch.setenv("FAKE_DEVICE", "other-gpu")
    one, _ = run(script, out, resume=True)
    assert [len(part) for part in visits(out)] == [len(visits(out)[0])] * 2
    assert any("another device's or version's layers" in note for note in one.notes)
    assert set(pd.read_csv(out / "layers.csv")["device"]) == {"other-gpu"}


def test_a_cpu_writes_no_table_of_a_gpu(script, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_PLATFORM", "cpu")
    with pytest.raises(script.measure.RefusedError, match="no GPU found.*--rehearse"):
        run(script, tmp_path / "o")
    assert list((tmp_path / "o").iterdir()) == []
    with pytest.raises(script.measure.RefusedError, match="no GPU found"):
        script.measure.measure_part("networks", tmp_path / "o", 60.0, rehearse=False)
    _, status = run(script, tmp_path / "o", rehearse=True)
    assert status == 0
    assert summary(tmp_path / "o")["rehearsal"] is True


def test_no_device_at_all_is_one_line_and_status_2(script, tmp_path, capsys, monkeypatch):
    command = [sys.executable, "-c", "raise SystemExit('CUDA_ERROR_NO_DEVICE')"]
    dead = functools.partial(Worker, TimingRules(), command=command)
    monkeypatch.setattr(script.measure, "Worker", lambda rules, energy, platform: dead())
    assert script.main(["--out", str(tmp_path / "o"), "--minutes", "1"]) == 2
    assert capsys.readouterr().err == (
        "JAX finds no device (CUDA_ERROR_NO_DEVICE); check its driver\n"
    )


def test_lost_workers_are_replaced_and_three_in_a_row_stop_with_a_summary(script, tmp_path):
    script.faults.write_text(json.dumps({"2": "kill"}))
    run(script, tmp_path / "o")
    frame = pd.read_csv(tmp_path / "o" / "layers.csv").set_index("line")
    assert frame.loc[2, "status"] == "oom"
    assert frame.drop(index=2)["time_s"].notna().all()
    script.faults.write_text(json.dumps(dict.fromkeys("1234", "kill")))
    _, status = run(script, tmp_path / "p")
    assert status == 1
    assert "3 workers in a row were lost" in summary(tmp_path / "p")["notes"][0]


def test_a_type_that_the_device_has_not_is_a_row_that_says_so(script, tmp_path, monkeypatch):
    wanted = [("mlp-512", 2, "float64", False)]  # which JAX has not where 64 bits are off
    monkeypatch.setattr(script.agenda, "networks", lambda rehearse: wanted)
    script.measure.measure_part("networks", tmp_path, 60.0, rehearse=True)
    script.measure.measure_part("networks", tmp_path, 60.0, rehearse=True)
    (row,) = pd.read_csv(tmp_path / "networks.csv").to_dict("records")
    assert (row["status"], row["dtype"]) == ("error", "float64")
    assert "float64" in row["error"]


def test_runs_are_rows_of_the_table_of_training(script, tmp_path, monkeypatch):
    runs = [r | {"n_observations": 600} for r in script.agenda.butter_e_runs([200])[:1]]
    monkeypatch.setattr(script.agenda, "training", lambda rehearse: runs)
    monkeypatch.setattr(script.measure, "RULES", TimingRules(block_s=1e-3, rounds=1))
    script.measure.measure_part("training", tmp_path, 60.0, rehearse=True)
    frame = pd.read_csv(tmp_path / "training.csv")
    assert len(validate_runs(frame)) == len(runs) == 1
    assert frame["time_per_epoch_s"].notna().all()
    assert "energy_per_epoch_j" in frame


def test_wheels_are_installed_beside_and_the_rest_is_the_same(
    script, tmp_path, capsys, monkeypatch
):
    calls = []

    def call(command, env=None, check=False):
        calls.append((command, env))
        return subprocess.CompletedProcess(command, 7)

    monkeypatch.setattr(subprocess, "run", call)
    given = ["--out", "o", "--wheels", str(tmp_path), "--resume"]
    assert script.main(given) == 2
    assert "has no wheels" in capsys.readouterr().err
    (tmp_path / "zeus-1-py3-none-any.whl").touch()
    assert script.main(given) == 7
    assert "--no-index" in calls[0][0]
    assert calls[1][0][2:] == ["--out", "o", "--resume"]
    site = calls[0][0][calls[0][0].index("--target") + 1]
    assert calls[1][1]["PYTHONPATH"].startswith(site)


def test_the_agenda_for_a_gpu_is_layers_of_both_types_by_value():
    whole = agenda.agenda(rehearse=False)
    assert [stage.name for stage in whole[:6]] == [
        "paper float32", "space-filling float32", "transformer", "memory-bound", "networks",
        "training",
    ]  # fmt: skip
    built = {s.name: s.layers("gpu", 8e10) for s in whole if s.layers and s.name != "energies"}
    assert {layer.sweep for layer in built["paper float32"]} == set(agenda.PAPER_SWEEPS)
    assert {layer.dtype for layer in built["everything"]} == {"float32", "bfloat16"}
    assert set(built["paper float32"]) <= set(built["everything"])
    assert set(built["space-filling bfloat16"]) <= set(built["everything"])
    assert 150 < len(built["paper float32"]) < 220
    energies = [x for s in whole if s.name == "energies" for x in s.layers("gpu", 8e10)]
    assert {layer.sweep for layer in energies} == {"energy"}
    moved = sorted(x.bytes_moved for x in energies if x.op == "elementwise")
    assert moved[0] < 2e6
    assert moved[-1] > 1e9


@pytest.mark.slow
def test_the_rehearsal_runs_on_this_machine(tmp_path):
    program = [sys.executable, str(ROOT / "experiments" / "accelerator" / "run.py"), "--rehearse"]
    command = [*program, "--minutes", "0.6", "--out", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert ended.returncode == 0, ended.stderr
    told = summary(tmp_path)
    assert told["rehearsal"] is True
    assert told["measured"]["layers"]["rows"] >= 4  # each part has something, in half a minute
    assert len(pd.read_csv(tmp_path / "networks.csv")) >= 1
    assert len(validate_runs(pd.read_csv(tmp_path / "training.csv"))) >= 1

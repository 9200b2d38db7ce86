import types

import numpy as np
import pandas as pd
import pytest

from jaxcost.app.cli.measured import facts, in_words
from jaxcost.calibrate.this_device import TooFewLayersError, disturbances, rows_to_fit
from jaxcost.measure import LayerSpec, Preset, SweepPlan

LAYERS = [LayerSpec(op="dense", c_in=8 * n, c_out=8, sweep="ab"[n % 2]) for n in range(1, 41)]
PLAN = Preset("quick", LAYERS, SweepPlan(budget_s=100.0))


def _measured(status, accepted, *, timed=True, drift=0.02):
    """40 layers: these statuses and numbers of accepted blocks, repeated."""
    frame = pd.DataFrame([layer.row() for layer in LAYERS])
    repeated = {
        "status": np.resize(status, 40),
        "accepted_samples": np.resize(accepted, 40),
        "time_s": np.where(np.resize(timed, 40), 1e-3, np.nan),
    }
    frame = frame.assign(**repeated, error="the reason", process_cv=0.013)
    spent = {"elapsed_s": 61.0, "timed_s": 40.0, "accepted_s": 30.5, "compile_s": 6.1}
    return types.SimpleNamespace(
        to_frame=lambda: frame, drift=drift, sentinel_s=[1.0, 1.0], **spent
    )


def _chosen(*arguments, **options):
    return rows_to_fit(_measured(*arguments, **options), PLAN, seed=0)


def test_what_has_no_time_is_not_fitted():
    rows, others = _chosen(["ok", "oom"], 20, timed=[True, False])
    assert len(rows) == len(others) == 20
    assert set(rows["status"]) == {"ok"}
    assert list(in_words(others).iloc[0]) == ["oom", "the reason", "1×16 → 8"]


def test_a_noisy_time_of_few_undisturbed_blocks_is_not_fitted():
    rows, others = _chosen(["ok", "ok", "noisy", "noisy"], [0, 20, 4, 5])
    assert len(rows) == 30
    assert set(others["accepted_samples"]) == {4}


def test_where_all_are_disturbed_they_are_better_than_none():
    rows, others = _chosen(["noisy"], 0)
    assert (len(rows), len(others)) == (40, 0)


def test_a_fifth_is_held_out_and_stands_last():
    rows, _ = _chosen(["ok"], 20)
    assert rows["held_out"].tolist() == [False] * 32 + [True] * 8
    assert abs(rows[rows["held_out"]].groupby("sweep").size() - 4).max() <= 1


def test_too_few_are_a_failure():
    with pytest.raises(
        TooFewLayersError, match=r"^only 10 of 40 .* \(30 skipped, 10 ok\), .* 1\.67$"
    ):
        _chosen(["ok", "skipped", "skipped", "skipped"], 20, timed=[True, False, False, False])


def test_a_busy_machine_is_said_and_a_quiet_one_is_not():
    quiet, busy = _measured(["ok"], 20), _measured(["ok", "noisy"], 20, drift=0.5)
    assert disturbances(quiet, quiet.to_frame()) == []
    noise, drift = disturbances(busy, busy.to_frame())
    assert noise.startswith("20 of 40 timings are noisy")
    assert "up to 1.50 times as long" in drift


def test_facts_count_what_became_of_the_layers():
    known = facts(_measured(["ok", "oom", "ok", "ok"], 20), PLAN, 30)
    assert known["layers"] == "30 of 40 have a time"
    assert known["timings"] == "30 ok, 10 oom"
    assert (known["time taken"], known["rounds"]) == ("1 min 1 s", "2 rounds")
    assert known["of the time"].startswith("50% in timings that count, 16% in disturbed ones, 10%")
    assert "differs by 1.3%" in known["processes"]

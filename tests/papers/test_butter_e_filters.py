import numpy as np
import pandas as pd
import pytest

from jaxcost.papers.butter_e import filters as filters


def runs(**columns):
    same = {"dataset": "sleep", "size": 64, "hardware": "cpu", "node_type": "cpu1"}
    same |= {"least_power_w": 200.0, "runtime_s": 1000.0, "energy_j": 3e5}
    return pd.DataFrame({**same, **columns})


def test_runs_with_a_reading_of_0_w_are_dropped():
    kept = filters.drop_zero_power(runs(least_power_w=[0.0, 150.0, np.nan]))
    assert kept.index.tolist() == [1]


def test_runs_over_75000_s_are_dropped():
    kept = filters.drop_long_runs(runs(runtime_s=[75_000.0, 75_001.0]))
    assert kept.index.tolist() == [0]


def test_runs_4_standard_deviations_slow_are_dropped_among_their_like():
    times = [*[100.0, 110.0] * 15, 5000.0, 5000.0]
    sizes = [*[64] * 31, 128]  # the second slow run has nothing to be compared with
    kept = filters.drop_outliers(runs(runtime_s=times, size=sizes))
    assert kept.index.tolist() == [*range(30), 31]


def test_energy_is_held_to_the_reference_node():
    table = runs(node_type=["cpu1", "cpu4", "gpu2"], hardware=["cpu", "cpu", "gpu"])
    found = filters.standardise_idle_power(table)["energy_j"]
    assert found.tolist() == [3e5, 3e5 - 168e3, 3e5 - 29e3]  # (388 - 220) W, (403 - 374) W
    with pytest.raises(ValueError, match="node_type 'cpu9' is not known"):
        filters.standardise_idle_power(runs(node_type=["cpu9"]))


def test_overheads_are_a_quantile_of_small_runs_and_are_subtracted():
    small = runs(dataset="tecator_505", energy_j=[1e3, 2e3, 3e3], runtime_s=[10.0, 20.0, 30.0])
    table = pd.concat([small, runs(energy_j=[9e3])], ignore_index=True)
    found = filters.overheads(table)
    assert found.loc["cpu", "energy_j"] == pytest.approx(1.1e3)
    less = filters.subtract_overheads(table, found)
    assert less["energy_j"].iloc[-1] == pytest.approx(9e3 - 1.1e3)
    assert less["runtime_s"].iloc[-1] == pytest.approx(1000 - 11)
    with pytest.raises(ValueError, match="no runs of tecator_505"):
        filters.overheads(runs(runtime_s=[1.0]))


def test_all_of_it_in_order():
    table = runs(runtime_s=[8e4, 1e3, 1e3], least_power_w=[9.0, 0.0, 9.0], node_type="cpu2")
    found = filters.prepare(table)
    assert found.index.tolist() == [2]
    assert found["energy_j"].tolist() == [3e5 - 10e3]

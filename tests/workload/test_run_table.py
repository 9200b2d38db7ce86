import numpy as np
import pandas as pd
import pytest

from jaxcost.workload.run_table import (
    is_run_table,
    networks_of,
    read_run_table,
    runs_from_table,
    validate_runs,
)

ROW = {"n_observations": 1000, "n_features": 4, "n_labels": 1, "batch_size": 256}


def table(rows=2, **columns):
    return pd.DataFrame({**ROW, "widths": ["4 8 2", "4 16 8 2"][:rows], **columns})


def test_rows_become_runs_padded_to_equal_depth():
    runs = runs_from_table(table())
    assert runs.workload.c_in.tolist() == [[4, 8, 2], [4, 16, 8]]
    assert runs.workload.c_out.tolist() == [[8, 2, 1], [16, 8, 2]]
    assert runs.workload.repeat.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert runs.train_batches.tolist() == [4, 4]  # 800 / 256


def test_the_shared_table_is_read(shared):
    path = shared / "datasets/butter_e_energy_per_epoch.csv"
    frame = read_run_table(path, target=True)
    runs = runs_from_table(frame)
    parameters = np.asarray(
        (runs.workload.repeat * runs.workload.c_out * (runs.workload.c_in + 1)).sum(-1)
    )
    np.testing.assert_allclose(parameters, frame["n_parameters"].astype(float), rtol=1e-6)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"widths": ["4 2", "4 8 2"]}, "table, row 0: widths = '4 2' is not allowed; give three"),
        ({"widths": ["4 0 2", "4 8 2"]}, "table, row 0: widths = '4 0 2' is not allowed"),
        ({"widths": ["4 x 2", "4 8 2"]}, "table, row 0: widths = '4 x 2' is not allowed"),
        ({"batch_size": [256, 1001]}, "table, row 1: batch_size = 1001 is not allowed; give at"),
        ({"n_labels": [1, 0]}, "table, row 1: n_labels = 0 is not allowed"),
        ({"energy_per_epoch_j": [1.0, -2.0]}, "row 1: energy_per_epoch_j = -2 is not allowed"),
        ({"energy_per_epoch_j": [1.0, ""]}, "row 1: energy_per_epoch_j is empty; give a finite"),
    ],
)
def test_bad_values_are_refused_with_their_row(columns, message):
    with pytest.raises(ValueError) as caught:
        validate_runs(table(**columns), target="energy_per_epoch_j" in columns)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_energy_is_refused():
    with pytest.raises(ValueError, match="column 'energy_per_epoch_j' is missing; rename 'energy"):
        validate_runs(table(energy_per_epoch=1.0), target=True)


def test_an_empty_table_is_refused():
    with pytest.raises(ValueError, match="table has no rows; give at least one training run"):
        validate_runs(table().iloc[:0])


def test_a_table_of_layers_is_none_of_runs():
    assert is_run_table(table())
    assert not is_run_table(pd.DataFrame({"op": ["dense"], "widths": ["4 8 2"]}))


def test_networks_are_told_apart_by_data_set():
    labels = networks_of(table(dataset=["x", "y"]))
    assert len(set(labels)) == 2
    assert len(set(networks_of(table()))) == 1

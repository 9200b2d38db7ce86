"""Training an epoch at a time, against optax's Adam on the same batches."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from epochs import Epochs, _loss, butter_e_runs, epoch_of_training

from jaxcost.measure.chain import compile_chain
from jaxcost.workload.run_table import read_run_table, validate_runs
from jaxcost.workload.runs import training_run


def test_batches_are_those_of_the_run():
    epochs = Epochs((126, 4, 3), n_observations=67557)
    run = training_run([126, 4, 3], n_observations=67557)
    assert epochs.batches == (int(run.train_batches), int(run.test_batches))


def test_an_epoch_is_adams(x64):
    epochs = Epochs((6, 8, 3), n_observations=60, batch_size=16, dtype="float64")
    state, data = epochs.begin(jnp.uint32(0))
    train, test = epochs.batches
    # bias is not corrected here, as if many steps had gone before: so does optax from step 10**6
    adam = optax.chain(optax.scale_by_adam(eps=1e-7), optax.scale(-1e-4))
    parameters = state[0]
    moments, loss = adam.init(parameters), jax.jit(_loss)
    moments = (moments[0]._replace(count=jnp.asarray(10**6, jnp.int32)), moments[1])

    @jax.jit
    def step(parameters, moments, batch):
        updates, moments = adam.update(jax.grad(_loss)(parameters, batch), moments)
        return optax.apply_updates(parameters, updates), moments

    given = [np.asarray(part) for part in data]
    batches = [[part[16 * n : 16 * n + 16] for part in given] for n in range(train + test)]
    for batch in batches[:train]:
        parameters, moments = step(parameters, moments, batch)
    total = sum(float(loss(parameters, batch)) for batch in batches[train:])
    found = epochs.epoch(state, data)
    for mine, theirs in zip(jax.tree.leaves(found[0]), jax.tree.leaves(parameters)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    assert float(found[-1]) == pytest.approx(total)
    assert float(found[3]) == train


def test_runs_are_a_table_of_training_runs(tmp_path):
    import pandas as pd

    rows = butter_e_runs()
    frame = validate_runs(pd.DataFrame(rows))
    assert len(frame) == 40
    assert frame["n_parameters"].min() < 600
    assert frame["n_parameters"].max() > 3e7
    assert {row["dataset"] for row in rows[:2]} == {"connect_4", "201_pol"}
    early = sorted(row["n_parameters"] for row in rows[:8])
    assert early[-1] / early[0] > 1e4  # the first few already span the range
    path = tmp_path / "runs.csv"
    frame.to_csv(path, index=False)
    assert len(read_run_table(path)) == 40


def test_a_loop_of_epochs_is_that_many_steps():
    chain = epoch_of_training(Epochs((6, 8, 3), n_observations=100, batch_size=16))
    loaded = compile_chain(chain, jax.devices()[0]).load(0)
    loaded.loop(3)
    loaded.loop(2)
    assert float(loaded._state[3]) == 5 * 5  # steps of Adam
    loaded.call()
    assert loaded.is_finite()

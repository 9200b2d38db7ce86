import jax
import jax.numpy as jnp
import pytest

from jaxcost.workload.runs import TrainingRun, training_run


def test_batches_are_those_of_the_splits():
    run = training_run([26, 54, 11], n_observations=15000)
    assert (float(run.train_batches), float(run.test_batches)) == (47, 12)  # 46.875, 11.72
    assert float(run.passes) == 2 * 47 + 12


def test_a_split_that_comes_out_whole_is_not_rounded_up():
    run = training_run([4, 3, 2], n_observations=1280, batch_size=256)
    assert (float(run.train_batches), float(run.test_batches)) == (4, 1)


def test_columns_default_to_the_network():
    run = training_run([26, 54, 11], n_observations=15000)
    assert (float(run.n_features), float(run.n_labels)) == (26, 11)


def test_by_columns_changes_the_first_layer_alone():
    run = training_run([26, 54, 11], n_observations=15000, n_features=48).by_columns()
    assert run.workload.c_in.tolist() == [48, 54]
    assert run.workload.c_out.tolist() == [54, 11]


def test_a_stack_pads_to_equal_depth():
    runs = [training_run(w, n_observations=500) for w in ([4, 3, 2], [5, 4, 3, 2])]
    stack = TrainingRun.stack(runs)
    assert stack.workload.repeat.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert stack.inputs.tolist() == [4, 5]
    last = TrainingRun.of_batch(jax.tree.map(lambda leaf: leaf[0], stack).workload)
    assert float(last.n_labels) == 2  # of the last layer that is none of padding


@pytest.mark.parametrize(
    ("widths", "facts", "message"),
    [
        ([4, 2], {}, "widths = 4 2 is a network of one layer; give three or more widths"),
        ([4, 0, 2], {}, "widths = 0 is not allowed; give a finite number greater than 0"),
        ([4, 3, 2], {"batch_size": 501}, "batch_size = 501 is not allowed; give at most the data"),
        ([4, 3, 2], {"batch_size": 0}, "batch_size = 0 is not allowed"),
        ([4, 3, 2], {"n_features": 0}, "n_features = 0 is not allowed"),
        ([4, 3, 2], {"n_observations": -5}, "n_observations = -5 is not allowed"),
    ],
)
def test_bad_input_is_refused_in_one_line(widths, facts, message):
    with pytest.raises(ValueError) as caught:
        training_run(widths, **({"n_observations": 500} | facts))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_none_to_stack_is_refused():
    with pytest.raises(ValueError, match="runs is empty"):
        TrainingRun.stack([])


def test_widths_may_be_traced():
    def parameters(hidden):
        run = training_run(jnp.stack([4.0, hidden, 2.0]), n_observations=500)
        return run.workload.c_out.sum()

    assert float(jax.grad(parameters)(jnp.asarray(3.0))) == 1

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost as jc
from jaxcost.optimize.penalty import Choice
from jaxcost.workload import counts

SMALL, LARGE = (jc.dense(c_in=10, c_out=c, batch=1, bias=False) for c in (20, 200))


def flops(workload):
    return jnp.sum(workload.repeat * counts.flops(workload))


def test_the_expected_cost_is_the_mean_by_weight():
    choice = Choice([SMALL, LARGE])
    weights = choice.weights(jnp.log(jnp.array([3.0, 1.0])))
    assert np.allclose(weights, [0.75, 0.25])
    assert float(choice.expected(flops, weights)) == pytest.approx(0.75 * 400 + 0.25 * 4000)
    sizes = 4 * np.array([10 + 200 + 20, 10 + 2000 + 200])
    mean = float(choice.expected_working_set(weights))
    assert mean == pytest.approx(sizes @ [0.75, 0.25], rel=1e-5)
    assert mean < float(choice.worst_working_set(weights)) <= sizes[1]
    one = float(choice.worst_working_set(jnp.array([1.0, 0.0])))
    assert one == pytest.approx(sizes[0], rel=1e-4)


def test_a_cold_choice_is_one_of_them():
    choice = Choice([SMALL, LARGE])
    assert np.allclose(choice.weights(jnp.array([0.1, 0.5]), 1e-3), [0, 1])
    assert choice.best(jnp.array([0.1, 0.5])) == 1


def test_samples_of_gumbel_softmax_choose_by_probability():
    choice = Choice([SMALL, LARGE])
    logits = jnp.log(jnp.array([0.8, 0.2]))
    keys = jax.random.split(jax.random.key(0), 2000)
    drawn = jax.jit(jax.vmap(lambda k: choice.weights(logits, 0.1, k)))(keys)
    assert np.allclose(drawn.sum(-1), 1, atol=1e-5)
    assert float((drawn[:, 0] > 0.5).mean()) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("temperature", [5.0, 0.1, 0.01])
def test_gradients_are_finite_at_every_temperature(temperature):
    choice = Choice([SMALL, LARGE])

    def cost(logits):
        weights = choice.weights(logits, temperature)
        return choice.expected(flops, weights) + choice.worst_working_set(weights)

    for logits in (jnp.zeros(2), jnp.array([50.0, -50.0])):
        slope = jax.grad(cost)(logits)
        assert np.isfinite(slope).all()
    assert float(jax.grad(cost)(jnp.zeros(2))[1]) > 0


def test_bad_choices_are_refused():
    with pytest.raises(ValueError, match="two or more alternatives"):
        Choice([SMALL])
    with pytest.raises(ValueError, match=r"logits has shape \(3,\)"):
        Choice([SMALL, LARGE]).weights(jnp.zeros(3))

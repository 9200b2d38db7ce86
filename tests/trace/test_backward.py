"""Which operations compute gradients, and that an estimate says so."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import jaxcost as jc

W, X = jnp.ones((64, 64)), jnp.ones((8, 64))


def loss(w, x):
    return jnp.sum(jnp.tanh(x @ w) @ w)


def looped(w, x):
    return jnp.sum(jax.lax.scan(lambda c, _: (jnp.tanh(c @ w), None), x, None, length=3)[0])


def products(fn, *args):
    """Whether each product of a program is of its backward pass, in order."""
    counted = jc.count(fn, *args)
    return [o.backward for o in counted.operations if o.primitive == "dot_general"]


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit, eqx.filter_jit])
def test_products_of_the_forward_pass_are_told_from_gradients(wrap):
    assert products(wrap(loss), W, X) == [False, False]
    assert products(wrap(jax.grad(loss)), W, X) == [False, True, True, True]


def test_within_loops_too():
    assert products(looped, W, X) == [False]
    assert products(jax.grad(looped), W, X) == [False, True, True]


def test_what_is_computed_again_is_of_the_backward_pass():
    """Of the forward pass itself nothing is left: its results are not used."""
    assert products(jax.grad(jax.checkpoint(looped)), W, X) == [True, True, True]


def test_counting_backward_is_told_as_well():
    counted = jc.count(loss, W, X, backward=True)
    assert sum(o.backward for o in counted.operations if o.primitive == "dot_general") == 4


def test_an_estimate_of_gradients_says_what_they_are_priced_as():
    def lines(fn):
        found = jc.estimate(fn, W, X, calibration="amd-epyc")
        return [line for line in found.warnings if "backward pass" in line]

    assert lines(loss) == []
    (line,) = lines(jax.grad(loss))
    assert "time the step itself" in line

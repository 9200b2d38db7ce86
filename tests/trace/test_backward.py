"""Which operations compute gradients, and that an estimate says so."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
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


def test_an_estimate_says_which_gradients_were_never_measured():
    def convolved(w, x):
        return jnp.sum(jax.lax.conv(x, w, (1, 1), "SAME"))

    def lines(fn, *args):
        found = jc.estimate(fn, *args, calibration="amd-epyc")
        return [line for line in found.warnings if "gradients of convolutions" in line]

    w, x = jnp.ones((32, 16, 3, 3)), jnp.ones((4, 16, 28, 28))
    assert lines(jax.grad(loss), W, X) == []  # of dense layers they are dense layers
    assert lines(convolved, w, x) == []
    (line,) = lines(jax.grad(convolved), w, x)
    assert line.startswith("1 gradients of convolutions (")
    assert "--measure" in line


@pytest.mark.parametrize("backward", [False, True])
def test_on_a_cpu_what_is_no_product_costs_the_bytes_of_its_kernels(backward):
    calibration = jc.load_calibration("amd-epyc")
    found = jc.count(loss, W, X, backward=backward)
    layers, fitted = found.workload(), calibration.models["time_s"]
    costs = np.asarray(layers.repeat * fitted.layer_costs(layers, calibration.device))
    moved = sum(group.times * group.bytes_moved for group in found.groups if not group.product)
    expected = moved / float(fitted.model.bandwidth)
    assert expected > 0
    assert costs[np.asarray(layers.within) > 0].sum() == pytest.approx(expected, rel=1e-5)

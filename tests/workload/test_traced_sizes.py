"""Sizes that JAX traces are looked at when the program runs, whatever transformed it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost as jc
from jaxcost.workload import conv2d, dense

T2000 = jc.load_calibration("quadro-t2000")
EAGLE = jc.load_calibration("butter-e-gpu")
DATA = {"n_observations": 1000, "n_features": 10, "n_labels": 2}

COSTS = {
    "mlp": lambda w: T2000.latency(jc.mlp(w, batch_size=32)),
    "cnn": lambda w: T2000.latency(jc.cnn(w, in_h=8, in_w=8, batch_size=2, head=[10])),
    "dense": lambda w: T2000.latency(dense(c_in=w[:-1], c_out=w[1:])),
    "conv2d": lambda w: T2000.latency(
        conv2d(in_h=8, in_w=8, c_in=w[:-1], c_out=w[1:], k_h=3, k_w=3)
    ),
    "batch": lambda w: T2000.latency(jc.mlp([8, 9, 10], batch_size=w[1])),
    "image": lambda w: T2000.latency(conv2d(in_h=w[1], in_w=8, c_in=3, c_out=4, k_h=1, k_w=1)),
    "training_run": lambda w: EAGLE.energy(jc.training_run(w, batch_size=256, **DATA)),
}
WAYS = {
    "jit": jax.jit,
    "jit of grad": lambda f: jax.jit(jax.grad(f)),
    "grad": jax.grad,
    "jacfwd": jax.jacfwd,
    "vmap": lambda f: lambda w: jax.vmap(f)(jnp.stack([jnp.full(3, 16.0), w])),
    "jit of vmap": lambda f: jax.jit(lambda w: jax.vmap(f)(jnp.stack([jnp.full(3, 16.0), w]))),
}


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("way", ["jit", "vmap"])
@pytest.mark.parametrize("wrong", [-3.0, jnp.nan, jnp.inf])
def test_a_wrong_size_raises(cost, way, wrong):
    transformed = WAYS[way](COSTS[cost])
    good = transformed(jnp.array([16.0, 300.0, 16.0]))
    assert np.isfinite(np.asarray(good)).all()
    with pytest.raises(Exception, match="a size is negative or not finite"):
        jax.block_until_ready(transformed(jnp.array([16.0, wrong, 16.0])))


@pytest.mark.parametrize("cost", ["mlp", "training_run"])
@pytest.mark.parametrize("way", WAYS)
def test_however_it_is_transformed(cost, way):
    with pytest.raises(Exception, match="a size is negative or not finite"):
        jax.block_until_ready(WAYS[way](COSTS[cost])(jnp.array([16.0, -0.5, 16.0])))


def test_the_data_set_is_looked_at_too():
    def cost(n):
        sizes = DATA | {"n_features": n}
        return EAGLE.energy(jc.training_run([10, 20, 2], batch_size=256, **sizes))

    with pytest.raises(Exception, match="n_features"):
        jax.block_until_ready(jax.jit(cost)(jnp.array(-1.0)))


def test_a_kernel_larger_than_a_traced_image_raises():
    def height(h):
        return conv2d(in_h=h, in_w=8, c_in=3, c_out=4, k_h=5, k_w=5, padding="valid").out_h[0]

    assert jax.jit(height)(8.0) == 4
    with pytest.raises(Exception, match="a size is negative"):
        jax.block_until_ready(jax.jit(height)(2.0))


def test_gradients_are_those_of_the_unguarded_cost():
    widths = jnp.array([16.0, 300.0, 16.0])
    got = jax.jit(jax.grad(COSTS["mlp"]))(widths)
    ends = [COSTS["mlp"](widths.at[1].add(step)) for step in (-1.0, 1.0)]
    np.testing.assert_allclose(got[1], (ends[1] - ends[0]) / 2, rtol=1e-3)

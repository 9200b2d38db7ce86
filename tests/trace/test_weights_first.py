"""A dense layer is the same row of sizes whichever operand its weights are.

Equinox writes `weight @ x`, Flax `x @ weight`; a calibration's rows are those of the inputs.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxcost as jc

ROWS, IN, OUT = 5, 8, 3
X = jax.ShapeDtypeStruct((ROWS, IN), jnp.float32)
LINEAR = eqx.nn.Linear(IN, OUT, key=jax.random.key(0))


def sizes(function, *arguments):
    """Rows, inputs and outputs of every product of a program."""
    layers = jc.trace(function, *arguments)
    rows = layers.batch * layers.out_h * layers.out_w
    found = np.stack([rows, layers.c_in, layers.c_out], axis=-1)
    return found[np.asarray(layers.is_dense) > 0].tolist()


def test_frameworks_agree():
    assert sizes(jax.vmap(LINEAR), X) == [[ROWS, IN, OUT]]
    assert sizes(nnx.Linear(IN, OUT, rngs=nnx.Rngs(0)), X) == [[ROWS, IN, OUT]]


def test_one_example_is_one_row():
    assert sizes(LINEAR, jax.ShapeDtypeStruct((IN,), jnp.float32)) == [[1, IN, OUT]]


@pytest.mark.parametrize("axes", [(1, 0), (0, 1)])
def test_a_view_of_the_weights_is_still_the_weights(axes):
    weights = jnp.ones((IN, OUT) if axes == (1, 0) else (OUT, IN))
    assert sizes(lambda x: weights.transpose(axes) @ x.T, X) == [[ROWS, IN, OUT]]


def test_what_holds_no_weights_keeps_its_order():
    """Of two activations neither is the weights: the first has the rows, as they are written."""
    first, second = (jax.ShapeDtypeStruct(s, jnp.float32) for s in ((4, 6), (6, 2)))
    assert sizes(lambda a, b: jnp.tanh(a) @ jnp.tanh(b), first, second) == [[4, 6, 2]]


def test_a_gradient_by_the_input_goes_through_the_weights():
    back = sizes(jax.grad(lambda x: jnp.sum(jax.vmap(LINEAR)(x) ** 2)), X)
    assert sorted(back) == sorted([[ROWS, IN, OUT], [ROWS, OUT, IN]])

import jax
import jax.numpy as jnp
import pytest

from jaxcost.trace import count
from jaxcost.trace.names import Names

X, W = jnp.ones((8, 64)), jnp.ones((64, 64))


def equations(fn, *args):
    return {e.primitive.name: e for e in jax.make_jaxpr(fn)(*args).jaxpr.eqns}


def test_an_operation_is_named_by_its_scopes_without_what_transformed_it():
    def loss(x):
        with jax.named_scope("net"), jax.named_scope("first"):
            return jnp.sin(x).sum()

    found = equations(jax.grad(loss), X)
    assert Names().of(found["cos"], "") == "net/first"
    assert Names().of(found["mul"], "outer") == "outer/net/first"
    assert Names("net").of(found["mul"], "") == "first"
    assert Names("net").of(found["mul"], "outer") == "outer/net/first"


def test_without_a_scope_it_has_no_name_or_that_of_what_it_is_in():
    found = equations(jnp.sin, X)
    assert Names().of(found["sin"], "") == ""
    assert Names().of(found["sin"], "outer") == "outer"


@pytest.mark.parametrize("jit", [lambda f: f, jax.jit])
def test_what_a_checkpoint_computes_again_is_told_apart(jit):
    def loss(w, checkpoint):
        def block(x, w):
            return jnp.tanh(jit(jnp.dot)(jnp.sin(x @ w), w))

        x = checkpoint(block)(X, w)
        return checkpoint(block)(x, w).sum()

    def found(checkpoint):
        return count(jax.value_and_grad(lambda w: loss(w, checkpoint)), W)

    product = 2 * 8 * 64 * 64
    plain, again = found(lambda f: f), found(jax.checkpoint)
    assert plain.recomputed_flops == 0
    assert again.recomputed_flops == 4 * product
    assert again.flops - again.recomputed_flops == plain.flops
    assert again.record()["recomputed_flops"] == 4 * product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxcost.trace import count

X, W = (jax.ShapeDtypeStruct((8, 8), jnp.float32),) * 2


def looping(x, w):
    return lax.while_loop(lambda c: c[0, 0] < 1, lambda c: c @ w, x)


def test_a_loop_of_unknown_length_says_so():
    found = count(looping, X, W)
    (unknown,) = found.unknown
    assert unknown.primitive == "while"
    assert "trips" in unknown.reason
    assert found.macs == 512
    assert any("lower bounds" in line for line in found.warnings)


@pytest.mark.parametrize("trips", [5, [5]])
def test_a_loop_of_known_length_counts_that_often(trips):
    found = count(looping, X, W, trips=trips)
    assert found.unknown == ()
    assert found.macs == 5 * 512
    assert [o.repeat for o in found.operations if o.primitive == "lt"] == [6]


@pytest.mark.parametrize("trips", [None, 5])
def test_a_program_counts_the_same_while_jit_is_disabled_for_debugging(trips):
    def program(x, w):
        y = lax.scan(lambda c, _: (jax.jit(jnp.dot)(c, w), None), looping(x, w), None, length=10)[0]
        return lax.cond(y[0, 0] > 0, lambda z: z @ w, lambda z: z, y)

    plain = count(program, X, W, trips=trips).record()
    with jax.disable_jit():
        assert count(program, X, W, trips=trips).record() == plain


EMPTY = {
    "sum": lambda x: x.sum(1),
    "maximum": lambda x: x.max(1, initial=0),
    "mean": lambda x: x.mean(0),
    "product": lambda x: x @ x.T,
    "contraction of nothing": lambda x: x.T @ x,
    "sort": lambda x: jnp.sort(x, 1),
    "running sum": lambda x: jnp.cumsum(x, 1),
    "softmax": lambda x: jax.nn.softmax(x, axis=0),
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("shape", [(4, 0), (0, 4)])
def test_of_an_empty_array_no_operation_is_negative(name, shape):
    found = count(EMPTY[name], jax.ShapeDtypeStruct(shape, jnp.float32))
    for each in found.operations:
        amounts = (each.flops, each.elementwise_flops, each.transcendentals, each.bytes_moved)
        assert min(amounts) >= 0, each


def test_too_few_trips_are_refused():
    with pytest.raises(ValueError, match="trips has 1 values; give one for each while loop"):
        count(lambda x, w: looping(looping(x, w), w), X, W, trips=[3])


def test_all_branches_are_listed_and_the_largest_counted():
    def chosen(i, x, w):
        return lax.switch(i, [lambda y: y, lambda y: y @ w @ w, lambda y: y @ w], x)

    found = count(chosen, jax.ShapeDtypeStruct((), jnp.int32), X, W)
    (branches,) = found.branches
    assert branches.flops == (0, 2048, 1024)
    assert branches.counted == 1
    assert found.flops == 2048


def test_what_runs_on_every_device_counts_on_every_device():
    mesh = Mesh(np.array(jax.devices()[:1]), ("d",))
    split = jax.shard_map(
        lambda x: lax.psum(x @ x.T, "d"), mesh=mesh, in_specs=P(None, "d"), out_specs=P()
    )
    assert count(split, X).macs == 512


def test_rematerialisation_counts_what_is_computed_again():
    def loss(w, x):
        return jnp.sum(jax.checkpoint(lambda y: jnp.sin(jnp.sin(y @ w)))(x))

    plain = count(jax.value_and_grad(lambda w, x: jnp.sum(jnp.sin(jnp.sin(x @ w)))), W, X)
    again = count(jax.value_and_grad(loss), W, X)
    assert plain.macs == 2 * 512
    assert again.macs == 3 * 512


def test_what_calls_outside_is_unknown_and_not_nothing():
    def outside(x):
        return jax.pure_callback(lambda v: v, jax.ShapeDtypeStruct((8, 8), jnp.float32), x)

    found = count(outside, X)
    assert [u.primitive for u in found.unknown] == ["pure_callback"]
    assert found.unknown[0].shapes == ((8, 8), (8, 8))


def test_a_kernel_counts_what_it_declares_or_is_unknown():
    pallas = pytest.importorskip("jax.experimental.pallas")

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...]

    def call(x, cost=None):
        out = jax.ShapeDtypeStruct((8, 8), jnp.float32)
        return pallas.pallas_call(kernel, out_shape=out, cost_estimate=cost)(x)

    assert [u.primitive for u in count(call, X).unknown] == ["pallas_call"]
    cost = pallas.CostEstimate(flops=1000, transcendentals=10, bytes_accessed=512)
    declared = count(lambda x: call(x, cost), X)
    assert (declared.flops, declared.transcendentals, declared.bytes_moved) == (1000, 10, 512)
    assert declared.unknown == ()

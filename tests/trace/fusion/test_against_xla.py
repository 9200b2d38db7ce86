"""What is predicted to be fused is what XLA's CPU backend fuses: its own programs are compiled."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxcost as jc

sys.path.append(str(Path(__file__).resolve().parents[3] / "experiments" / "zoo"))
from xla_kernels import kernels

S = jax.ShapeDtypeStruct
LAYOUT = ("NHWC", "HWIO", "NHWC")
# Whatever the suite leaves out to compile faster.
AS_USERS_HAVE_IT = {"xla_cpu_use_fusion_emitters": True, "xla_backend_optimization_level": 3}
AS_USERS_HAVE_IT |= {"xla_llvm_disable_expensive_passes": False}


def chain(x, y):
    return jnp.tanh(x) * 2 + jnp.exp(y) - x


def used_twice(x, y):
    """A dear value with two readers is made once, a cheap one for each."""
    dear, cheap = jnp.exp(x + y), x - y
    return dear @ y.T, dear.sum(0), cheap @ y.T, cheap.sum(0)


def layer_norm(x, y):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * y[:1]


def convolved(x, w):
    y = lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=LAYOUT)
    y = jax.nn.relu(y * 1.5 + 0.5)
    return lax.reduce_window(y, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def depthwise(x, w):
    return jax.nn.silu(
        lax.conv_general_dilated(
            x, w, (1, 1), "SAME", dimension_numbers=LAYOUT, feature_group_count=x.shape[-1]
        )
    )


def attention(x, w):
    q, k, v = jnp.split((x @ w).reshape(4, 64, 4, 96), 3, axis=-1)
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k)
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)


def embedded(table, x):
    rows = table[jnp.arange(64) * 3 % 1000]
    return jax.nn.gelu(rows + x, approximate=True)


MATRICES = (S((256, 512), "float32"), S((256, 512), "float32"))
PROGRAMS = {
    chain: MATRICES,
    used_twice: MATRICES,
    layer_norm: MATRICES,
    convolved: (S((4, 28, 28, 32), "float32"), S((3, 3, 32, 64), "float32")),
    depthwise: (S((4, 28, 28, 64), "float32"), S((3, 3, 1, 64), "float32")),
    attention: (S((4, 64, 128), "float32"), S((128, 384), "float32")),
    embedded: (S((1000, 256), "float32"), S((64, 256), "float32")),
}


def gradient(function):
    def loss(*args):
        return sum(jnp.sum(jnp.square(y)) for y in jax.tree.leaves(function(*args)))

    return jax.grad(loss, argnums=(0, 1))


def moved(function, shapes):
    """Bytes by XLA's program, and as predicted."""
    compiled = jax.jit(function).lower(*shapes).compile(compiler_options=AS_USERS_HAVE_IT)
    text = compiled.as_text()
    ours = jc.count(function, *shapes).groups
    theirs = sum(kernel.bytes_moved for kernel in kernels(text))
    return theirs, sum(group.times * group.bytes_moved for group in ours)


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_bytes_are_those_of_the_program_that_xla_makes(function, backward):
    program = gradient(function) if backward else function
    theirs, ours = moved(program, PROGRAMS[function])
    assert ours == pytest.approx(theirs, rel=0.1)


def test_a_loop_runs_as_often_as_it_is_long():
    def looped(x, w):
        return lax.scan(lambda c, row: (jnp.tanh(c * row), jnp.exp(c)), x, w)

    shapes = S((512,), "float32"), S((16, 512), "float32")
    groups = [g for g in jc.count(looped, *shapes).groups if g.operations[-1] != "parameter"]
    assert {g.times for g in groups} == {16.0}
    # Of the rows one is read, and one of the results is written, each time.
    assert sum(g.bytes_moved for g in groups) <= 8 * 512 * 4


def test_groups_are_named_after_operations_that_were_counted():
    found = jc.count(gradient(attention), *PROGRAMS[attention])
    assert all(0 <= g.owner < len(found.operations) for g in found.groups)
    named = {found.operations[g.owner].primitive for g in found.groups if g.product}
    assert named <= {"dot_general", "exp", "div", "mul", "reduce_sum", "reduce_max", "add_any"}


def test_of_several_branches_the_one_that_was_counted_is_fused():
    def branched(x, y):
        return lax.cond(x[0, 0] > 0, lambda a: a, lambda a: jnp.exp(a) @ y.T @ y, x)

    assert any(g.product for g in jc.count(branched, *MATRICES).groups)


def test_what_is_computed_again_is_not_fused_with_the_first_time():
    def block(x, y):
        return jnp.sum(jax.checkpoint(lambda a: jnp.sin(jnp.exp(a) @ y.T))(x))

    found = jc.count(jax.value_and_grad(block), *MATRICES)
    names = [op for group in found.groups for op in group.operations]
    assert names.count("exponential") >= 2


def test_a_workload_has_the_bytes_of_the_kernels_and_can_be_differentiated():
    found = jc.count(gradient(layer_norm), *MATRICES)
    layers = found.workload()
    within = np.asarray(layers.within) > 0
    left = np.asarray(layers.repeat * layers.left_on_cpu * layers.other_bytes)[within].sum()
    kernels_ = sum(g.times * g.bytes_moved for g in found.groups if not g.product)
    assert left == pytest.approx(kernels_, rel=1e-5)
    loaded = jc.load_calibration("amd-epyc")
    slope = jax.grad(loaded.latency)(layers)
    assert (np.asarray(slope.other_bytes)[within] >= 0).all()

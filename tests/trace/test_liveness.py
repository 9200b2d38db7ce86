"""What nobody uses is not counted, in whatever holds it; what is used is, and so is what acts."""

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import lax
from jax.interpreters.partial_eval import dce_jaxpr
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxcost.trace import count
from jaxcost.trace.liveness import Liveness

N = 4
ONE = N**3
X = jax.ShapeDtypeStruct((N, N), jnp.float32)


def both(x):
    """Two results, of one product and of two."""
    return x @ x, x @ x @ x


@jax.custom_jvp
def custom_forward(x):
    return both(x)


@jax.custom_vjp
def custom_backward(x):
    return both(x)


custom_forward.defjvp(lambda primals, tangents: (both(*primals), both(*tangents)))
custom_backward.defvjp(lambda x: (both(x), None), lambda _, g: (g[0],))


def sharded(x):
    mesh = Mesh(jax.devices()[:1], ("d",))
    return jax.shard_map(both, mesh=mesh, in_specs=P(), out_specs=(P(), P()))(x)


def scanned(x):
    """Ten steps: the first result is of one product a step, the second of two."""
    return lax.scan(lambda c, _: ((c[0] @ c[0], c[1] @ c[1] @ c[1]), None), (x, x), None, 10)[0]


def stacked(x):
    def step(c, _):
        return c + 1, both(c)

    return lax.scan(step, x, None, length=10)[1]


def looped(x):
    def step(state):
        i, first, second = state
        return i + 1, first @ first, second @ second @ second

    return lax.while_loop(lambda state: state[0] < 10, step, (0, x, x))[1:]


def counted_loop(x):
    return lax.fori_loop(0, 10, lambda i, c: (c[0] @ c[0], c[1] @ c[1] @ c[1]), (x, x))


def branched(x):
    return lax.cond(x[0, 0] > 0, both, lambda y: (y, y), x)


def solved(x):
    """A solver with a second product that only its second result needs."""

    def solve(matvec, b):
        return x @ b, {"seen": x @ x @ b}

    return lax.custom_linear_solve(lambda b: x @ b, x, solve, transpose_solve=solve, has_aux=True)


# How often the body runs; in each the first result takes one product, the second two.
HOLDERS = {
    "jit": (jax.jit(both), 1),
    "jit in jit": (jax.jit(lambda x: jax.jit(both)(x)), 1),
    "checkpoint": (jax.checkpoint(both), 1),
    "custom_jvp": (custom_forward, 1),
    "custom_vjp": (custom_backward, 1),
    "shard_map": (sharded, 1),
    "cond": (branched, 1),
    "scan, carried": (scanned, 10),
    "scan, stacked": (stacked, 10),
    "fori_loop": (counted_loop, 10),
    "while": (looped, 10),
    "jit of a scan of a jit": (jax.jit(lambda x: jax.jit(scanned)(x)), 10),
    "vmap of a scan": (lambda x: jax.vmap(scanned)(x[None]), 10),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_a_result_that_nobody_uses_is_not_counted(name):
    function, times = HOLDERS[name]
    macs = {
        "first": count(lambda x: function(x)[0], X, trips=10).macs,
        "second": count(lambda x: function(x)[1], X, trips=10).macs,
        "both": count(function, X, trips=10).macs,
        "neither": count(lambda x: (function(x), x)[1], X, trips=10).macs,
    }
    # The two results share no product: nothing is merged.
    expected = {"first": 1, "second": 2, "both": 3, "neither": 0}
    assert macs == {used: times * each * ONE for used, each in expected.items()}


def test_of_a_solver_only_what_its_used_results_take_counts():
    assert count(solved, X).macs == 3 * ONE
    assert count(lambda x: solved(x)[0], X).macs == ONE
    assert count(lambda x: solved(x)[1], X).macs == 2 * ONE


def test_an_operand_of_a_dead_part_is_dead():
    inner = jax.jit(lambda x, y: (x + 1, y + 1))
    assert count(lambda x: inner(x, x @ x)[0], X).macs == 0
    assert count(lambda x: inner(x, x @ x)[1], X).macs == ONE

    def step(c, _):
        return (c[0] + 1, c[1] + c[2], c[2]), None

    def scan(x, wanted):
        return lax.scan(step, (x, x, x @ x), None, length=3)[0][wanted]

    assert [count(lambda x, i=i: scan(x, i), X).macs for i in range(3)] == [0, ONE, ONE]


def test_a_carry_that_feeds_a_used_one_is_counted():
    """The third feeds the second and the second the first: a fixed point three steps away."""

    def step(c, _):
        return (c[0] + c[1], c[1] + c[2], c[2] @ c[2], c[3] @ c[3]), None

    def run(x):
        return lax.scan(step, (x,) * 4, None, length=5)[0][0]

    assert count(run, X).macs == 5 * ONE


def test_a_carry_that_only_the_condition_reads_is_counted():
    def run(x):
        state = lax.while_loop(
            lambda c: c[1][0, 0] < 1, lambda c: (c[0] + 1, c[1] @ c[1], c[2] @ c[2]), (x, x, x)
        )
        return state[0]

    assert count(run, X, trips=7).macs == 7 * ONE


def test_what_a_loop_starts_from_is_counted_though_its_body_overwrites_it():
    def run(x):
        return lax.while_loop(lambda c: c[0, 0] < 1, lambda c: x + 1, x @ x)

    assert count(run, X, trips=2).macs == ONE


EFFECTS = {
    "print": lambda y: jax.debug.print("{}", y[0, 0]),
    "ordered print": lambda y: jax.debug.print("{}", y[0, 0], ordered=True),
}


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("holder", ["none", "jit", "scan", "cond"])
def test_what_a_side_effect_needs_is_counted(effect, holder):
    def act(x):
        EFFECTS[effect](x @ x)
        return x @ x @ x

    held = {
        "none": act,
        "jit": jax.jit(act),
        "scan": lambda x: lax.scan(lambda c, _: (act(c), None), x, None, length=1)[0],
        "cond": lambda x: lax.cond(x[0, 0] > 0, act, lambda y: y, x),
    }[holder]
    assert count(lambda x: (held(x), x)[1], X).macs == ONE * (3 if holder == "scan" else 1)


def test_a_callback_whose_result_is_used_is_unknown_and_one_that_is_not_is_gone():
    def outside(x):
        return jax.pure_callback(lambda v: v, X, x)

    assert len(count(outside, X).unknown) == 1
    assert count(lambda x: (outside(x), x)[1], X).unknown == ()


def test_the_gradient_of_frozen_weights_is_not_counted():
    """By one of two weights, through a scan: forward once, back by the input and by that one."""

    def loss(w, v, x):
        return jnp.sum(lax.scan(lambda c, _: (jnp.tanh(c @ w) @ v, None), x, None, length=5)[0])

    by_w = count(jax.grad(loss), X, X, X).macs
    by_both = count(jax.grad(loss, (0, 1)), X, X, X).macs
    assert (by_w, by_both) == (5 * 5 * ONE, 5 * 6 * ONE)


def test_memory_that_nobody_uses_is_not_held():
    wide = jax.ShapeDtypeStruct((100, 100), jnp.float32)
    inner = jax.jit(lambda x: (x[0, 0], jnp.sin(jnp.cumsum(jnp.cos(x), axis=0))))
    assert count(lambda x: inner(x)[0], wide).peak_bytes < 40_100
    assert count(lambda x: inner(x)[1], wide).peak_bytes >= 3 * 40_000


# Random programs of four matrices, each instruction from two of them to a third.
MATRICES = 4
PLAIN = st.tuples(st.sampled_from(["product", "sum"]), *(st.integers(0, MATRICES - 1),) * 3)
BLOCKS = ("jit", "checkpoint", "scan", "stacked", "cond", "fori")
PROGRAM = st.recursive(
    st.lists(PLAIN, min_size=1, max_size=5),
    lambda inner: st.lists(
        PLAIN | st.tuples(st.sampled_from(BLOCKS), inner), min_size=1, max_size=4
    ),
    max_leaves=4,
)
LAST = st.lists(st.booleans(), min_size=MATRICES, max_size=MATRICES)


def run(program, values, trips):
    values = list(values)
    for instruction in program:
        if len(instruction) == 4:
            kind, left, right, into = instruction
            a, b = values[left], values[right]
            values[into] = a @ b if kind == "product" else a + b
        else:
            values = list(block(*instruction, values, trips))
    return tuple(values)


def block(kind, program, values, trips):
    def body(*inside):
        return run(program, inside, trips)

    def step(carry, _):
        return (body(*carry), None) if kind == "scan" else (carry[::-1], body(*carry))

    values = tuple(values)
    if kind in ("scan", "stacked"):
        carry, ys = lax.scan(step, values, None, length=3)
        return carry if kind == "scan" else tuple(y[0] for y in ys)
    if kind == "cond":
        return lax.cond(values[0][0, 0] > 0, body, lambda *v: v, *values)
    if kind == "fori":
        return lax.fori_loop(0, trips, lambda i, c: body(*c), values)
    return {"jit": jax.jit, "checkpoint": jax.checkpoint}[kind](body)(*values)


def products(jaxpr):
    """How many products there are, with nothing removed, as a loop that knows no better does."""
    found = 0
    for equation in jaxpr.eqns:
        params = equation.params
        if equation.primitive.name == "dot_general":
            found += 1
        elif equation.primitive.name == "cond":
            found += max(products(branch.jaxpr) for branch in params["branches"])
        elif "jaxpr" in params:
            inner = getattr(params["jaxpr"], "jaxpr", params["jaxpr"])
            found += params.get("length", 1) * products(inner)
    return found


@given(PROGRAM, LAST)
def test_random_programs_count_as_jax_itself_would_leave_them(program, last):
    def function(*values):
        return [v for v, kept in zip(run(program, values, 3), last) if kept]

    closed = jax.make_jaxpr(function)(*(X,) * MATRICES)
    left, read = dce_jaxpr(closed.jaxpr, True)
    assert count(function, *(X,) * MATRICES).macs == products(left) * ONE
    assert Liveness().of(closed.jaxpr).inputs == tuple(read)


@given(PROGRAM, LAST)
def test_random_programs_count_the_same_whether_a_loop_s_length_is_known(program, last):
    def function(trips, *values):
        return [v for v, kept in zip(run(program, values, trips), last) if kept]

    known = count(lambda *values: function(3, *values), *(X,) * MATRICES)
    traced = count(function, jax.ShapeDtypeStruct((), jnp.int32), *(X,) * MATRICES, trips=3)
    assert traced.macs == known.macs


@pytest.mark.parametrize("name", ["jit", "jit in jit", "checkpoint", "custom_jvp", "custom_vjp"])
@pytest.mark.parametrize("used", [0, 1])
def test_straight_programs_count_as_the_compiler_leaves_them(name, used):
    function, _ = HOLDERS[name]
    chosen = jax.jit(lambda x: function(x)[used])
    compiled = chosen.lower(X).compile().cost_analysis()
    assert count(chosen, X).flops == compiled["flops"]

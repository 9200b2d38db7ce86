"""A model costs the same however it is written down: wrapped, closed over, given, or unrolled."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from jaxcost.trace import count

B, D, H, O = 4, 6, 8, 3  # noqa: E741
X = jax.ShapeDtypeStruct((B, D), jnp.float32)
MACS = B * (D * H + H * O)
PARAMETERS = D * H + H + H * O + O
TRAINING = 3 * MACS - B * D * H  # nobody needs the gradient by the input


def weights():
    return {
        "a": {"w": jnp.ones((D, H)), "b": jnp.ones(H)},
        "b": {"w": jnp.ones((H, O)), "b": jnp.ones(O)},
    }


def apply(p, x):
    with jax.named_scope("a"):
        x = jax.nn.relu(x @ p["a"]["w"] + p["a"]["b"])
    with jax.named_scope("b"):
        return x @ p["b"]["w"] + p["b"]["b"]


class Equinox(eqx.Module):
    a: eqx.nn.Linear
    b: eqx.nn.Linear

    def __init__(self):
        keys = jax.random.split(jax.random.key(0))
        self.a = eqx.nn.Linear(D, H, key=keys[0])
        self.b = eqx.nn.Linear(H, O, key=keys[1])

    def __call__(self, x):
        return self.b(jax.nn.relu(self.a(x)))


def functions():
    p = weights()
    closed = functools.partial(apply, p)

    def looped(x):
        return jax.lax.scan(lambda c, _: (c, closed(x)), 0, None, length=1)[1]

    def branching(x):
        return jax.lax.cond(x[0, 0] > 0, jax.jit(closed), lambda x: x[:, :O], x)

    return {
        "weights as arguments": (apply, (p, X)),
        "jit of that": (jax.jit(apply), (p, X)),
        "closed over": (lambda x: apply(p, x), (X,)),
        "partial": (closed, (X,)),
        "jit": (jax.jit(lambda x: apply(p, x)), (X,)),
        "jit in jit": (jax.jit(lambda x: jax.jit(closed)(x)), (X,)),
        "checkpoint": (jax.checkpoint(lambda x: apply(p, x)), (X,)),
        "jit of checkpoint": (jax.jit(jax.checkpoint(closed)), (X,)),
        "checkpoint of jit": (jax.checkpoint(jax.jit(closed)), (X,)),
        "filter_jit": (eqx.filter_jit(lambda x: apply(p, x)), (X,)),
        "vmap": (jax.vmap(lambda x: apply(p, x)), (X,)),
        "vmap of jit": (jax.vmap(jax.jit(closed)), (X,)),
        "in a loop": (jax.jit(looped), (X,)),
        "in a branch": (branching, (X,)),
    }


def of_equinox():
    m = Equinox()
    return {
        "vmap": (jax.vmap(m), (X,)),
        "filter_vmap": (eqx.filter_vmap(m), (X,)),
        "of the model": (lambda m, x: jax.vmap(m)(x), (m, X)),
        "filter_jit of that": (eqx.filter_jit(lambda m, x: jax.vmap(m)(x)), (m, X)),
        "filter_jit": (eqx.filter_jit(jax.vmap(m)), (X,)),
        "filter_jit of filter_vmap": (eqx.filter_jit(eqx.filter_vmap(m)), (X,)),
        "closed over": (lambda x: jax.vmap(lambda y: m(y))(x), (X,)),
        "checkpoint": (jax.checkpoint(jax.vmap(m)), (X,)),
    }


def of_nnx():
    from flax import nnx

    class Network(nnx.Module):
        def __init__(self, rngs):
            self.a = nnx.Linear(D, H, rngs=rngs)
            self.b = nnx.Linear(H, O, rngs=rngs)

        def __call__(self, x):
            return self.b(nnx.relu(self.a(x)))

    m = Network(nnx.Rngs(0))
    return {
        "itself": (m, (X,)),
        "its method": (m.__call__, (X,)),
        "of the model": (lambda m, x: m(x), (m, X)),
        "nnx.jit of that": (nnx.jit(lambda m, x: m(x)), (m, X)),
        "closed over": (lambda x: m(x), (X,)),
        "jit of that": (jax.jit(lambda x: m(x)), (X,)),
    }


def of_linen():
    import flax.linen as nn

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(O, name="b")(nn.relu(nn.Dense(H, name="a")(x)))

    m = Network()
    v = m.init(jax.random.key(0), jnp.ones((B, D)))
    bound = m.bind(v)
    return {
        "itself": (m, (X,)),
        "of the variables": (m.apply, (v, X)),
        "partial": (functools.partial(m.apply, v), (X,)),
        "jit of that": (jax.jit(functools.partial(m.apply, v)), (X,)),
        "closed over": (lambda x: bound(x), (X,)),
    }


def of_haiku():
    import haiku as hk

    t = hk.transform(lambda x: hk.Linear(O, name="b")(jax.nn.relu(hk.Linear(H, name="a")(x))))
    m = hk.without_apply_rng(t)
    p = m.init(jax.random.key(0), jnp.ones((B, D)))
    return {
        "itself": (t, (X,)),
        "of the parameters": (m.apply, (p, X)),
        "closed over": (lambda x: m.apply(p, x), (X,)),
        "jit": (jax.jit(functools.partial(m.apply, p)), (X,)),
    }


def of_keras():
    import keras

    parts = [keras.layers.Dense(H, "relu", name="a"), keras.layers.Dense(O, name="b")]
    m = keras.Sequential([keras.Input((D,)), *parts])
    return {
        "itself": (m, (X,)),
        "closed over": (lambda x: m(x), (X,)),
        "jit": (jax.jit(lambda x: m(x)), (X,)),
    }


# Equinox warns of filter_jit(jax.vmap(model)), which is a form that people write.
pytestmark = pytest.mark.filterwarnings(r"ignore:\s*Possibly assigning a JAX-transformed")
CASES = [functions, of_equinox, of_nnx, of_linen, of_haiku, of_keras]


@pytest.fixture(autouse=True)
def _as_frameworks_have_it(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize("framework", CASES, ids=lambda f: f.__name__)
def test_forward(framework):
    for form, (function, args) in framework().items():
        found = count(function, *args)
        products = [row for row in found.layers() if row["macs"]]
        assert (form, found.macs) == (form, MACS)
        assert (form, found.parameters) == (form, PARAMETERS)
        assert (form, [r["name"].rpartition("/")[2] for r in products]) == (form, ["a", "b"])
        owned = sum(row["parameters"] * row["repeat"] for row in found.layers())
        assert (form, owned) == (form, PARAMETERS)


@pytest.mark.parametrize("framework", CASES, ids=lambda f: f.__name__)
def test_backward(framework):
    for form, (function, args) in framework().items():
        again = MACS if "checkpoint" in form else 0
        found = count(function, *args, backward=True)
        assert (form, TRAINING <= found.macs <= TRAINING + again) == (form, True), found.macs

"""Networks of many kinds, in every framework: however they are called, they count the same."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from jaxcost.trace import count

pytestmark = pytest.mark.usefixtures("frameworks_as_they_are")
KEY = jax.random.key(0)
IMAGES, SEQUENCES = jnp.ones((2, 8, 8, 3)), jnp.ones((2, 5, 8))
TOKENS = jnp.zeros((2, 5), int)


def equinox_convolutions():
    class Network(eqx.Module):
        wide: eqx.nn.Conv2d
        depthwise: eqx.nn.Conv2d
        norm: eqx.nn.GroupNorm
        head: eqx.nn.Linear

        def __call__(self, x):
            x = jax.nn.relu(self.wide(x))
            x = self.norm(self.depthwise(x)) + x
            return self.head(x.mean((1, 2)))

    conv = functools.partial(eqx.nn.Conv2d, padding=1, key=KEY)
    network = Network(
        conv(3, 4, 3), conv(4, 4, 3, groups=4), eqx.nn.GroupNorm(2, 4), eqx.nn.Linear(4, 2, key=KEY)
    )
    return jax.vmap(network), lambda model, x: jax.vmap(model)(x), network, jnp.ones((2, 3, 8, 8))


def equinox_attention():
    class Network(eqx.Module):
        embedding: eqx.nn.Embedding
        attention: eqx.nn.MultiheadAttention
        norm: eqx.nn.LayerNorm

        def __call__(self, ids):
            x = jax.vmap(self.embedding)(ids)
            return jax.vmap(self.norm)(x + self.attention(x, x, x))

    attention = eqx.nn.MultiheadAttention(2, 8, key=KEY)
    network = Network(eqx.nn.Embedding(11, 8, key=KEY), attention, eqx.nn.LayerNorm(8))
    return jax.vmap(network), lambda model, x: jax.vmap(model)(x), network, TOKENS


def equinox_recurrent():
    class Network(eqx.Module):
        cell: eqx.nn.GRUCell
        head: eqx.nn.Linear

        def __call__(self, x):
            first = jnp.zeros(6)
            return self.head(jax.lax.scan(lambda h, x: (self.cell(x, h), None), first, x)[0])

    network = Network(eqx.nn.GRUCell(8, 6, key=KEY), eqx.nn.Linear(6, 2, key=KEY))
    return jax.vmap(network), lambda model, x: jax.vmap(model)(x), network, SEQUENCES


def nnx_convolutions():
    nnx = pytest.importorskip("flax.nnx")

    class Network(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
            self.norm = nnx.BatchNorm(4, use_running_average=True, rngs=rngs)
            self.head = nnx.Linear(4, 2, rngs=rngs)

        def __call__(self, x):
            return self.head(nnx.relu(self.norm(self.conv(x))).mean((1, 2)))

    return _called(Network(nnx.Rngs(0)), IMAGES)


def nnx_transformer():
    nnx = pytest.importorskip("flax.nnx")

    class Network(nnx.Module):
        def __init__(self, rngs):
            self.norm = nnx.LayerNorm(8, rngs=rngs)
            self.attention = nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs)
            self.dropout = nnx.Dropout(0.1, deterministic=True, rngs=rngs)
            self.up, self.down = nnx.Linear(8, 16, rngs=rngs), nnx.Linear(16, 8, rngs=rngs)

        def __call__(self, x):
            x = x + self.attention(self.norm(x))
            return x + self.dropout(self.down(nnx.gelu(self.up(x))))

    return _called(Network(nnx.Rngs(0)), SEQUENCES)


def nnx_recurrent():
    nnx = pytest.importorskip("flax.nnx")

    class Network(nnx.Module):
        def __init__(self, rngs):
            self.cell = nnx.OptimizedLSTMCell(8, 6, keep_rngs=False, rngs=rngs)

        def __call__(self, x):
            carry = (x[:, 0, :6], x[:, 0, :6])  # zeros would be the same for all examples
            for step in range(x.shape[1]):
                carry, _ = self.cell(carry, x[:, step])
            return carry[0]

    return _called(Network(nnx.Rngs(0)), SEQUENCES)


def linen_convolutions():
    nn = pytest.importorskip("flax.linen")

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.Conv(4, (3, 3), strides=2)(x))
            return nn.Dense(2)(nn.BatchNorm(use_running_average=True)(x).reshape(len(x), -1))

    return _initialised(Network(), IMAGES)


def linen_transformer():
    nn = pytest.importorskip("flax.linen")

    class Network(nn.Module):
        @nn.compact
        def __call__(self, ids):
            x = nn.Embed(11, 8)(ids)
            x = x + nn.MultiHeadDotProductAttention(2)(nn.LayerNorm()(x))
            return nn.Dense(8)(nn.gelu(nn.Dense(16)(x)))

    return _initialised(Network(), TOKENS)


def linen_scanned():
    nn = pytest.importorskip("flax.linen")

    class Block(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            return nn.relu(nn.Dense(8)(x)), None

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            stack = nn.scan(Block, {"params": 0}, split_rngs={"params": True}, length=3)
            return nn.Dense(2)(stack()(x, None)[0])

    return _initialised(Network(), SEQUENCES)


def haiku_convolutions():
    hk = pytest.importorskip("haiku")

    def network(x):
        x = jax.nn.relu(hk.Conv2D(4, 3)(x))
        return hk.Linear(2)(hk.LayerNorm(-1, True, True)(x).mean((1, 2)))

    return _initialised(hk.without_apply_rng(hk.transform(network)), IMAGES)


def haiku_recurrent():
    hk = pytest.importorskip("haiku")

    def network(x):
        core = hk.LSTM(6)
        first = core.initial_state(len(x))
        return hk.Linear(2)(hk.dynamic_unroll(core, x, first, time_major=False)[0])

    return _initialised(hk.without_apply_rng(hk.transform(network)), SEQUENCES)


def keras_convolutions():
    layers = pytest.importorskip("keras").layers
    image = layers.Input((8, 8, 3))
    x = layers.SeparableConv2D(4, 3, padding="same", activation="relu")(image)
    x = layers.Add()([x, layers.Conv2D(4, 1)(image)])
    out = layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.BatchNormalization()(x)))
    return _called(pytest.importorskip("keras").Model(image, out), IMAGES)


def keras_text():
    keras = pytest.importorskip("keras")
    layers = keras.layers
    ids = layers.Input((5,), dtype="int32")
    x = layers.Bidirectional(layers.LSTM(6))(layers.Embedding(11, 8)(ids))
    return _called(keras.Model(ids, layers.Dense(2)(layers.Dropout(0.5)(x))), TOKENS)


def keras_attention():
    keras = pytest.importorskip("keras")
    layers = keras.layers
    sequence = layers.Input((5, 8))
    x = layers.LayerNormalization()(sequence)
    x = sequence + layers.MultiHeadAttention(2, 4)(x, x)
    return _called(keras.Model(sequence, layers.Dense(8, "gelu")(x)), SEQUENCES)


def _called(model, x):
    return model, lambda model, x: model(x), model, x


def _initialised(model, x):
    weights = model.init(KEY, x)
    return functools.partial(model.apply, weights), model.apply, weights, x


NETWORKS = (
    equinox_convolutions, equinox_attention, equinox_recurrent,
    nnx_convolutions, nnx_transformer, nnx_recurrent,
    linen_convolutions, linen_transformer, linen_scanned,
    haiku_convolutions, haiku_recurrent,
    keras_convolutions, keras_text, keras_attention,
)  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_counts_the_same_however_it_is_called(network, wrappers):
    function, of_model, model, x = network()
    plain = count(of_model, model, x)
    assert plain.macs > 0
    for how, wrapper in wrappers.items():
        found = count(wrapper(function), x)
        assert (found.macs, found.flops) == (plain.macs, plain.flops), how
        assert found.parameters == plain.parameters, how
        assert products(found) == products(plain), how


@pytest.mark.parametrize("network", NETWORKS)
def test_backward_is_never_the_forward_pass_alone(network, wrappers):
    function, of_model, model, x = network()
    forward = count(of_model, model, x).macs
    plain = count(of_model, model, x, backward=True)
    assert plain.macs > 1.9 * forward
    for how, wrapper in wrappers.items():
        found = count(wrapper(function), x, backward=True)
        if "checkpoint" in how:  # computes the forward pass again, all but what nobody needs
            assert plain.macs <= found.macs <= plain.macs + forward
        else:
            assert found.macs == plain.macs, how
        assert found.parameters == plain.parameters, how


def products(found):
    """The names of layers that multiply matrices or convolve."""
    return {o.name for o in found.operations if o.macs}

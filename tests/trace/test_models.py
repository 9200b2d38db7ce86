"""The same network in every framework counts the same."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from jaxcost.trace import count

BATCH = jax.ShapeDtypeStruct((2, 16, 16, 3), jnp.float32)
MACS = 2 * (16 * 16 * 8 * 27 + 2048 * 10)
PARAMETERS = 27 * 8 + 8 + 2048 * 10 + 10


def in_equinox():
    class Network(eqx.Module):
        conv: eqx.nn.Conv2d
        out: eqx.nn.Linear

        def __call__(self, x):
            return jax.vmap(self.one)(x)

        def one(self, x):
            y = jax.nn.relu(self.conv(jnp.transpose(x, (2, 0, 1))))
            return self.out(y.reshape(-1))

    keys = jax.random.split(jax.random.key(0))
    conv = eqx.nn.Conv2d(3, 8, 3, padding=1, key=keys[0])
    return Network(conv, eqx.nn.Linear(2048, 10, key=keys[1]))


def in_nnx():
    nnx = pytest.importorskip("flax.nnx")

    class Network(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(3, 8, (3, 3), rngs=rngs)
            self.out = nnx.Linear(2048, 10, rngs=rngs)

        def __call__(self, x):
            y = nnx.relu(self.conv(x))
            return self.out(y.reshape(y.shape[0], -1))

    return Network(nnx.Rngs(0))


def in_linen():
    nn = pytest.importorskip("flax.linen")

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            y = nn.relu(nn.Conv(8, (3, 3), name="conv")(x))
            return nn.Dense(10, name="out")(y.reshape(y.shape[0], -1))

    return Network()


def in_haiku():
    hk = pytest.importorskip("haiku")

    def network(x):
        y = jax.nn.relu(hk.Conv2D(8, 3, name="conv")(x))
        return hk.Linear(10, name="out")(y.reshape(y.shape[0], -1))

    return hk.transform(network)


def in_keras():
    pytest.importorskip("keras")
    import keras

    if keras.backend.backend() != "jax":
        pytest.skip("Keras was imported with another backend than JAX")
    from keras import layers

    parts = [layers.Conv2D(8, 3, padding="same", activation="relu", name="conv"), layers.Flatten()]
    return keras.Sequential([keras.Input((16, 16, 3)), *parts, layers.Dense(10, name="out")])


def as_function():
    w, b = jnp.zeros((3, 3, 3, 8)), jnp.zeros(8)
    v, c = jnp.zeros((2048, 10)), jnp.zeros(10)

    def network(x):
        numbers = ("NHWC", "HWIO", "NHWC")
        with jax.named_scope("conv"):
            y = jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=numbers)
            y = jax.nn.relu(y + b[None, None, None])
        with jax.named_scope("out"):
            return y.reshape(y.shape[0], -1) @ v + c[None]

    return network


BUILDERS = [in_equinox, in_nnx, in_linen, in_haiku, in_keras, as_function]


@pytest.fixture(autouse=True)
def _broadcasting(monkeypatch):
    """Frameworks broadcast ranks; and Keras is to run on JAX."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(params=BUILDERS, ids=lambda b: b.__name__)
def network(request):
    return request.param()


def test_the_same_network_counts_the_same(network):
    found = count(network, BATCH)
    assert (found.macs, found.flops, found.parameters) == (MACS, 2 * MACS, PARAMETERS)
    assert found.unknown == ()


def test_layers_have_the_names_and_parameters_of_the_model(network):
    frame = count(network, BATCH).to_frame()
    products = frame[frame.macs > 0]
    assert ["conv" in name for name in products.name] == [True, False]
    assert ["out" in name for name in products.name] == [False, True]
    by_name = frame.groupby(frame.name.str.contains("conv")).parameters.sum()
    if network.__class__.__name__ != "function":  # constants belong to no layer
        assert by_name[True] == 27 * 8 + 8


def test_training_costs_three_times_less_what_the_input_needs_not(network):
    found = count(network, BATCH, backward=True)
    first = 2 * 16 * 16 * 8 * 27  # its input's gradient is of no use
    assert found.macs == 3 * MACS - first


def test_a_model_of_equinox_names_layers_by_its_fields():
    rows = count(in_equinox(), BATCH).layers()
    assert [row["name"] for row in rows if row["macs"]] == ["conv", "out"]


def test_a_container_of_parameters_is_the_first_argument():
    shapes = {"w": jax.ShapeDtypeStruct((3, 4), jnp.float32)}
    found = count(lambda p, x: x @ p["w"], shapes, jax.ShapeDtypeStruct((2, 3), jnp.float32))
    assert found.parameters == 12
    assert found.operations[0].parameters == 12


def test_options_are_passed_as_they_are():
    found = count(lambda x, axis: x.sum(axis), BATCH, axis=0)
    assert found.elementwise_flops == 16 * 16 * 3


def test_an_error_of_the_model_is_shown_in_one_line():
    def broken(x):
        raise RuntimeError("my own words\nand more")

    with pytest.raises(ValueError) as raised:
        count(broken, BATCH)
    assert str(raised.value) == (
        "broken cannot be traced with these inputs: RuntimeError: my own words"
    )


def test_what_depends_on_values_is_refused_in_one_line():
    with pytest.raises(ValueError, match="cannot be traced with these inputs: TracerBool"):
        count(lambda x: x if x[0, 0, 0, 0] > 0 else -x, BATCH)


def test_what_is_no_model_is_refused():
    with pytest.raises(ValueError, match="int cannot be called; give a function"):
        count(3, BATCH)


def test_a_gradient_of_no_real_output_is_refused():
    with pytest.raises(ValueError, match="no output is real"):
        count(lambda x: x > 0, BATCH, backward=True)


def test_nothing_is_run():
    before = jax.live_arrays()  # held, so that no address is used twice
    count(lambda x: jnp.tanh(x) @ jnp.ones((3, 1)), BATCH)
    assert not {id(array) for array in jax.live_arrays()} - {id(array) for array in before}

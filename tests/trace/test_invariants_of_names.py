"""What a block computes has the block's path as its name, in every framework and however called.

The paths that are expected are written out by hand from the models below.
"""

import functools
import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from jaxcost.trace import count

pytestmark = pytest.mark.usefixtures("frameworks_as_they_are")
KEY = jax.random.key(0)
X = jnp.ones((4, 6))
MACS, PARAMETERS = 4 * (2 * 6 * 6 + 6 * 3), 2 * (6 * 6 + 6) + 6 * 3 + 3


class Block(eqx.Module):
    fc: eqx.nn.Linear

    def __call__(self, x):
        return jax.nn.relu(self.fc(x))


class Network(eqx.Module):
    layers: list[Block]
    out: eqx.nn.Linear

    def __call__(self, x):
        return self.out(self.hidden(x))

    def hidden(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Scanned(eqx.Module):
    layers: Block

    def __call__(self, x):
        arrays, rest = eqx.partition(self.layers, eqx.is_array)
        return jax.lax.scan(lambda x, one: (eqx.combine(one, rest)(x), None), x, arrays)[0]


def block(key=KEY):
    return Block(eqx.nn.Linear(6, 6, key=key))


MODEL = Network([block(), block()], eqx.nn.Linear(6, 3, key=KEY))


def of_equinox():
    return jax.vmap(MODEL), lambda model, x: jax.vmap(model)(x), MODEL


def of_nnx():
    nnx = pytest.importorskip("flax.nnx")

    class Block(nnx.Module):
        def __init__(self, rngs):
            self.fc = nnx.Linear(6, 6, rngs=rngs)

        def __call__(self, x):
            return nnx.relu(self.fc(x))

    class Network(nnx.Module):
        def __init__(self, rngs):
            self.layers = nnx.List([Block(rngs), Block(rngs)])
            self.out = nnx.Linear(6, 3, rngs=rngs)

        def __call__(self, x):
            for layer in self.layers:
                x = layer(x)
            return self.out(x)

    model = Network(nnx.Rngs(0))
    return model, lambda model, x: model(x), model


def of_linen():
    nn = pytest.importorskip("flax.linen")

    class Block(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.relu(nn.Dense(6, name="fc")(x))

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = Block(name="layers/1")(Block(name="layers/0")(x))
            return nn.Dense(3, name="out")(x)

    model = Network()
    weights = model.init(KEY, X)
    return functools.partial(model.apply, weights), model.apply, weights


def of_haiku():
    hk = pytest.importorskip("haiku")

    class Block(hk.Module):
        def __call__(self, x):
            return jax.nn.relu(hk.Linear(6, name="fc")(x))

    def network(x):
        return hk.Linear(3, name="out")(Block(name="layers_1")(Block(name="layers_0")(x)))

    model = hk.without_apply_rng(hk.transform(network))
    weights = model.init(KEY, X)
    return functools.partial(model.apply, weights), model.apply, weights


def of_keras():
    keras = pytest.importorskip("keras")
    layers = [
        keras.layers.Dense(6, activation="relu", name="layers_0"),
        keras.layers.Dense(6, activation="relu", name="layers_1"),
        keras.layers.Dense(3, name="out"),
    ]
    model = keras.Sequential([keras.Input((6,)), *layers])
    return model, lambda model, x: model(x), model


@pytest.fixture(scope="module", params=[of_equinox, of_nnx, of_linen, of_haiku, of_keras])
def network(request):
    with jax.numpy_rank_promotion("allow"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "jax")
        yield request.param()


def names(found):
    """The names of what computes, without the root's class, as Linen has it, and separators."""
    computes = [o for o in found.operations if o.flops or o.elementwise_flops]
    return {o.name.removeprefix("Network").strip("/").replace("/", "_") for o in computes}


@pytest.mark.parametrize("backward", [False, True])
def test_names_flops_and_parameters_are_the_same_however_a_model_is_called(
    network, wrappers, backward
):
    function, of_model, model = network
    plain = count(of_model, model, X, backward=backward)
    blocks = {"layers_0", "layers_1"}
    assert names(plain) - {"layers_0_fc", "layers_1_fc"} == blocks | {"out"} | (
        {""} if backward else set()
    )
    for how, wrapper in wrappers.items():
        found = count(wrapper(function), X, backward=backward)
        assert names(found) == names(plain), how
        assert found.parameters == plain.parameters == PARAMETERS, how
        if not (backward and "checkpoint" in how):  # which computes again
            assert found.macs == plain.macs, how
    assert plain.macs == MACS if not backward else plain.macs > 1.9 * MACS


def test_blocks_that_are_scanned_keep_the_path_of_the_stack():
    stack = Scanned(eqx.filter_vmap(block)(jax.random.split(KEY, 2)))
    found, unrolled = count(stack, X[0]), count(MODEL.hidden, X[0])
    assert names(found) == {"layers", "layers_fc"}
    assert names(unrolled) == {"layers_0", "layers_0_fc", "layers_1", "layers_1_fc"}
    assert found.flops == unrolled.flops


def test_several_models_have_their_own_names():
    first, second = block(), block()

    def both(x):
        return jax.vmap(second)(jax.vmap(first)(x))

    assert names(count(both, X)) == {"first", "first_fc", "second", "second_fc"}
    given = count(lambda a, b, x: jax.vmap(b)(jax.vmap(a)(x)), first, second, X)
    assert names(given) == {"a", "a_fc", "b", "b_fc"}


def test_what_was_compiled_before_has_names_and_what_is_compiled_later_has_none_of_ours():
    before, after = (jax.jit(lambda x: jax.vmap(MODEL)(x)) for _ in range(2))
    before(X)
    assert "layers_0" in names(count(before, X))
    count(after, X)
    assert "layers/0" not in after.lower(X).as_text(debug_info=True)


def test_classes_are_as_they_were_after_tracing_fails_and_in_other_threads():
    own = vars(Block)["__call__"]
    outside = []

    class Fails(eqx.Module):
        block: Block

        def __call__(self, x):
            assert vars(Block)["__call__"] is not own
            other = threading.Thread(target=lambda: outside.append(jax.make_jaxpr(block())(X[0])))
            other.start()
            other.join()
            raise RuntimeError("of the model's own")

    with pytest.raises(ValueError, match="of the model's own"):
        count(Fails(block()), X[0])
    assert vars(Block)["__call__"] is own
    stacks = {str(e.source_info.name_stack) for e in outside[0].eqns}
    assert stacks
    assert not any("fc" in stack for stack in stacks)


def test_a_model_of_keras_that_counting_builds_is_said():
    keras = pytest.importorskip("keras")
    layer = keras.layers.Dense(3, name="head")
    assert any("head was not built" in line for line in count(layer, X).warnings)
    assert not any("not built" in line for line in count(layer, X).warnings)

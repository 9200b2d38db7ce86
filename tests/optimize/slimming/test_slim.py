"""Models made smaller: what goes together, that they compute the same, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost.optimize.slimming import channel_groups, slim

KEYS = list(jax.random.split(jax.random.key(0), 8))
IMAGE = jax.random.normal(KEYS[7], (3, 8, 8))
TOKENS = jax.random.normal(KEYS[7], (6, 16))


def conv(c_in, c_out, key, size=3, **settings):
    return eqx.nn.Conv2d(c_in, c_out, size, padding=size // 2, key=KEYS[key], **settings)


def linear(c_in, c_out, key):
    return eqx.nn.Linear(c_in, c_out, key=KEYS[key])


class Perceptron(eqx.Module):
    layers: list

    def __init__(self):
        self.layers = [linear(16, 12, 0), linear(12, 10, 1), linear(10, 4, 2)]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = jax.nn.gelu(jax.vmap(layer)(x))
        return jax.vmap(self.layers[-1])(x)


class Residual(eqx.Module):
    """A stem, an inverted residual block with a depthwise convolution, and a head over pixels."""

    stem: eqx.nn.Conv2d
    up: eqx.nn.Conv2d
    depthwise: eqx.nn.Conv2d
    down: eqx.nn.Conv2d
    head: eqx.nn.Linear

    def __init__(self):
        self.stem, self.up = conv(3, 8, 0), conv(8, 12, 1, 1)
        self.depthwise, self.down = conv(12, 12, 2, groups=12), conv(12, 8, 3, 1)
        self.head = linear(8, 5, 4)

    def __call__(self, x):
        x = jax.nn.relu(self.stem(x))
        x = x + self.down(jax.nn.relu(self.depthwise(jax.nn.relu(self.up(x)))))
        return self.head(x.mean(axis=(1, 2)))


class Joined(eqx.Module):
    """Layers whose channels are concatenated, as in DenseNet, and flattened with their pixels."""

    one: eqx.nn.Conv2d
    two: eqx.nn.Conv2d
    three: eqx.nn.Conv2d
    head: eqx.nn.Linear

    def __init__(self):
        self.one, self.two, self.three = conv(3, 6, 0), conv(6, 4, 1), conv(10, 7, 2)
        self.head = linear(13 * 16, 5, 3)

    def __call__(self, x):
        first = jax.nn.relu(self.one(x))
        both = jnp.concatenate([self.two(first), first])
        all_ = jnp.concatenate([first, self.three(both)])
        return self.head(eqx.nn.MaxPool2d(2, 2)(all_).reshape(-1))


class Transformer(eqx.Module):
    attention: eqx.nn.MultiheadAttention
    norm: eqx.nn.LayerNorm
    up: eqx.nn.Linear
    gate: eqx.nn.Linear
    down: eqx.nn.Linear

    def __init__(self):
        self.attention = eqx.nn.MultiheadAttention(4, 16, key=KEYS[0])
        self.norm = eqx.nn.LayerNorm(16)
        self.up, self.gate, self.down = linear(16, 24, 1), linear(16, 24, 2), linear(24, 16, 3)

    def __call__(self, x):
        y = jax.vmap(self.norm)(x)
        x = x + self.attention(y, y, y)
        y = jax.vmap(self.norm)(x)
        return x + jax.vmap(self.down)(jax.nn.silu(jax.vmap(self.gate)(y)) * jax.vmap(self.up)(y))


class Tied(eqx.Module):
    """An embedding whose weights are also the last layer's, by a bottleneck in between."""

    table: jax.Array
    into: eqx.nn.Linear
    out: eqx.nn.Linear

    def __init__(self):
        self.table = jax.random.normal(KEYS[0], (11, 16))
        self.into, self.out = linear(16, 9, 1), linear(9, 16, 2)

    def __call__(self, words):
        x = self.table[words]
        x = x + jax.vmap(self.out)(jax.nn.relu(jax.vmap(self.into)(x)))
        return x @ self.table.T


class Halves(eqx.Module):
    """One layer whose outputs are cut in two, as in gated units; both halves go together."""

    both: jax.Array
    out: jax.Array

    def __init__(self):
        self.both = jax.random.normal(KEYS[0], (16, 20))
        self.out = jax.random.normal(KEYS[1], (10, 4))

    def __call__(self, x):
        value, gate = jnp.split(x @ self.both, 2, axis=-1)
        return (value * jax.nn.sigmoid(gate)) @ self.out


class Fused(eqx.Module):
    """Queries, keys and values by one layer, as many heads as its size has room for."""

    qkv: jax.Array
    scale: jax.Array
    out: jax.Array

    def __init__(self):
        self.qkv = jax.random.normal(KEYS[0], (16, 3 * 20))
        self.scale = jnp.ones(5)  # of each of a head's numbers, four heads
        self.out = jax.random.normal(KEYS[1], (20, 16))

    def __call__(self, x):
        heads = [y.reshape(len(x), -1, 5) for y in jnp.split(x @ self.qkv, 3, axis=-1)]
        query, key, value = heads
        logits = jnp.einsum("qhd,khd->hqk", query * self.scale[None, None], key)
        mixed = jnp.einsum("hqk,khd->qhd", jax.nn.softmax(logits), value)
        return x + mixed.reshape(len(x), -1) @ self.out


class Twice(eqx.Module):
    """One array at two places of the model, which stays one in what is cut."""

    first: jax.Array
    second: jax.Array

    def __init__(self):
        self.first = self.second = jax.random.normal(KEYS[0], (16, 16))

    def __call__(self, x):
        return jnp.tanh(x @ self.first) @ self.second


class Groups(eqx.Module):
    """Grouped convolutions: as in ResNeXt, and depthwise with two outputs a channel."""

    up: eqx.nn.Conv2d
    mixed: eqx.nn.Conv2d
    two: eqx.nn.Conv2d
    head: eqx.nn.Linear

    def __init__(self):
        self.up, self.mixed = conv(3, 12, 0, 1), conv(12, 20, 1, groups=4)
        self.two, self.head = conv(20, 40, 2, groups=20), linear(40, 5, 3)

    def __call__(self, x):
        x = jax.nn.relu(self.mixed(jax.nn.relu(self.up(x))))
        return self.head(jax.nn.relu(self.two(x)).mean(axis=(1, 2)))


class GroupNormalised(eqx.Module):
    """Channels normalised in groups, which go whole: their number is beside the arrays."""

    conv: eqx.nn.Conv2d
    norm: eqx.nn.GroupNorm
    head: eqx.nn.Linear

    def __init__(self):
        self.conv, self.norm = conv(3, 12, 0), eqx.nn.GroupNorm(4, 12)
        self.head = linear(12, 5, 1)

    def __call__(self, x):
        return self.head(jax.nn.relu(self.norm(self.conv(x))).mean(axis=(1, 2)))


class Indexed(eqx.Module):
    """Queries, keys and values by one layer, told apart by an index; heads are a number."""

    qkv: eqx.nn.Linear
    out: eqx.nn.Linear
    heads: int = eqx.field(static=True)

    def __init__(self):
        self.qkv, self.out, self.heads = linear(16, 60, 0), linear(20, 16, 1), 4

    def __call__(self, x):
        query, key, value = (
            jax.vmap(self.qkv)(x).reshape(len(x), 3, self.heads, -1)[:, part] for part in range(3)
        )
        mixed = jax.nn.dot_product_attention(query, key, value)
        return x + jax.vmap(self.out)(mixed.reshape(len(x), -1))


class Shared(eqx.Module):
    """Keys and values that several heads share, as in Llama."""

    q: eqx.nn.Linear
    k: eqx.nn.Linear
    v: eqx.nn.Linear
    out: eqx.nn.Linear
    heads: int = eqx.field(static=True)
    shared: int = eqx.field(static=True)

    def __init__(self):
        self.q, self.k, self.v = linear(16, 30, 0), linear(16, 15, 1), linear(16, 15, 2)
        self.out, self.heads, self.shared = linear(30, 16, 3), 6, 3

    def __call__(self, x):
        query = jax.vmap(self.q)(x).reshape(len(x), self.heads, -1)
        key, value = (
            jnp.repeat(jax.vmap(layer)(x).reshape(len(x), self.shared, -1), 2, axis=1)
            for layer in (self.k, self.v)
        )
        logits = jnp.einsum("qhd,khd->hqk", query, key)
        mixed = jnp.einsum("hqk,khd->qhd", jax.nn.softmax(logits), value)
        return x + jax.vmap(self.out)(mixed.reshape(len(x), -1))


class Recurrent(eqx.Module):
    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear

    def __init__(self):
        self.cell, self.head = eqx.nn.GRUCell(16, 12, key=KEYS[0]), linear(12, 3, 1)

    def __call__(self, x):
        start = jnp.zeros(self.cell.hidden_size)
        return self.head(jax.lax.scan(lambda h, x: (self.cell(x, h), None), start, x)[0])


class Scanned(eqx.Module):
    """Blocks whose weights are stacked, as loops over layers have them."""

    up: jax.Array
    down: jax.Array

    def __init__(self):
        self.up = jax.random.normal(KEYS[0], (3, 16, 12)) / 4
        self.down = jax.random.normal(KEYS[1], (3, 12, 16)) / 4

    def __call__(self, x):
        def block(x, weights):
            up, down = weights
            return x + jnp.tanh(x @ up) @ down, x.sum()

        return jax.lax.scan(block, x, (self.up, self.down))[0]


WORDS = jnp.array([1, 5, 7])
MODELS = {
    "perceptron": (Perceptron, TOKENS, {"layers[0].weight axis 0", "layers[1].weight axis 0"}),
    "residual": (Residual, IMAGE, {"stem.weight axis 0", "up.weight axis 0"}),
    "joined": (Joined, IMAGE, {f"{name}.weight axis 0" for name in ("one", "two", "three")}),
    "transformer": (
        Transformer,
        TOKENS,
        {"attention.query_proj.weight axis 0", "up.weight axis 0"},
    ),
    "tied": (Tied, WORDS, {"table axis 1", "into.weight axis 0"}),
    "halves": (Halves, TOKENS, {"both axis 1"}),
    "fused": (Fused, TOKENS, {"qkv axis 1"}),
    "groups": (Groups, IMAGE, {"up.weight axis 0"}),
    "group norm": (GroupNormalised, IMAGE, {"conv.weight axis 0"}),
    "indexed": (Indexed, TOKENS, {"qkv.weight axis 0"}),
    "shared": (Shared, TOKENS, {"q.weight axis 0"}),
    "recurrent": (Recurrent, TOKENS, {"cell.weight_ih axis 0"}),
    "scanned": (Scanned, TOKENS, {"up axis 2"}),
}


def free(model, *args, **settings):
    return {g.name: g for g in channel_groups(model, *args, **settings) if not g.kept}


def by_hand(model, groups, masks):
    """The model with zeros wherever a channel that is left out has numbers."""
    for name, mask in masks.items():
        for member in groups[name].members:
            keys = member.path.replace("]", "").replace("[", ".").lstrip(".").split(".")

            def where(tree, keys=keys):
                for key in keys:
                    tree = tree[int(key)] if key.isdigit() else getattr(tree, key)
                return tree

            leaf = np.moveaxis(np.array(where(model)), member.axis, 0)
            for outer in range(member.outer):
                for channel in np.flatnonzero(~mask):
                    at = member.start + (outer * len(mask) + channel) * member.inner
                    leaf[at : at + member.inner] = 0
            model = eqx.tree_at(where, model, jnp.asarray(np.moveaxis(leaf, 0, member.axis)))
    return model


@pytest.mark.parametrize("name", MODELS)
def test_the_groups_are_found_and_no_others(name):
    kind, x, expected = MODELS[name]
    assert set(free(kind(), x)) == expected


@eqx.filter_jit  # one program compiles sooner than each of its operations for new shapes
def called(model, x):
    return model(x)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", MODELS)
def test_a_smaller_model_computes_what_the_one_with_zeros_does(name, seed):
    kind, x, _ = MODELS[name]
    model, random = kind(), np.random.default_rng(seed)
    groups = free(model, x)
    masks = {n: np.arange(g.size) != random.integers(g.size) for n, g in groups.items()}
    masks = {n: mask & (random.random(len(mask)) < 0.8) | (np.arange(len(mask)) == 1)
             for n, mask in masks.items()}  # fmt: skip
    found = slim(model, masks, x).model
    computed, expected, whole = (
        np.asarray(called(each, x)) for each in (found, by_hand(model, groups, masks), model)
    )
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(computed, expected, rtol=2e-4, atol=2e-5)
    sizes = [
        sum(a.size for a in jax.tree.leaves(eqx.filter(m, eqx.is_array))) for m in (found, model)
    ]
    assert sizes[0] < sizes[1]
    assert not np.allclose(computed, whole, rtol=1e-3)


def test_what_is_cut_in_parts_lies_in_every_part():
    [group] = free(Fused(), TOKENS).values()
    places = [(m.path, m.axis, m.start, m.inner) for m in group.members]
    assert group.size == 4
    assert places == [(".qkv", 1, 0, 5), (".qkv", 1, 20, 5), (".qkv", 1, 40, 5), (".out", 0, 0, 5)]
    [halves] = free(Halves(), TOKENS).values()
    assert [(m.path, m.start) for m in halves.members] == [(".both", 0), (".both", 10), (".out", 0)]


def test_an_array_at_two_places_is_cut_as_one():
    assert not free(Twice(), TOKENS)  # its inputs are the model's


def test_a_flax_nnx_model_by_its_state():
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.up, self.down = nnx.Linear(16, 12, rngs=rngs), nnx.Linear(12, 4, rngs=rngs)

        def __call__(self, x):
            return self.down(jax.nn.relu(self.up(x)))

    graph, state = nnx.split(Net(nnx.Rngs(0)))

    def call(state, x):
        return nnx.merge(graph, state)(x)

    [name] = free(state, TOKENS, call=call)
    mask = np.arange(12) % 2 == 0
    found = slim(state, {name: mask}, TOKENS, call=call)
    up, down = state["up"], state["down"]
    kernel, bias = up["kernel"][...][:, mask], up["bias"][...][mask]
    hidden = jax.nn.relu(TOKENS @ kernel + bias[None])
    expected = hidden @ down["kernel"][...][mask] + down["bias"][...][None]
    np.testing.assert_allclose(call(found.model, TOKENS), expected, rtol=1e-5, atol=1e-6)


def test_sizes_beside_the_arrays_follow():
    found = slim(Residual(), {"stem.weight axis 0": 5, "up.weight axis 0": 7}, IMAGE).model
    assert (found.depthwise.groups, found.depthwise.in_channels) == (7, 7)
    assert (found.stem.out_channels, found.up.in_channels, found.head.in_features) == (5, 5, 5)
    heads = slim(Transformer(), {"attention.query_proj.weight axis 0": 3}, TOKENS).model.attention
    assert heads.num_heads == 3
    assert heads.query_proj.weight.shape == (12, 16)


def test_by_number_those_with_the_largest_numbers_stay():
    model = Perceptron()
    weak = model.layers[0].weight.at[jnp.array([3, 7])].multiply(1e-3)
    model = eqx.tree_at(lambda m: m.layers[0].weight, model, weak)
    weak = model.layers[1].weight.at[:, jnp.array([3, 7])].multiply(1e-3)
    model = eqx.tree_at(lambda m: m.layers[1].weight, model, weak)
    found = slim(model, {"layers[0].weight axis 0": 10}, TOKENS)
    assert found.cuts[".layers[0].weight"][0].tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10, 11]


def test_the_state_of_an_optimizer_is_cut_alike_and_goes_on():
    model, optimizer = Residual(), optax.adamw(1e-2)

    def loss(model):
        return jnp.sum(model(IMAGE) ** 2)

    state = optimizer.init(eqx.filter(model, eqx.is_array))
    gradient = eqx.filter_grad(loss)(model)
    _, state = optimizer.update(gradient, state, eqx.filter(model, eqx.is_array))
    mask = np.arange(12) % 3 > 0
    found = slim(model, {"up.weight axis 0": mask}, IMAGE)
    smaller = found.alike(state)
    np.testing.assert_array_equal(smaller[0].mu.up.weight, state[0].mu.up.weight[mask])
    np.testing.assert_array_equal(smaller[0].nu.down.weight, state[0].nu.down.weight[:, mask])
    gradient = eqx.filter_grad(loss)(found.model)
    updates, _ = optimizer.update(gradient, smaller, eqx.filter(found.model, eqx.is_array))
    assert loss(eqx.apply_updates(found.model, updates)) < loss(found.model)
    wrong = eqx.tree_at(lambda s: s[0].mu.up.weight, state, jnp.ones((3, 3)))
    with pytest.raises(ValueError, match=r"the array at \[0\].mu.up.weight = \(3, 3\)"):
        found.alike(wrong)


def test_a_batch_norm_with_its_state():
    class Net(eqx.Module):
        conv: eqx.nn.Conv2d
        norm: eqx.nn.BatchNorm
        head: eqx.nn.Linear

        def __call__(self, x, state):
            x, state = self.norm(self.conv(x), state)
            return self.head(jax.nn.relu(x).mean(axis=(1, 2))), state

    net, state = eqx.nn.make_with_state(
        lambda: Net(conv(3, 8, 0), eqx.nn.BatchNorm(8, "batch", mode="batch"), linear(8, 4, 1))
    )()
    net = eqx.nn.inference_mode(net)
    images = jax.random.normal(KEYS[5], (4, *IMAGE.shape))

    def call(both, x):
        of_one = jax.vmap(both[0], axis_name="batch", in_axes=(0, None), out_axes=(0, None))
        return of_one(x, both[1])[0]

    found = slim((net, state), {"[0].conv.weight axis 0": 5}, images, call=call)
    assert found.model[0].norm.weight.shape == (5,)
    assert call(found.model, images).shape == (4, 4)


class Normalised(eqx.Module):
    up: eqx.nn.Linear
    norm: eqx.nn.LayerNorm
    down: eqx.nn.Linear

    def __init__(self):
        self.up, self.norm, self.down = linear(16, 12, 0), eqx.nn.LayerNorm(12), linear(12, 3, 1)

    def __call__(self, x):
        return jax.vmap(lambda row: self.down(self.norm(self.up(row))))(x)


class Counted(eqx.Module):
    """Divides by how many channels there are, which no trace shows."""

    up: eqx.nn.Linear
    down: eqx.nn.Linear

    def __init__(self):
        self.up, self.down = linear(16, 12, 0), linear(12, 3, 1)

    def __call__(self, x):
        hidden = jax.vmap(self.up)(x)
        return jax.vmap(self.down)(hidden / hidden.shape[-1])


class Fixed(Counted):
    """Has its size in the code."""

    def __call__(self, x):
        return jax.vmap(self.down)(jax.vmap(self.up)(x) + jnp.zeros(12)[None])


class Looped(Counted):
    def __call__(self, x):
        hidden = jax.vmap(self.up)(x)
        hidden = jax.lax.while_loop(lambda h: jnp.sum(h) > 9.0, jnp.tanh, hidden)
        return jax.vmap(self.down)(hidden)


@pytest.mark.parametrize(
    ("model", "keep", "words"),
    [
        (Normalised, {"up.weight axis 0": 6}, "reduce_sum runs over it, as a normalisation does"),
        (Counted, {"up.weight axis 0": 6}, "something depends on how many channels there are"),
        (Fixed, {"up.weight axis 0": 6}, "the smaller model does not run; a size is fixed"),
        (Looped, {"up.weight axis 0": 6}, "primitive while is not understood"),
        (Perceptron, {"layers[2].weight axis 0": 2}, "the output has it"),
        (Perceptron, {"layers[0].weight axis 1": 2}, "an input has it"),
        (Perceptron, {"layer[0].weight axis 0": 2}, "did you mean 'layers[0].weight axis 0'"),
        (Perceptron, {"layers[0].weight axis 0": 0}, "give 1 to 12 channels"),
        (Perceptron, {"layers[0].weight axis 0": [True] * 11}, "12 truth values"),
        (Perceptron, {"layers[0].weight axis 0": [False] * 12}, "one or more of them True"),
        (Perceptron, {"layers[0].weight axis 0": [1] * 12}, "12 truth values"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_reason(model, keep, words):
    with pytest.raises(ValueError, match=words.translate({ord(c): f"\\{c}" for c in "[]()"})):
        slim(model(), keep, TOKENS)


def test_numbers_beside_the_arrays_follow_and_so_they_do_in_an_optimizers_state():
    model, optimizer = Indexed(), optax.adam(1e-2)
    found = slim(model, {"qkv.weight axis 0": [True, False, True, True]}, TOKENS)
    assert (found.model.heads, model.heads) == (3, 4)
    assert found.model.qkv.weight.shape == (45, 16)
    smaller = found.alike(optimizer.init(eqx.filter(model, eqx.is_array)))
    expected = optimizer.init(eqx.filter(found.model, eqx.is_array))
    assert jax.tree.structure(smaller) == jax.tree.structure(expected)
    few = slim(GroupNormalised(), {"conv.weight axis 0": 2}, IMAGE).model.norm
    assert (few.groups, few.channels) == (2, 6)
    groups = slim(Groups(), {"up.weight axis 0": 3}, IMAGE).model
    assert (groups.mixed.groups, groups.two.groups, groups.two.out_channels) == (3, 15, 30)


def test_a_loop_over_layers_keeps_its_length():
    reasons = {g.name: g.kept for g in channel_groups(Scanned(), TOKENS)}
    assert reasons["up axis 0"] == "a loop runs over it"


def test_what_one_pass_of_a_loop_leaves_to_the_next_is_of_the_same_channels():
    [cell] = free(Recurrent(), TOKENS).values()
    places = [(m.path, m.axis, m.start) for m in cell.members]
    assert (".cell.weight_hh", 1, 0) in places  # what goes in
    assert [p for p in places if p[:2] == (".cell.weight_hh", 0)] == [
        (".cell.weight_hh", 0, start) for start in (0, 12, 24)
    ]


def test_a_flax_nnx_module_with_its_heads_and_groups():
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.mix = nnx.MultiHeadAttention(4, 16, 24, rngs=rngs, decode=False)
            self.up = nnx.Conv(16, 12, (3,), rngs=rngs)
            self.each = nnx.Conv(12, 12, (3,), feature_group_count=12, rngs=rngs)
            self.down = nnx.Linear(12, 5, rngs=rngs)

        def __call__(self, x):
            return self.down(nnx.relu(self.each(nnx.relu(self.up(x + self.mix(x))))))

    net, x = Net(nnx.Rngs(0)), TOKENS[None]
    heads = next(name for name in free(net, x) if ".mix" in f".{name}" and "axis 0" in name)
    channels = next(n for n in free(net, x) if n.startswith("down"))
    found = slim(net, {heads: 3, channels: 7}, x).model
    assert (found.mix.num_heads, net.mix.num_heads) == (3, 4)
    assert found.mix.query.kernel.shape == (16, 3, 6)
    assert found.each.feature_group_count == 7
    assert found(x).shape == (1, 6, 5)


def test_what_this_input_does_not_reach_is_kept_for_others():
    class Places(eqx.Module):
        one: jax.Array
        two: jax.Array

        def __call__(self, x):
            return x + (self.one + self.two)[: len(x)]

    places = Places(jnp.ones((20, 16)), jnp.ones((20, 16)))
    reasons = {g.name: g.kept for g in channel_groups(places, TOKENS)}
    assert reasons["one axis 0 from 6"] == "no product sums over it"
    assert all(reasons.values())


def test_nothing_is_cut_where_all_stays_and_the_model_is_not_changed():
    model = Perceptron()
    found = slim(model, {"layers[0].weight axis 0": 12}, jax.ShapeDtypeStruct((6, 16), jnp.float32))
    assert not found.cuts
    slim(model, {"layers[0].weight axis 0": 4}, TOKENS)
    assert model.layers[0].weight.shape == (12, 16)

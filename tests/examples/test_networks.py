"""The networks of examples/: published numbers of parameters, FLOPs by hand, and that they run."""

import importlib
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import jaxcost as jc

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(monkeypatch):
    """`module:attribute` of the folder."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def found(name):
        module, _, attribute = name.partition(":")
        pytest.importorskip("flax" if "flax" in module else "equinox")
        return getattr(importlib.import_module(module), attribute)

    with jax.numpy_rank_promotion("allow"):  # as frameworks themselves do
        yield found


def shapes_of(builder):
    """The network without its weights, which to draw takes most of the time."""
    if "nnx" in builder.__module__:
        from flax import nnx

        return nnx.eval_shape(builder)
    return eqx.filter_eval_shape(builder) if "equinox" in builder.__module__ else builder()


def encoder(tokens, width, layers):
    """FLOPs of a transformer's layers: 12 width² weights, and two products of attention."""
    return layers * (2 * tokens * 12 * width**2 + 4 * tokens**2 * width)


def bottlenecks(*blocks):
    """FLOPs of a ResNet's convolutions and head for 224x224, the stride in the first 1x1."""
    total, c_in, side = 112**2 * 49 * 3 * 64, 64, 56
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        side = 56 // 2**stage
        total += count * side**2 * (9 * width**2 + 4 * width**2)
        total += side**2 * (c_in * width + c_in * 4 * width)  # the first block, and its shortcut
        total += (count - 1) * side**2 * 4 * width**2
        c_in = 4 * width
    return 2 * (total + c_in * 1000)


# Parameters as published by torchvision, DeiT, BERT and GPT-2's authors; FLOPs by hand.
NETWORKS = {
    "resnet_flax_nnx:resnet50": ((1, 224, 224, 3), 25_557_032, bottlenecks(3, 4, 6, 3)),
    "resnet_flax_nnx:resnet152": ((1, 224, 224, 3), 60_192_808, bottlenecks(3, 8, 36, 3)),
    "transformers_equinox:vit_s16": (
        (1, 3, 224, 224), 22_050_664,
        encoder(197, 384, 12) + 2 * 384 * (196 * 768 + 1000),
    ),
    "transformers_equinox:vit_b16": (
        (1, 3, 224, 224), 86_567_656,
        encoder(197, 768, 12) + 2 * 768 * (196 * 768 + 1000),
    ),
    "transformers_equinox:vit_l16_384": (
        (1, 3, 384, 384), 304_715_752,
        encoder(577, 1024, 24) + 2 * 1024 * (576 * 768 + 1000),
    ),
    "bert_flax_linen:bert_base": (
        (1, 128), 109_482_240, encoder(128, 768, 12) + 2 * 768**2,
    ),
    "bert_flax_linen:bert_large": (
        (1, 128), 335_141_888, encoder(128, 1024, 24) + 2 * 1024**2,
    ),
    "transformers_equinox:gpt2": (
        (1, 128), 124_439_808, encoder(128, 768, 12) + 2 * 128 * 768 * 50257,
    ),
    "transformers_equinox:gpt2_xl": (
        (1, 1024), 1_557_611_200, encoder(1024, 1600, 48) + 2 * 1024 * 1600 * 50257,
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # frameworks warn of each other's deprecations
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_its_published_parameters_and_flops_by_hand(name, example):
    shape, parameters, flops = NETWORKS[name]
    kind = jnp.int32 if len(shape) == 2 else jnp.float32
    found = jc.count(shapes_of(example(name)), jax.ShapeDtypeStruct(shape, kind))
    assert (found.parameters, found.flops) == (parameters, flops)
    assert found.unknown == ()


@pytest.mark.filterwarnings("ignore")
def test_shapes_alone_count_as_the_weights_do(example):
    vit = example("transformers_equinox:vit_s16")
    images = jax.ShapeDtypeStruct((1, 3, 224, 224), jnp.float32)
    whole, shapes = jc.count(vit(), images), jc.count(shapes_of(vit), images)
    assert (whole.parameters, whole.flops) == (shapes.parameters, shapes.flops)


@pytest.mark.filterwarnings("ignore")
def test_a_small_vit_runs(example):
    vit = example("transformers_equinox:ViT")(48, 2, 3, side=64, key=jax.random.key(0))
    assert vit(jnp.ones((2, 3, 64, 64))).shape == (2, 1000)


@pytest.mark.filterwarnings("ignore")
def test_gpt_2_sees_nothing_of_later_tokens(example):
    gpt2 = example("transformers_equinox:GPT2")(48, 2, 3, vocabulary=100, key=jax.random.key(0))
    tokens = jnp.arange(8)[None]
    before, after = gpt2(tokens), gpt2(tokens.at[0, -1].set(99))
    assert jnp.allclose(before[:, :-1], after[:, :-1])
    assert not jnp.allclose(before[:, -1], after[:, -1])

"""ViT and GPT-2 in Equinox, made of the same block.

In this folder: jaxcost count transformers_equinox:vit_b16 --call --input f32[1,3,224,224]
                jaxcost count transformers_equinox:gpt2_xl --call --input i32[1,1024]

The large ones are built as shapes alone, which is all that counting needs.

Source: Dosovitskiy et al. (2020), An image is worth 16x16 words; Radford et al. (2019), Language
models are unsupervised multitask learners.
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox import nn


class Block(eqx.Module):
    """Attention, then a feed-forward network, each of what was normalised before."""

    norm_1: nn.LayerNorm
    qkv: nn.Linear
    out: nn.Linear
    norm_2: nn.LayerNorm
    up: nn.Linear
    down: nn.Linear
    heads: int = eqx.field(static=True)
    causal: bool = eqx.field(static=True)

    def __init__(self, width: int, heads: int, causal: bool, key: jax.Array) -> None:
        keys = jax.random.split(key, 4)
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, key=keys[0])
        self.out = nn.Linear(width, width, key=keys[1])
        self.up = nn.Linear(width, 4 * width, key=keys[2])
        self.down = nn.Linear(4 * width, width, key=keys[3])
        self.heads, self.causal = heads, causal

    def __call__(self, x: jax.Array) -> jax.Array:
        tokens = len(x)
        qkv = jax.vmap(self.qkv)(jax.vmap(self.norm_1)(x)).reshape(tokens, 3, self.heads, -1)
        q, k, v = (qkv[:, part] for part in range(3))
        mixed = jax.nn.dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + jax.vmap(self.out)(mixed.reshape(tokens, -1))
        inside = jax.nn.gelu(jax.vmap(self.up)(jax.vmap(self.norm_2)(x)))
        return x + jax.vmap(self.down)(inside)


def _blocks(layers: int, width: int, heads: int, causal: bool, key: jax.Array) -> list[Block]:
    return [Block(width, heads, causal, k) for k in jax.random.split(key, layers)]


class ViT(eqx.Module):
    """Logits, shape `(batch, classes)`, of images `(batch, 3, side, side)`."""

    patches: nn.Conv2d
    first: jax.Array
    places: jax.Array
    blocks: list[Block]
    norm: nn.LayerNorm
    head: nn.Linear

    def __init__(
        self, width: int, layers: int, heads: int, side: int = 224, patch: int = 16,
        classes: int = 1000, *, key: jax.Array,
    ) -> None:  # fmt: skip
        keys = jax.random.split(key, 4)
        self.patches = nn.Conv2d(3, width, patch, patch, key=keys[0])
        self.first = jnp.zeros((1, width))
        self.places = 0.02 * jax.random.normal(keys[1], ((side // patch) ** 2 + 1, width))
        self.blocks = _blocks(layers, width, heads, False, keys[2])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes, key=keys[3])

    def __call__(self, images: jax.Array) -> jax.Array:
        return jax.vmap(self._one)(images)

    def _one(self, image: jax.Array) -> jax.Array:
        patches = self.patches(image)
        x = patches.reshape(patches.shape[0], -1).T
        x = jnp.concatenate([self.first, x]) + self.places
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[0]))


class GPT2(eqx.Module):
    """Logits, shape `(batch, tokens, vocabulary)`, of tokens' numbers; embeddings are tied."""

    words: nn.Embedding
    places: nn.Embedding
    blocks: list[Block]
    norm: nn.LayerNorm

    def __init__(
        self, width: int, layers: int, heads: int, vocabulary: int = 50257, longest: int = 1024,
        *, key: jax.Array,
    ) -> None:  # fmt: skip
        keys = jax.random.split(key, 3)
        self.words = nn.Embedding(vocabulary, width, key=keys[0])
        self.places = nn.Embedding(longest, width, key=keys[1])
        self.blocks = _blocks(layers, width, heads, True, keys[2])
        self.norm = nn.LayerNorm(width)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        return jax.vmap(self._one)(tokens)

    def _one(self, tokens: jax.Array) -> jax.Array:
        x = self.words.weight[tokens] + self.places.weight[: len(tokens)]
        for block in self.blocks:
            x = block(x)
        return jax.vmap(self.norm)(x) @ self.words.weight.T


def vit_s16() -> ViT:
    """22 M parameters; 9.2 GFLOP for an image of 224x224."""
    return ViT(384, 12, 6, key=jax.random.key(0))


def vit_b16() -> ViT:
    """87 M parameters; 35.1 GFLOP for an image of 224x224."""
    return ViT(768, 12, 12, key=jax.random.key(0))


def vit_b16_384() -> ViT:
    """Of shapes alone; 111 GFLOP for an image of 384x384."""
    return eqx.filter_eval_shape(partial(ViT, 768, 12, 12, 384), key=jax.random.key(0))


def vit_l16_384() -> ViT:
    """Of shapes alone; 382 GFLOP for an image of 384x384."""
    return eqx.filter_eval_shape(partial(ViT, 1024, 24, 16, 384), key=jax.random.key(0))


def gpt2() -> GPT2:
    """124 M parameters; 32 GFLOP for 128 tokens."""
    return GPT2(768, 12, 12, key=jax.random.key(0))


def gpt2_xl() -> GPT2:
    """Of shapes alone; 1,558 M parameters, 3.5 TFLOP for 1,024 tokens."""
    return eqx.filter_eval_shape(partial(GPT2, 1600, 48, 25), key=jax.random.key(0))

"""BERT's encoder with its pooler in Flax Linen.

In this folder: jaxcost count bert_flax_linen:bert_base --call --input i32[1,128]

Source: Devlin, Chang, Lee, Toutanova (2018), BERT: pre-training of deep bidirectional transformers.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn


class Block(nn.Module):
    """Attention, then a feed-forward network, each normalised after its shortcut."""

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width = x.shape[-1]
        mixed = nn.MultiHeadDotProductAttention(self.heads, name="attention")(x)
        x = nn.LayerNorm(name="after_attention")(x + mixed)
        inside = nn.gelu(nn.Dense(4 * width, name="up")(x), approximate=False)
        return nn.LayerNorm(name="after_feed_forward")(x + nn.Dense(width, name="down")(inside))


class Bert(nn.Module):
    """Encoded tokens `(batch, tokens, width)` and the pooled first one, of tokens' numbers."""

    width: int
    layers: int
    heads: int
    vocabulary: int = 30522
    longest: int = 512

    @nn.compact
    def __call__(self, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        places, kinds = jnp.arange(tokens.shape[1])[None], jnp.zeros_like(tokens)
        x = nn.Embed(self.vocabulary, self.width, name="words")(tokens)
        x = x + nn.Embed(self.longest, self.width, name="places")(places)
        x = nn.LayerNorm(name="norm")(x + nn.Embed(2, self.width, name="kinds")(kinds))
        for layer in range(self.layers):
            x = Block(self.heads, name=f"layer_{layer}")(x)
        return x, jnp.tanh(nn.Dense(self.width, name="pooler")(x[:, 0]))


def bert_base() -> Bert:
    """109 M parameters; 22.4 GFLOP for 128 tokens."""
    return Bert(width=768, layers=12, heads=12)


def bert_large() -> Bert:
    """335 M parameters; 78.9 GFLOP for 128 tokens."""
    return Bert(width=1024, layers=24, heads=16)

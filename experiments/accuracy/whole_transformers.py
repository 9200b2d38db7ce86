"""The transformers that NeuSight's authors measured, as functions of arrays.

What Hugging Face's `transformers` builds of their configurations with eager attention: GPT-2 and
GPT-3 alike, OPT, and BERT, which has a classifier for inference and a language model's head for
training. Dropout, which only training has, is left out; so is BERT's next-sentence head.
"""

from typing import Any

import jax
import jax.numpy as jnp

Parameters = dict[str, Any]
_EPSILON = 1e-5
_CLASSES = 2


def parameters(row: Any) -> Parameters:
    """Shapes of the weights of a row of NeuSight's table; nothing is allocated."""
    h, ffn, vocab = int(row.hidden), int(row.ffn), int(row.vocab)
    parts: Parameters = {
        "token": _array(vocab, h),
        "position": _array(int(row.seq_len), h),
        "norm": _norm(h),
        "blocks": [_block(h, ffn) for _ in range(int(row.layers))],
    }
    if _is_bert(row):
        parts |= {"kind": _array(h), "transform": _linear(h, h), "head_norm": _norm(h)}
        parts |= {"pooler": _linear(h, h), "classifier": _linear(h, _CLASSES)}
    return parts


def program(row: Any) -> Any:
    """What was timed of a row: the forward pass, or with the gradient of the cross entropy."""

    def loss(weights: Parameters, tokens: jax.Array) -> jax.Array:
        logs = jax.nn.log_softmax(_outputs(weights, tokens, row))
        return -jnp.mean(jnp.take_along_axis(logs, tokens[..., None], -1))

    if row["mode"] == "train":
        return jax.value_and_grad(loss)
    return lambda weights, tokens: _outputs(weights, tokens, row)


def tokens(row: Any) -> jax.ShapeDtypeStruct:
    """The input of a row."""
    return jax.ShapeDtypeStruct((int(row.batch), int(row.seq_len)), jnp.int32)


def _outputs(weights: Parameters, tokens: jax.Array, row: Any) -> jax.Array:
    x = weights["token"][tokens] + weights["position"]
    if not _is_bert(row):
        for block in weights["blocks"]:
            x = x + _attention(_normalised(x, block["before"]), block, row)
            x = x + _feed_forward(_normalised(x, block["after"]), block, row)
        return _normalised(x, weights["norm"]) @ weights["token"].T
    x = _normalised(x + weights["kind"], weights["norm"])
    for block in weights["blocks"]:
        x = _normalised(x + _attention(x, block, row), block["before"])
        x = _normalised(x + _feed_forward(x, block, row), block["after"])
    if row["mode"] == "inf":
        return _dense(jnp.tanh(_dense(x[:, 0], weights["pooler"])), weights["classifier"])
    x = _normalised(_activation(row)(_dense(x, weights["transform"])), weights["head_norm"])
    return x @ weights["token"].T


def _attention(x: jax.Array, block: Parameters, row: Any) -> jax.Array:
    batch, length, hidden = x.shape
    heads = int(row.heads)
    split = (batch, length, heads, hidden // heads)
    query, key, value = (_dense(x, block[name]).reshape(split) for name in ("q", "k", "v"))
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / jnp.sqrt(hidden / heads)
    if not _is_bert(row):
        scores = jnp.where(jnp.tril(jnp.ones((length, length), bool)), scores, -jnp.inf)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), value)
    return _dense(mixed.reshape(x.shape), block["out"])


def _feed_forward(x: jax.Array, block: Parameters, row: Any) -> jax.Array:
    return _dense(_activation(row)(_dense(x, block["up"])), block["down"])


def _activation(row: Any) -> Any:
    if row.architecture.startswith("OPT"):
        return jax.nn.relu
    return lambda x: jax.nn.gelu(x, approximate=not _is_bert(row))


def _normalised(x: jax.Array, norm: tuple[Any, Any]) -> jax.Array:
    centred = x - x.mean(-1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), -1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + _EPSILON) * norm[0] + norm[1]


def _dense(x: jax.Array, linear: tuple[Any, Any]) -> jax.Array:
    return x @ linear[0] + linear[1]


def _block(h: int, ffn: int) -> Parameters:
    block: Parameters = {name: _linear(h, h) for name in ("q", "k", "v", "out")}
    block |= {"up": _linear(h, ffn), "down": _linear(ffn, h)}
    return block | {"before": _norm(h), "after": _norm(h)}


def _linear(inputs: int, outputs: int) -> tuple[Any, Any]:
    return _array(inputs, outputs), _array(outputs)


def _norm(h: int) -> tuple[Any, Any]:
    return _array(h), _array(h)


def _array(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _is_bert(row: Any) -> bool:
    return bool(row.architecture.startswith("Bert"))

"""The zoo's models: which there are, how each is built, and how it is run.

Those of keras.applications, by their names there, and the four of examples/, in Flax and Equinox.
KERAS_BACKEND=jax is set here.
"""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp

_EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

# Name in keras.applications: resolution in pixels.
KERAS = {
    "VGG16": 224, "VGG19": 224, "ResNet50": 224, "ResNet101": 224, "ResNet152": 224,
    "InceptionV3": 299, "InceptionResNetV2": 299, "DenseNet121": 224, "DenseNet169": 224,
    "DenseNet201": 224, "Xception": 299, "MobileNet": 224, "MobileNetV2": 224,
    "EfficientNetB0": 224, "EfficientNetB1": 240, "EfficientNetB2": 260, "EfficientNetB3": 300,
    "EfficientNetB4": 380, "EfficientNetB5": 456, "EfficientNetV2S": 384, "ConvNeXtTiny": 224,
    "ResNet50V2": 224, "ResNet101V2": 224, "EfficientNetV2B0": 224, "EfficientNetV2B1": 240,
    "EfficientNetV2B3": 300, "NASNetMobile": 224, "MobileNetV3Large": 224, "MobileNetV3Small": 224,
}  # fmt: skip

# Name: where it is in examples/, and the shape of one input; 128 tokens where no more is said.
EXAMPLES = {
    "ResNet-50, Flax NNX": ("resnet_flax_nnx:resnet50", (224, 224, 3)),
    "ResNet-152, Flax NNX": ("resnet_flax_nnx:resnet152", (224, 224, 3)),
    "ViT-S/16, Equinox": ("transformers_equinox:vit_s16", (3, 224, 224)),
    "ViT-B/16, Equinox": ("transformers_equinox:vit_b16", (3, 224, 224)),
    "ViT-B/16 at 384, Equinox": ("transformers_equinox:vit_b16_384", (3, 384, 384)),
    "ViT-L/16 at 384, Equinox": ("transformers_equinox:vit_l16_384", (3, 384, 384)),
    "BERT-Base, Flax Linen": ("bert_flax_linen:bert_base", (128,)),
    "BERT-Large, Flax Linen": ("bert_flax_linen:bert_large", (128,)),
    "GPT-2, Equinox": ("transformers_equinox:gpt2", (128,)),
    "GPT-2 XL at 1,024 tokens, Equinox": ("transformers_equinox:gpt2_xl", (1024,)),
}
# Those that are small enough to be timed here.
TIMED = (
    *KERAS, "ResNet-50, Flax NNX", "ViT-S/16, Equinox", "ViT-B/16, Equinox",
    "BERT-Base, Flax Linen", "GPT-2, Equinox",
)  # fmt: skip

Run = Callable[[Any, jax.Array], Any]


def build(name: str) -> Any:
    """A model of either list, with random weights."""
    if name in KERAS:
        import keras

        keras.utils.clear_session()
        side = KERAS[name]
        return getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3))
    if str(_EXAMPLES) not in sys.path:
        sys.path.insert(0, str(_EXAMPLES))
    module, _, attribute = EXAMPLES[name][0].partition(":")
    return getattr(importlib.import_module(module), attribute)()


def inputs(name: str, batch: int) -> jax.ShapeDtypeStruct:
    """The shape and type of a batch of a model's inputs."""
    if name in KERAS:
        return jax.ShapeDtypeStruct((batch, KERAS[name], KERAS[name], 3), jnp.float32)
    one = EXAMPLES[name][1]
    return jax.ShapeDtypeStruct((batch, *one), jnp.int32 if len(one) == 1 else jnp.float32)


def sample(name: str, batch: int) -> jax.Array:
    """A batch of random inputs."""
    shape, key = inputs(name, batch), jax.random.key(0)
    if shape.dtype == jnp.int32:
        return jax.random.randint(key, shape.shape, 0, 30000)
    return jax.random.uniform(key, shape.shape)


def runnable(model: Any, x: jax.Array) -> tuple[Run, Any]:
    """A model as a function of its values and an input, and the values."""
    kind = type(model).__mro__
    modules = {base.__module__.split(".")[0] for base in kind}
    if "keras" in modules:
        values = [[v.value for v in part] for part in _keras_variables(model)]
        return lambda v, x: model.stateless_call(*v, x, training=False)[0], values
    if "equinox" in modules:
        import equinox as eqx

        arrays, rest = eqx.partition(model, eqx.is_array)
        return lambda v, x: eqx.combine(v, rest)(x), arrays
    from flax import linen, nnx

    if isinstance(model, linen.Module):
        return model.apply, model.init(jax.random.key(0), x)
    graph, state = nnx.split(model)
    return lambda v, x: nnx.merge(graph, v)(x), state


def _keras_variables(model: Any) -> tuple[list[Any], list[Any]]:
    return model.trainable_variables, model.non_trainable_variables

"""ResNets with bottlenecks in Flax NNX, as published: a block's first convolution has the stride.

In this folder: jaxcost count resnet_flax_nnx:resnet50 --call --input f32[1,224,224,3]

Source: He, Zhang, Ren, Sun (2015), Deep residual learning for image recognition, table 1.
"""

import jax
import jax.numpy as jnp
from flax import nnx


class Convolution(nnx.Module):
    """A convolution without a bias, and normalisation with the running averages."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, rngs: nnx.Rngs) -> None:
        size = (kernel, kernel)
        self.conv = nnx.Conv(c_in, c_out, size, strides=stride, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(c_out, use_running_average=True, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.norm(self.conv(x))


class Bottleneck(nnx.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut."""

    def __init__(self, c_in: int, width: int, stride: int, rngs: nnx.Rngs) -> None:
        self.narrow = Convolution(c_in, width, 1, stride, rngs)
        self.middle = Convolution(width, width, 3, 1, rngs)
        self.widen = Convolution(width, 4 * width, 1, 1, rngs)
        same = c_in == 4 * width and stride == 1
        self.shortcut = None if same else Convolution(c_in, 4 * width, 1, stride, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.widen(nnx.relu(self.middle(nnx.relu(self.narrow(x)))))
        return nnx.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(nnx.Module):
    """Logits, shape `(batch, classes)`, of images `(batch, height, width, 3)`."""

    def __init__(self, blocks: tuple[int, ...], rngs: nnx.Rngs, classes: int = 1000) -> None:
        self.stem = Convolution(3, 64, 7, 2, rngs)
        found, channels = [], 64
        for stage, count in enumerate(blocks):
            width = 64 * 2**stage
            for place in range(count):
                stride = 2 if stage > 0 and place == 0 else 1
                found.append(Bottleneck(channels, width, stride, rngs))
                channels = 4 * width
        self.blocks = nnx.List(found)
        self.head = nnx.Linear(channels, classes, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        x = nnx.relu(self.stem(images))
        x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding="SAME")
        for block in self.blocks:
            x = block(x)
        return self.head(jnp.mean(x, axis=(1, 2)))


def resnet50() -> ResNet:
    """25.6 M parameters; 7.7 GFLOP for an image of 224x224."""
    return ResNet((3, 4, 6, 3), nnx.Rngs(0))


def resnet152() -> ResNet:
    """60.2 M parameters; 22.6 GFLOP for an image of 224x224."""
    return ResNet((3, 8, 36, 3), nnx.Rngs(0))

"""EfficientNet-Lite0: class probabilities over the 1000 classes of ImageNet.

Reference: Tan and Le, 2019, arXiv:1905.11946, without squeeze-and-excitation and with
ReLU6 ("Lite").
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from gan.features import FeatureNetwork
from gan.folded_convolution import (
    FoldedConvolution,
    FoldedDepthwise,
    fold,
    to_rgb,
)
from gan.weights import read_weights

IMAGE_SIZE = 224
NUM_FEATURES = 1280
NUM_CLASSES = 1000
_EPSILON = 1e-3
_BATCH_SIZE = 50


class Block(NamedTuple):
    """One inverted bottleneck.

    Attributes:
      channels: of its output.
      window: side of its depthwise kernel.
      stride: of that kernel.
      expansion: channels inside it over channels of its input.
    """

    channels: int
    window: int
    stride: int
    expansion: int


def _stage(num: int, channels: int, window: int, stride: int, expansion: int = 6):
    first = Block(channels, window, stride, expansion)
    return [first] + [first._replace(stride=1)] * (num - 1)


BLOCKS = (
    *_stage(1, 16, 3, 1, expansion=1),
    *_stage(2, 24, 3, 2),
    *_stage(2, 40, 5, 2),
    *_stage(3, 80, 3, 2),
    *_stage(3, 112, 5, 1),
    *_stage(4, 192, 5, 2),
    *_stage(1, 320, 3, 1),
)


def relu6(x: jax.Array) -> jax.Array:
    """Clips `x` to 0..6."""
    return jnp.clip(x, 0, 6)


def _folded(tensors: Mapping[str, np.ndarray], kernel: str, norm: str):
    parts = ("running_mean", "running_var", "bias", "weight")
    statistics = [tensors[f"{norm}.{part}"] for part in parts]
    return fold(tensors[f"{kernel}.weight"], *statistics, _EPSILON)


class _Bottleneck(nnx.Module):
    def __init__(self, block: Block, name: str, channels: int, tensors):
        def folded(kernel, norm):
            return _folded(tensors, f"{name}.{kernel}", f"{name}.{norm}")

        self.expands = block.expansion > 1
        if self.expands:
            self.expand = FoldedConvolution(*folded("_expand_conv", "_bn0"))
        self.depthwise = FoldedDepthwise(
            *folded("_depthwise_conv", "_bn1"), stride=block.stride
        )
        self.project = FoldedConvolution(*folded("_project_conv", "_bn2"))
        self.skip = block.stride == 1 and channels == block.channels

    def __call__(self, images: jax.Array) -> jax.Array:
        x = relu6(self.expand(images)) if self.expands else images
        x = self.project(relu6(self.depthwise(x)))
        return x + images if self.skip else x


class EfficientNetLite0(nnx.Module):
    """Images to features and class logits, batch normalisation folded in."""

    def __init__(self, tensors: Mapping[str, np.ndarray]):
        """Takes the weights.

        Args:
          tensors: the published file's, kernels [out, in, y, x].
        """
        stem = _folded(tensors, "_conv_stem", "_bn0")
        self.stem = FoldedConvolution(*stem, stride=2)
        channels = 32
        for i, block in enumerate(BLOCKS):
            bottleneck = _Bottleneck(block, f"_blocks.{i}", channels, tensors)
            setattr(self, f"block_{i}", bottleneck)
            channels = block.channels
        self.head = FoldedConvolution(*_folded(tensors, "_conv_head", "_bn1"))
        self.kernel = nnx.Param(tensors["_fc.weight"].T)
        self.bias = nnx.Param(tensors["_fc.bias"])

    def __call__(self, pixels: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Maps pixels [n, 224, 224, 3] in 0..255 to features and logits.

        Returns:
          Features [n, 1280] and logits [n, 1000].
        """
        x = relu6(self.stem((pixels - 127) / 128))
        for i in range(len(BLOCKS)):
            x = getattr(self, f"block_{i}")(x)
        features = relu6(self.head(x)).mean(axis=(1, 2))
        logits = jnp.matmul(features, self.kernel[...], precision=lax.Precision.HIGHEST)
        return features, logits + self.bias[...][None, :]


def imagenet_classifier(path: str, sha256: str) -> FeatureNetwork:
    """Returns the classifier; images are resized to 224 x 224 bilinearly.

    Pixel centres are aligned, and images that shrink are smoothed first.

    Args:
      path: config.evaluation.imagenet_path; `python -m gan.weights` gets the file.
      sha256: config.evaluation.imagenet_sha256.

    Raises:
      ConfigError: no file, or another one.
    """
    network = EfficientNetLite0(read_weights("imagenet", path, sha256))
    graphdef, params = nnx.split(network)

    @jax.jit
    def answers(params, pixels):
        pixels = to_rgb(pixels)
        shape = (len(pixels), IMAGE_SIZE, IMAGE_SIZE, 3)
        pixels = jax.image.resize(
            pixels, shape, "bilinear", precision=lax.Precision.HIGHEST
        )
        features, logits = nnx.merge(graphdef, params)(pixels)
        return features, jax.nn.softmax(logits)

    return FeatureNetwork(
        name="efficientnet_lite0",
        digest=sha256,
        look=lambda pixels: answers(params, pixels),
        batch_size=_BATCH_SIZE,
        knows_labels=False,
    )

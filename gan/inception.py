"""The Inception-v3 of 2015 up to its last pool: what "the FID" is measured with."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from gan.features import FeatureNetwork
from gan.folded_convolution import FoldedConvolution, fold, to_rgb
from gan.inception_layers import (
    AVERAGE,
    BLOCKS,
    MAXIMUM,
    MAXIMUM_HALVING,
    STEM,
    Conv,
    kernel_shapes,
)
from gan.weights import read_weights

IMAGE_SIZE = 299
NUM_FEATURES = 2048
_EPSILON = 1e-3
_BATCH_SIZE = 50


def _window_sum(x: jax.Array) -> jax.Array:
    return lax.reduce_window(x, 0.0, lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")


def _average(x: jax.Array) -> jax.Array:
    """Averages 3x3 windows; at the edge, over the pixels that exist."""
    return _window_sum(x) / _window_sum(jnp.ones((1, *x.shape[1:3], 1)))


def _maximum(x: jax.Array, stride: int, padding: str) -> jax.Array:
    strides = (1, stride, stride, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), strides, padding)


_POOLS = {
    AVERAGE: _average,
    MAXIMUM: lambda x: _maximum(x, 1, "SAME"),
    MAXIMUM_HALVING: lambda x: _maximum(x, 2, "VALID"),
}


def _layers():
    """Yields every convolution's full name and its entry in the table."""
    branches = [("", STEM)]
    branches += [(f"{name}.", x) for name, block in BLOCKS.items() for x in block]
    for prefix, branch in branches:
        for layer in branch:
            forked = isinstance(layer, tuple) and not isinstance(layer, Conv)
            for conv in layer if forked else (layer,):
                if isinstance(conv, Conv):
                    yield prefix + conv.name, conv


class Inception(nnx.Module):
    """Images to 2048 features, with batch normalisation folded in."""

    def __init__(self, weights: Mapping[str, tuple[np.ndarray, np.ndarray]]):
        """Takes the weights.

        Args:
          weights: kernel [y, x, in, out] and bias [out] of every convolution, under
            the names of `kernel_shapes`.
        """
        for name, conv in _layers():
            layer = FoldedConvolution(
                *weights[name], stride=conv.stride, padding=conv.padding
            )
            setattr(self, name.replace(".", "_"), layer)

    def _branch(self, branch, prefix: str, x: jax.Array) -> jax.Array:
        for layer in branch:
            if isinstance(layer, Conv):
                name = f"{prefix}.{layer.name}" if prefix else layer.name
                x = nnx.relu(getattr(self, name.replace(".", "_"))(x))
            elif isinstance(layer, str):
                x = _POOLS[layer](x)
            else:
                x = self._join([(conv,) for conv in layer], prefix, x)
        return x

    def _join(self, branches, prefix: str, x: jax.Array) -> jax.Array:
        parts = [self._branch(branch, prefix, x) for branch in branches]
        return jnp.concatenate(parts, axis=3)

    def __call__(self, pixels: jax.Array) -> jax.Array:
        """Maps pixels [n, 299, 299, 3] in 0..255 to features [n, 2048]."""
        x = self._branch(STEM, "", (pixels - 128) / 128)
        for name, block in BLOCKS.items():
            x = self._join(block, name, x)
        return x.mean(axis=(1, 2))


def resize_matrix(size: int, new_size: int) -> np.ndarray:
    """Bilinear interpolation along one axis as TensorFlow 1 did it, [new_size, size].

    Pixel i of the new image lies at i * size / new_size of the old one: neither pixel
    centres nor corners are aligned. The published statistics were made so.
    """
    position = np.arange(new_size, dtype=np.float32) * np.float32(size / new_size)
    lower = np.floor(position).astype(int)
    upper = np.minimum(lower + 1, size - 1)
    part = position - lower
    matrix = np.zeros((new_size, size), np.float32)
    rows = np.arange(new_size)
    matrix[rows, lower] = 1 - part
    matrix[rows, upper] += part
    return matrix


def resize(images: jax.Array) -> jax.Array:
    """Maps [n, y, x, c] of any size to [n, 299, 299, c]; see `resize_matrix`."""
    if images.shape[1:3] == (IMAGE_SIZE, IMAGE_SIZE):
        return images
    y, x = (resize_matrix(size, IMAGE_SIZE) for size in images.shape[1:3])
    precision = lax.Precision.HIGHEST
    images = jnp.einsum("Yy,nyxc->nYxc", y, images, precision=precision)
    return jnp.einsum("Xx,nYxc->nYXc", x, images, precision=precision)


def folded_weights(tensors: Mapping[str, np.ndarray]):
    """Returns what `Inception` wants from the tensors of the published file."""

    def one(name):
        weight, beta, mean, variance = (
            tensors[f"net.layers.{name}.{part}"]
            for part in ("weight", "beta", "mean", "var")
        )
        return fold(weight, mean, variance, beta, 1.0, _EPSILON)

    return {name: one(name) for name in kernel_shapes()}


def inception_2015(path: str, sha256: str) -> FeatureNetwork:
    """Returns the network of the published FIDs; it has no class probabilities.

    Args:
      path: config.evaluation.inception_path; `python -m gan.weights` gets the file.
      sha256: config.evaluation.inception_sha256.

    Raises:
      ConfigError: no file, or another one.
    """
    weights = folded_weights(read_weights("inception", path, sha256))
    graphdef, params = nnx.split(Inception(weights))

    @jax.jit
    def features(params, pixels):
        return nnx.merge(graphdef, params)(resize(to_rgb(pixels)))

    return FeatureNetwork(
        name="inception_2015",
        digest=sha256,
        look=lambda pixels: (features(params, pixels), None),
        batch_size=_BATCH_SIZE,
        knows_labels=False,
    )

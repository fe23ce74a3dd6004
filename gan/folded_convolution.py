"""Convolutions that have taken in the batch normalisation that follows them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax


def fold(
    weight: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    offset: np.ndarray,
    scale: np.ndarray | float,
    epsilon: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Joins a convolution without bias and a batch normalisation in one convolution.

    Args:
      weight: kernel [out, in, y, x], PyTorch's order.
      mean: running mean [out].
      variance: running variance [out].
      offset: added after the normalisation [out].
      scale: multiplied after the normalisation [out], or 1.
      epsilon: added to the variance.

    Returns:
      Kernel [y, x, in, out] and bias [out], float32.
    """
    gain = scale / np.sqrt(variance.astype(np.float64) + epsilon)
    kernel = weight.astype(np.float64).transpose(2, 3, 1, 0) * gain
    bias = offset - mean * gain
    return kernel.astype(np.float32), bias.astype(np.float32)


class FoldedConvolution(nnx.Module):
    """A convolution with a bias.

    Attributes:
      stride: in both directions.
      padding: "SAME" or "VALID", as TensorFlow understands them.
      groups: channels are divided into so many independent groups.
    """

    def __init__(
        self,
        kernel: jax.Array,
        bias: jax.Array,
        *,
        stride: int = 1,
        padding: str = "SAME",
        groups: int = 1,
    ):
        """Takes the weights.

        Args:
          kernel: [y, x, in / groups, out].
          bias: [out].
          stride: see the class.
          padding: see the class.
          groups: see the class.
        """
        self.kernel, self.bias = nnx.Param(kernel), nnx.Param(bias)
        self.stride, self.padding, self.groups = stride, padding, groups

    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps [n, y, x, in] to [n, y', x', out]."""
        convolved = lax.conv_general_dilated(
            images,
            self.kernel[...],
            window_strides=(self.stride,) * 2,
            padding=self.padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
            # A GPU's default would round every product to 10 bits.
            precision=lax.Precision.HIGHEST,
        )
        return convolved + self.bias[...][None, None, None, :]


def to_rgb(pixels: jax.Array) -> jax.Array:
    """Maps uint8 pixels [n, y, x, 1 or 3] to float32 [n, y, x, 3], grey repeated."""
    pixels = pixels.astype(jnp.float32)
    return jnp.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels

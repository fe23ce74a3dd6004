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
    """

    def __init__(
        self,
        kernel: jax.Array,
        bias: jax.Array,
        *,
        stride: int = 1,
        padding: str = "SAME",
    ):
        """Takes the weights.

        Args:
          kernel: [y, x, in, out].
          bias: [out].
          stride: see the class.
          padding: see the class.
        """
        self.kernel, self.bias = nnx.Param(kernel), nnx.Param(bias)
        self.stride, self.padding = stride, padding

    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps [n, y, x, in] to [n, y', x', out]."""
        convolved = lax.conv_general_dilated(
            images,
            self.kernel[...],
            window_strides=(self.stride,) * 2,
            padding=self.padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            # A GPU's default would round every product to 10 bits.
            precision=lax.Precision.HIGHEST,
        )
        return convolved + self.bias[...][None, None, None, :]


class FoldedDepthwise(nnx.Module):
    """A convolution of every channel with a kernel of its own, padded to "SAME" size.

    It is a sum of shifted images: XLA's CPU back end runs that 3 to 16 times faster
    than a convolution with as many groups as channels.

    Attributes:
      stride: in both directions.
    """

    def __init__(self, kernel: jax.Array, bias: jax.Array, *, stride: int = 1):
        """Takes the weights.

        Args:
          kernel: [y, x, 1, out], y = x.
          bias: [out].
          stride: see the class.
        """
        self.kernel, self.bias, self.stride = nnx.Param(kernel), nnx.Param(bias), stride

    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps [n, y, x, out], y = x, to [n, y', x', out]."""
        window, size = len(self.kernel[...]), images.shape[1]
        reach = (-(-size // self.stride) - 1) * self.stride  # to the last window
        missing = max(reach + window - size, 0)
        around = (missing // 2, missing - missing // 2)
        padded = jnp.pad(images, ((0, 0), around, around, (0, 0)))
        total = self.bias[...][None, None, None, :]
        for y in range(window):
            for x in range(window):
                rows = slice(y, y + reach + 1, self.stride)
                columns = slice(x, x + reach + 1, self.stride)
                factors = self.kernel[...][y, x, 0][None, None, None, :]
                total = total + padded[:, rows, columns] * factors
        return total


def to_rgb(pixels: jax.Array) -> jax.Array:
    """Maps uint8 pixels [n, y, x, 1 or 3] to float32 [n, y, x, 3], grey repeated."""
    pixels = pixels.astype(jnp.float32)
    return jnp.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels

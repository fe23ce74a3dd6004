"""Strided convolutions that form a family closed under differentiation.

A strided convolution, its transpose and its weight gradient are the three partial
derivatives of one trilinear form, <convolve(images, kernel), cotangent>. Each is
therefore bilinear, and the derivatives of each are the other two. Written so, every
derivative of any order (the gradient penalty needs the second) is again one of three
programs that compilers do well. Left to automatic differentiation, the weight gradient
of a transposed convolution becomes a dilated convolution with exchanged roles, which
XLA's CPU back end runs 10 to 40 times slower (benchmarks/convolution.py).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

class Geometry(NamedTuple):
    """How a square kernel meets the image.

    Attributes:
      kernel_size: side of the kernel [pixels].
      stride: step between windows [pixels of the larger image].
      padding: zeros added on every side of the larger image [pixels].
      image_size: side of the larger image [pixels].
    """

    kernel_size: int
    stride: int
    padding: int
    image_size: int

    @property
    def output_size(self) -> int:
        """Side of the smaller image [pixels]."""
        return self._room // self.stride + 1

    @property
    def remainder(self) -> int:
        """Last pixels of the padded larger image that no window touches."""
        return self._room % self.stride

    @property
    def _room(self) -> int:
        return self.image_size + 2 * self.padding - self.kernel_size


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(images: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Correlates `images` with `kernel`, as every deep-learning "convolution" does.

    Args:
      images: [n, y, x, c], y = x = `geometry.image_size`.
      kernel: [kernel_size, kernel_size, c, d].
      geometry: sizes, stride and padding.

    Returns:
      [n, y', x', d], y' = x' = `geometry.output_size`.
    """
    return lax.conv_general_dilated(
        images,
        kernel,
        window_strides=(geometry.stride,) * 2,
        padding=((geometry.padding,) * 2,) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve_transposed(
    images: jax.Array, kernel: jax.Array, geometry: Geometry
) -> jax.Array:
    """Applies the transpose of `convolve` in its images ("deconvolution").

    Args:
      images: [n, y', x', d], y' = x' = `geometry.output_size`.
      kernel: [kernel_size, kernel_size, c, d], of the convolution that is transposed.
      geometry: sizes, stride and padding of the convolution that is transposed.

    Returns:
      [n, y, x, c], y = x = `geometry.image_size`.
    """
    before = geometry.kernel_size - 1 - geometry.padding
    return lax.conv_general_dilated(
        images,
        jnp.flip(kernel, (0, 1)),
        window_strides=(1, 1),
        padding=((before, before + geometry.remainder),) * 2,
        lhs_dilation=(geometry.stride,) * 2,
        # The kernel's last axis meets the images' channels: it is read transposed.
        dimension_numbers=("NHWC", "HWOI", "NHWC"),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def kernel_gradient(
    images: jax.Array, cotangents: jax.Array, geometry: Geometry
) -> jax.Array:
    """Applies the transpose of `convolve` in its kernel.

    Args:
      images: [n, y, x, c], y = x = `geometry.image_size`.
      cotangents: [n, y', x', d], y' = x' = `geometry.output_size`.
      geometry: sizes, stride and padding of the convolution.

    Returns:
      [kernel_size, kernel_size, c, d].
    """
    after = geometry.padding - geometry.remainder
    return lax.conv_general_dilated(
        images,
        cotangents,
        window_strides=(1, 1),
        padding=((geometry.padding, after),) * 2,
        rhs_dilation=(geometry.stride,) * 2,
        # The sum runs over the examples, so they take the place of the channels.
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )


def _keep_both(operation):
    def forward(left, right, geometry):
        return operation(left, right, geometry), (left, right)

    return forward


def _convolve_backward(geometry, operands, cotangent):
    images, kernel = operands
    return (
        convolve_transposed(cotangent, kernel, geometry),
        kernel_gradient(images, cotangent, geometry),
    )


def _convolve_transposed_backward(geometry, operands, cotangent):
    images, kernel = operands
    return (
        convolve(cotangent, kernel, geometry),
        kernel_gradient(cotangent, images, geometry),
    )


def _kernel_gradient_backward(geometry, operands, cotangent):
    images, cotangents = operands
    return (
        convolve_transposed(cotangents, cotangent, geometry),
        convolve(images, cotangent, geometry),
    )


convolve.defvjp(_keep_both(convolve), _convolve_backward)
convolve_transposed.defvjp(
    _keep_both(convolve_transposed), _convolve_transposed_backward
)
kernel_gradient.defvjp(_keep_both(kernel_gradient), _kernel_gradient_backward)

"""Convolutions of one stride, and the gradient of their kernels.

XLA's CPU back end takes up to twice as long for the gradient of a narrow kernel (many
channels in, few out: a dense layer's) as for the convolution itself. It is a
convolution too, of cotangents with inputs over all images as channels; whichever is
taken for the kernel, the sum is the same. With the inputs as the kernel a CPU is as
fast as forward (benchmarks/layer_layouts.py).
"""

import jax
import jax.numpy as jnp
from jax import lax

# With fewer channels in, the gradient as XLA writes it is faster.
_LEAST_IN = 40


def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolves [n, y, x, c] with [y, x, c, d] to [n, y, x, d], same size."""
    if kernel.shape[:2] == (1, 1):
        return jnp.einsum("nyxc,cd->nyxd", x, kernel[0, 0])
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def kernel_gradient_by_inputs(
    x: jax.Array, cotangent: jax.Array, size: int
) -> jax.Array:
    """Gradient of a kernel [size, size, c, d], `size` odd.

    Args:
      x: what was convolved [n, y, x, c]; the kernel here.
      cotangent: of the result [n, y, x, d]; convolved here.
      size: of the kernel.
    """
    margin = size // 2
    mirrored = lax.conv_general_dilated(
        cotangent,
        x,
        window_strides=(1, 1),
        padding=[(margin, margin)] * 2,
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )
    return mirrored[::-1, ::-1].swapaxes(2, 3)


@jax.custom_vjp
def convolve_on_cpu(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`convolve`, with the kernel's gradient in the form that a CPU is faster at."""
    return convolve(x, kernel)


def _forward(x, kernel):
    return convolve(x, kernel), (x, kernel)


def _backward(operands, cotangent):
    x, kernel = operands
    size, _, fan_in, _ = kernel.shape
    if size % 2 == 0 or size == 1 or fan_in < _LEAST_IN:
        return jax.vjp(convolve, x, kernel)[1](cotangent)
    (to_x,) = jax.vjp(lambda x: convolve(x, kernel), x)[1](cotangent)
    return to_x, kernel_gradient_by_inputs(x, cotangent, size)


convolve_on_cpu.defvjp(_forward, _backward)

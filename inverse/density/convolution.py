"""Convolutions of one stride, and the gradient of their kernels.

The gradient of a kernel is a convolution too, of cotangents with inputs over all
images as channels; whichever of them is taken for the kernel, the sum is the same. XLA
takes the cotangents. On a CPU it is faster with the inputs, where they have many
channels (benchmarks/step_time.py).
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

    Returns:
      [size, size, c, d].
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
    # Nobody asks for the gradient of the first layer's images.
    asked = () if x.perturbed else None
    return convolve(x.value, kernel.value), (x.value, kernel.value, asked)


def _backward(residuals, cotangent):
    x, kernel, asked = residuals
    size, _, fan_in, _ = kernel.shape
    if isinstance(cotangent, jax.custom_derivatives.SymbolicZero):
        return jnp.zeros_like(x), jnp.zeros_like(kernel)
    # Not by jax.vjp, which would convolve forward once more for who counts operations.
    if size % 2 == 0 or size == 1 or fan_in < _LEAST_IN:
        (to_kernel,) = jax.linear_transpose(lambda k: convolve(x, k), kernel)(cotangent)
    else:
        to_kernel = kernel_gradient_by_inputs(x, cotangent, size)
    if asked is None:
        return jnp.zeros_like(x), to_kernel
    (to_x,) = jax.linear_transpose(lambda x: convolve(x, kernel), x)(cotangent)
    return to_x, to_kernel


convolve_on_cpu.defvjp(_forward, _backward, symbolic_zeros=True)

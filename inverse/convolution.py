"""Convolutions of one stride, and the gradient of their kernels.

XLA's CPU back end takes two to four times as long for the gradient of a narrow kernel
(many channels in, few out: a dense layer's) as for the convolution itself. Written as
matrix products over all offsets at once it is as fast (benchmarks/layer_layouts.py).
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import lax

# Pixels whose offsets are laid out at a time: what stays in a core's cache.
_PIXELS = 4096
# Narrower in or wider out, and the convolution is faster.
_LEAST_IN, _MOST_OUT = 64, 64


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


def _parts(n: int, rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Images and rows of them, of about so many pixels together."""
    images = max(1, _PIXELS // (rows * columns))
    height = rows if images > 1 else max(1, min(rows, _PIXELS // columns))
    for first in range(0, n, images):
        for top in range(0, rows, height):
            yield (
                slice(first, min(first + images, n)),
                slice(top, min(top + height, rows)),
            )


def kernel_gradient_by_products(
    x: jax.Array, cotangent: jax.Array, size: int
) -> jax.Array:
    """Gradient of a kernel [size, size, c, d], `size` odd.

    Args:
      x: what was convolved [n, y, x, c].
      cotangent: of the result [n, y, x, d].
      size: of the kernel.
    """
    n, rows, columns, c = x.shape
    d, margin = cotangent.shape[-1], size // 2
    padded = jnp.pad(cotangent, ((0, 0), (margin,) * 2, (margin,) * 2, (0, 0)))
    total = jnp.zeros((c, size * size * d), x.dtype)
    for images, part in _parts(n, rows, columns):
        high = part.stop - part.start
        # An input pixel meets the cotangent of every pixel that its kernel reaches.
        shifted = [
            padded[images, top : top + high, left : left + columns]
            for top in range(part.start + 2 * margin, part.start - 1, -1)
            for left in range(2 * margin, -1, -1)
        ]
        offsets = jnp.concatenate(shifted, axis=-1).reshape(-1, size * size * d)
        total += x[images, part].reshape(-1, c).T @ offsets
    return total.reshape(c, size, size, d).transpose(1, 2, 0, 3)


@jax.custom_vjp
def convolve_with_products(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`convolve`, with the kernel's gradient by products where that is faster."""
    return convolve(x, kernel)


def _forward(x, kernel):
    return convolve(x, kernel), (x, kernel)


def _backward(operands, cotangent):
    x, kernel = operands
    size, _, fan_in, fan_out = kernel.shape
    if size == 1 or size % 2 == 0 or fan_in < _LEAST_IN or fan_out > _MOST_OUT:
        return jax.vjp(convolve, x, kernel)[1](cotangent)
    (to_x,) = jax.vjp(lambda x: convolve(x, kernel), x)[1](cotangent)
    return to_x, kernel_gradient_by_products(x, cotangent, size)


convolve_with_products.defvjp(_forward, _backward)

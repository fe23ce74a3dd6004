"""The DC-GAN's convolution, in a family that is closed under differentiation.

Every layer between images of different sizes is the same map: a 4x4 kernel that moves
in steps of two over an image with a margin of one, and so halves its sides. That map,
its transpose and its kernel's gradient are the three partial derivatives of one
trilinear form, <halve(images, kernel), cotangents>. Each is bilinear, and the
derivatives of each are the other two: so every derivative of any order (a gradient
penalty needs the second) is again one of three programs that are known to be fast.
Left to automatic differentiation, the kernel's gradient of a transposed convolution is
10 to 40 times slower on XLA's CPU back end (benchmarks/convolution.py).

Images are [n, y, x, channels]; a kernel is [4, 4, c, d], c channels of the larger
image and d of the smaller one, whichever of the two comes first.
"""

import jax
from jax import lax

from gan import convolution_forms as forms

KERNEL_SIZE = 4


def _double(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Chooses when the program is compiled, not when it is traced."""
    return lax.platform_dependent(
        images,
        kernel,
        cpu=forms.fastest_double_on_cpu,
        default=forms.double_by_convolution,
    )


@jax.custom_vjp
def halve(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolves [n, 2y, 2x, c] with [4, 4, c, d] to [n, y, x, d]."""
    return forms.halve_by_convolution(images, kernel)


@jax.custom_vjp
def double(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposes `halve` in its images: [n, y, x, d] to [n, 2y, 2x, c]."""
    return _double(images, kernel)


@jax.custom_vjp
def kernel_gradient(images: jax.Array, cotangents: jax.Array) -> jax.Array:
    """Transposes `halve` in its kernel.

    Args:
      images: the larger ones [n, 2y, 2x, c].
      cotangents: the smaller ones [n, y, x, d].

    Returns:
      [4, 4, c, d].
    """
    return forms.gradient_by_convolution(images, cotangents)


def _keeping_both(operation):
    return lambda left, right: (operation(left, right), (left, right))


def _halve_backward(operands, cotangent):
    images, kernel = operands
    return double(cotangent, kernel), kernel_gradient(images, cotangent)


def _double_backward(operands, cotangent):
    images, kernel = operands
    return halve(cotangent, kernel), kernel_gradient(cotangent, images)


def _kernel_gradient_backward(operands, cotangent):
    images, cotangents = operands
    return double(cotangents, cotangent), halve(images, cotangent)


halve.defvjp(_keeping_both(halve), _halve_backward)
double.defvjp(_keeping_both(double), _double_backward)
kernel_gradient.defvjp(_keeping_both(kernel_gradient), _kernel_gradient_backward)

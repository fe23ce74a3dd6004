"""Programs for each map of gan.convolution.

"By convolution" leaves the map to the compiler's convolution. On XLA's CPU back end too
that is fastest for halving and for the kernel's gradient, given the options of
parallel/compiler_options.py; features are doubled faster by four convolutions, one
for each pixel of the 2 x 2 that a pixel becomes. What else was tried, and the times:
benchmarks/convolution.py, results/convolution_cpu.json.
"""

import jax
import jax.numpy as jnp
from jax import lax

# Channels below which the compiler's own form wins: pictures, not features.
_FEW_CHANNELS = 4

_STRIDE, _MARGIN = 2, 1


def halve_by_convolution(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """`halve` as a strided convolution."""
    return lax.conv_general_dilated(
        images,
        kernel,
        window_strides=(_STRIDE,) * 2,
        padding=((_MARGIN,) * 2,) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def double_by_convolution(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """`double` as a convolution of the image with zeros between its pixels."""
    return lax.conv_general_dilated(
        images,
        jnp.flip(kernel, (0, 1)),
        window_strides=(1, 1),
        padding=((2, 2),) * 2,
        lhs_dilation=(_STRIDE,) * 2,
        dimension_numbers=("NHWC", "HWOI", "NHWC"),  # channels trade places
    )


def gradient_by_convolution(images: jax.Array, cotangents: jax.Array) -> jax.Array:
    """`kernel_gradient` as a convolution in which examples are summed like channels."""
    return lax.conv_general_dilated(
        images,
        cotangents,
        window_strides=(1, 1),
        padding=((_MARGIN,) * 2,) * 2,
        rhs_dilation=(_STRIDE,) * 2,
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )


def double_by_phases(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """`double` as four 2x2 convolutions, one for each place in a 2 x 2 block."""
    n, y, x, _ = images.shape

    def phase(i: int, j: int) -> jax.Array:
        # Pixels at even places see the kernel's odd rows, last first, and vice versa.
        taps = kernel[3 - i :: -2][:2, 3 - j :: -2][:, :2]
        return lax.conv_general_dilated(
            images,
            taps,
            window_strides=(1, 1),
            padding=((1 - i, i), (1 - j, j)),
            dimension_numbers=("NHWC", "HWOI", "NHWC"),
        )

    rows = [jnp.stack([phase(i, 0), phase(i, 1)], axis=3) for i in range(2)]
    return jnp.stack(rows, axis=2).reshape(n, 2 * y, 2 * x, kernel.shape[2])


def fastest_double_on_cpu(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """`double` in the form that was measured fastest on XLA:CPU."""
    pictures = kernel.shape[2] < _FEW_CHANNELS
    return (double_by_convolution if pictures else double_by_phases)(images, kernel)

"""Several programs for each map of gan.convolution, and which is fastest where.

"By convolution" leaves the map to the compiler's convolution; that is the form for
accelerators. XLA's CPU back end is slow in some of these and fast in matrix products,
so there small images are gathered into matrices of patches, and doubling is done by
four convolutions, one for each pixel of the 2 x 2 that a pixel becomes
(benchmarks/convolution.py; results/convolution_cpu.json).
"""

import jax
import jax.numpy as jnp
from jax import lax

# Sides up to which the smaller image's pixels are few enough for one matrix product.
_FEW_PIXELS = 4
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


def _padded(images: jax.Array) -> jax.Array:
    return jnp.pad(images, ((0, 0), (_MARGIN,) * 2, (_MARGIN,) * 2, (0, 0)))


def _patches(images: jax.Array) -> jax.Array:
    """Gathers every window: [n, 2y, 2x, c] -> [n * y * x, 4 * 4 * c]."""
    last = images.shape[1] - 1  # of the rows that a tap of the kernel touches
    padded = _padded(images)
    taps = [
        padded[:, i : i + last : _STRIDE, j : j + last : _STRIDE]
        for i in range(4)
        for j in range(4)
    ]
    return jnp.concatenate(taps, axis=-1).reshape(-1, 16 * images.shape[-1])


def halve_by_matrix(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """`halve` as patches times kernel."""
    n, y, x, _ = images.shape
    matrix = kernel.reshape(-1, kernel.shape[-1])
    return (_patches(images) @ matrix).reshape(n, y // 2, x // 2, -1)


def gradient_by_matrix(images: jax.Array, cotangents: jax.Array) -> jax.Array:
    """`kernel_gradient` as transposed patches times cotangents."""
    depth = cotangents.shape[-1]
    matrix = _patches(images).T @ cotangents.reshape(-1, depth)
    return matrix.reshape(4, 4, images.shape[-1], depth)


def _blocks(images: jax.Array) -> jax.Array:
    """Folds 2 x 2 pixels of the padded image into channels: [n, y+1, x+1, 4c]."""
    padded = _padded(images)
    n, y, x, c = padded.shape
    split = padded.reshape(n, y // 2, 2, x // 2, 2, c)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(n, y // 2, x // 2, 4 * c)


def gradient_by_blocks(images: jax.Array, cotangents: jax.Array) -> jax.Array:
    """`kernel_gradient` as four matrix products of 2 x 2 blocks of pixels.

    A 4x4 kernel with stride 2 is a 2x2 kernel with stride 1 on such blocks.
    """
    _, y, x, depth = cotangents.shape
    channels = images.shape[-1]
    blocks = _blocks(images)
    flat = cotangents.reshape(-1, depth)
    products = [
        blocks[:, i : i + y, j : j + x].reshape(-1, 4 * channels).T @ flat
        for i in range(2)
        for j in range(2)
    ]
    # [block row, block column, row in it, column in it, c, d] to kernel rows, columns
    kernel = jnp.stack(products).reshape(2, 2, 2, 2, channels, depth)
    return kernel.transpose(0, 2, 1, 3, 4, 5).reshape(4, 4, channels, depth)


def double_by_matrix(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """`double` as image times kernel, the windows then added where they overlap."""
    n, y, x, depth = images.shape
    channels = kernel.shape[2]
    windows = images.reshape(-1, depth) @ kernel.reshape(-1, depth).T
    # A window covers 2 x 2 blocks of 2 x 2 pixels; blocks never overlap in part.
    windows = windows.reshape(n, y, x, 2, 2, 2, 2, channels)
    blocks = sum(
        jnp.pad(
            windows[:, :, :, i, :, j],
            ((0, 0), (i, 1 - i), (j, 1 - j), (0, 0), (0, 0), (0, 0)),
        )
        for i in range(2)
        for j in range(2)
    )
    image = blocks.transpose(0, 1, 3, 2, 4, 5).reshape(
        n, 2 * y + 2, 2 * x + 2, channels
    )
    return image[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


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


def fastest_halve_on_cpu(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """`halve` in the form that was measured fastest on XLA:CPU."""
    few = images.shape[1] // 2 <= _FEW_PIXELS
    return (halve_by_matrix if few else halve_by_convolution)(images, kernel)


def fastest_double_on_cpu(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """`double` in the form that was measured fastest on XLA:CPU."""
    if images.shape[1] <= _FEW_PIXELS:
        return double_by_matrix(images, kernel)
    if kernel.shape[2] < _FEW_CHANNELS:
        return double_by_convolution(images, kernel)
    return double_by_phases(images, kernel)


def fastest_gradient_on_cpu(images: jax.Array, cotangents: jax.Array) -> jax.Array:
    """`kernel_gradient` in the form that was measured fastest on XLA:CPU."""
    few_pixels = cotangents.shape[1] <= _FEW_PIXELS
    if few_pixels or images.shape[-1] < _FEW_CHANNELS:
        return gradient_by_matrix(images, cotangents)
    return gradient_by_blocks(images, cotangents)

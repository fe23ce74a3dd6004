"""Programs for the maps of gan.convolution that lost, kept to be timed again.

Small images gathered into matrices of patches, so that XLA's matrix product does it.
"""

import jax
import jax.numpy as jnp

_STRIDE, _MARGIN = 2, 1


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

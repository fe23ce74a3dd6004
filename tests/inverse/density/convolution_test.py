"""The kernel's gradient by inputs is the convolution's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.density.convolution import (
    convolve,
    convolve_on_cpu,
    kernel_gradient_by_inputs,
)

# n, rows, columns, channels in, out, size: not square, a wide kernel, one image.
SHAPES = [(5, 6, 7, 3, 2, 3), (2, 30, 20, 2, 3, 5), (1, 65, 64, 3, 1, 3)]


def _near(found, expected):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("shape", SHAPES)
def test_cotangents_convolved_with_inputs_are_the_kernels_gradient(shape):
    n, rows, columns, c, d, size = shape
    keys = jax.random.split(jax.random.key(0))
    x = jax.random.normal(keys[0], (n, rows, columns, c))
    cotangent = jax.random.normal(keys[1], (n, rows, columns, d))
    kernel = jnp.zeros((size, size, c, d))
    (expected,) = jax.vjp(lambda k: convolve(x, k), kernel)[1](cotangent)
    _near(kernel_gradient_by_inputs(x, cotangent, size), expected)


@pytest.mark.parametrize(
    ("fan_in", "fan_out", "size"), [(64, 8, 3), (8, 8, 3), (64, 4, 1), (64, 4, 2)]
)
def test_both_gradients_are_those_of_the_plain_convolution(fan_in, fan_out, size):
    keys = jax.random.split(jax.random.key(1))
    x = jax.random.normal(keys[0], (2, 6, 6, fan_in))
    kernel = jax.random.normal(keys[1], (size, size, fan_in, fan_out))

    def gradients(function):
        cost = lambda x, k: jnp.sum(jnp.sin(function(x, k)))  # noqa: E731
        return jax.jit(jax.grad(cost, argnums=(0, 1)))(x, kernel)

    for found, expected in zip(
        gradients(convolve_on_cpu), gradients(convolve), strict=True
    ):
        _near(found, expected)

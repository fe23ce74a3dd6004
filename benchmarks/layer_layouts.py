"""Dense layers: their layouts, forward and backward, and their kernels' gradients."""

import time

import jax
import jax.numpy as jnp
from jax import lax

from inverse.density.convolution import (
    convolve,
    convolve_on_cpu,
    kernel_gradient_by_inputs,
)
from inverse.density.models import level_sides_and_blocks
from parallel.compiler_options import convolution_options


def _channels_first(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW")
    )


LAYOUTS = {
    "NHWC": convolve,
    "NHWC, kernel's gradient by inputs": convolve_on_cpu,
    "NCHW": _channels_first,
}


KERNEL_GRADIENTS = {
    "as XLA writes it": lambda x, cotangent, size: jax.linear_transpose(
        lambda kernel: convolve(x, kernel),
        jnp.zeros((size, size, x.shape[-1], cotangent.shape[-1]), x.dtype),
    )(cotangent)[0],
    "by inputs": kernel_gradient_by_inputs,
}


def convolutions_of(config) -> list[tuple[int, int, int]]:
    """Lists (side, channels in, out) of a network's layers, source by source."""
    model = config.model
    found = [(model.image_size, model.channels, model.growth)]
    for side, fan_in, layers in level_sides_and_blocks(
        model.image_size,
        model.growth,
        tuple(model.layers_down),
        model.layers_bottleneck,
        tuple(model.layers_up),
    ):
        found.append((side, fan_in, layers * model.growth))
        found += [(side, model.growth, n * model.growth) for n in range(1, layers)]
    return sorted(set(found))


class KernelGradient:
    """The gradient of one layer's kernel, alone."""

    def __init__(self, config, layer: tuple[int, int, int], way: str):
        """Compiles it, of a batch of `config` and one of KERNEL_GRADIENTS."""
        n, size = config.per_device_batch_size, config.model.kernel_size
        side, fan_in, fan_out = layer
        x = jnp.ones((n, side, side, fan_in), config.model.dtype)
        self._operands = (x, jnp.ones((n, side, side, fan_out), x.dtype))
        self._gradient = jax.jit(
            lambda x, cotangent: KERNEL_GRADIENTS[way](x, cotangent, size),
            compiler_options=convolution_options(jax.default_backend()),
        )

    def seconds(self, steps: int) -> float:
        """Computes so many, one after the other."""
        start = time.perf_counter()
        for _ in range(steps):
            jax.block_until_ready(self._gradient(*self._operands))
        return time.perf_counter() - start


class DenseLayer:
    """The layer of a network that takes most operations, one layer at a time."""

    def __init__(self, config, layout: str):
        """Compiles value and gradients of a batch of `config`."""
        model, n = config.model, config.per_device_batch_size
        blocks = level_sides_and_blocks(
            model.image_size,
            model.growth,
            tuple(model.layers_down),
            model.layers_bottleneck,
            tuple(model.layers_up),
        )
        side, fan_in = max(
            ((s, c + (k - 1) * model.growth) for s, c, k in blocks),
            key=lambda block: block[0] ** 2 * block[1],
        )
        size, growth = model.kernel_size, model.growth
        self.what = f"{n}x{side}x{side}x{fan_in} -> {growth}, {size}x{size}"
        x = jnp.ones((n, side, side, fan_in), model.dtype)
        kernel = jnp.ones((size, size, fan_in, growth), model.dtype)
        if layout == "NCHW":
            x, kernel = x.transpose(0, 3, 1, 2), kernel.transpose(3, 2, 0, 1)

        def cost(x, kernel):
            y = LAYOUTS[layout](jax.nn.relu(x), kernel)
            return jnp.square(y).mean().astype(jnp.float32)

        self._operands = (x, kernel)
        self._gradients = jax.jit(jax.value_and_grad(cost, argnums=(0, 1)))

    def seconds(self, steps: int) -> float:
        """Computes so many gradients, one after the other."""
        start = time.perf_counter()
        for _ in range(steps):
            jax.block_until_ready(self._gradients(*self._operands))
        return time.perf_counter() - start

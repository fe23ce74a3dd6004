"""One dense layer, forward and backward, with channels last and channels first."""

import time

import jax
import jax.numpy as jnp
from jax import lax

from inverse.convolution import convolve, convolve_on_cpu
from inverse.models import level_sides_and_blocks


def _channels_first(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW")
    )


LAYOUTS = {
    "NHWC": convolve,
    "NHWC, kernel's gradient by inputs": convolve_on_cpu,
    "NCHW": _channels_first,
}


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

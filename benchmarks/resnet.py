"""ResNet-50, the network that engines for gradient reduction are compared on.

"Deep Residual Learning for Image Recognition" (arXiv:1512.03385), with the stride in
the 3 x 3 convolutions as all implementations have it now: 25.6 million parameters in
161 tensors.
"""

import jax
import jax.numpy as jnp
from flax import nnx

STAGES = (3, 4, 6, 3)


class _Normalised(nnx.Module):
    """A convolution without bias and its batch normalisation."""

    def __init__(self, fan_in, fan_out, size, stride, *, dtype, rngs):
        self.convolution = nnx.Conv(
            fan_in,
            fan_out,
            (size, size),
            strides=(stride, stride),
            use_bias=False,
            dtype=dtype,
            rngs=rngs,
        )
        self.normalisation = nnx.BatchNorm(
            fan_out, momentum=0.9, dtype=dtype, rngs=rngs
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.normalisation(self.convolution(x), use_running_average=False)


class Bottleneck(nnx.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a short cut."""

    def __init__(self, fan_in: int, width: int, stride: int, *, dtype, rngs):
        """Creates the layers; the output has 4 `width` channels."""
        made = {"dtype": dtype, "rngs": rngs}
        self.narrow = _Normalised(fan_in, width, 1, 1, **made)
        self.middle = _Normalised(width, width, 3, stride, **made)
        self.widen = _Normalised(width, 4 * width, 1, 1, **made)
        self.changes_shape = stride > 1 or fan_in != 4 * width
        if self.changes_shape:
            self.short_cut = _Normalised(fan_in, 4 * width, 1, stride, **made)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [n, y, x, c] to [n, y / stride, x / stride, 4 width]."""
        inner = nnx.relu(self.middle(nnx.relu(self.narrow(x))))
        beside = self.short_cut(x) if self.changes_shape else x
        return nnx.relu(self.widen(inner) + beside)


class ResNet50(nnx.Module):
    """Images to logits; training mode only."""

    def __init__(self, *, num_classes: int = 1000, dtype=jnp.float32, rngs: nnx.Rngs):
        """Creates the parameters, float32; `dtype` is of the computation."""
        self.dtype = dtype
        self.first = _Normalised(3, 64, 7, 2, dtype=dtype, rngs=rngs)
        fan_in = 64
        for stage, count in enumerate(STAGES):
            for block in range(count):
                stride = 2 if stage and not block else 1
                layer = Bottleneck(fan_in, 64 << stage, stride, dtype=dtype, rngs=rngs)
                setattr(self, f"stage_{stage}_block_{block}", layer)
                fan_in = 256 << stage
        self.last = nnx.Linear(fan_in, num_classes, dtype=dtype, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps images [n, y, x, 3] to logits [n, classes], float32."""
        x = nnx.relu(self.first(images.astype(self.dtype)))
        x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding="SAME")
        for stage, count in enumerate(STAGES):
            for block in range(count):
                x = getattr(self, f"stage_{stage}_block_{block}")(x)
        return self.last(x.mean(axis=(1, 2))).astype(jnp.float32)

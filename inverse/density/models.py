"""The fully convolutional DenseNet: stacks of diffraction patterns to a map.

Layers and sizes follow the network of "Exascale Deep Learning for Scientific Inverse
Problems" (arXiv:1909.11150): 220 million parameters in 32 tensors.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from inverse.density.convolution import convolve
from inverse.density.dense_block import Convolve, DenseOutputs, layer_by_layer

UPSAMPLINGS = ("paper", "resize", "deconvolution")

_kernel_init = nnx.initializers.he_normal()


def level_sides_and_blocks(
    image_size: int,
    growth: int,
    layers_down: tuple[int, ...],
    layers_bottleneck: int,
    layers_up: tuple[int, ...],
) -> list[tuple[int, int, int]]:
    """Lists (side, channels in, layers) of the dense blocks of an `FCDenseNet`."""
    blocks, skips, side, width = [], [], image_size, growth
    for layers in layers_down:
        blocks.append((side, width, layers))
        width += layers * growth
        skips.append(width)
        side //= 2
    blocks.append((side, width, layers_bottleneck))
    new = layers_bottleneck * growth
    for layers in layers_up:
        side *= 2
        blocks.append((side, new + skips.pop(), layers))
        new = layers * growth
    return blocks


class _Kernel(nnx.Module):
    """A convolution; all but the first have no bias."""

    def __init__(
        self,
        size: int,
        fan_in: int,
        fan_out: int,
        *,
        bias: bool = False,
        convolve: Convolve = convolve,
        rngs: nnx.Rngs,
    ):
        self.convolve = convolve
        shape = (size, size, fan_in, fan_out)
        self.kernel = nnx.Param(_kernel_init(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(fan_out)) if bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.convolve(x, self.kernel[...].astype(x.dtype))
        return (
            x
            if self.bias is None
            else x + self.bias[...].astype(x.dtype)[None, None, None]
        )


def drop(x: jax.Array, keys: jax.Array, share: float) -> jax.Array:
    """Sets a share of every sample's values to zero and scales the others up.

    Args:
      x: [n, y, x, c].
      keys: of the samples [n], so that a sample is the same on any device.
      share: that is dropped, in [0, 1).
    """
    kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - share, x.shape[1:]))(keys)
    return jnp.where(kept, x / (1 - share), 0).astype(x.dtype)


class DenseBlock(nnx.Module):
    """Layers that each see the outputs of all before them."""

    def __init__(
        self,
        num_layers: int,
        fan_in: int,
        growth: int,
        size: int,
        *,
        dropout: float = 0.0,
        convolve: Convolve = convolve,
        dense_outputs: DenseOutputs = layer_by_layer,
        rngs: nnx.Rngs,
    ):
        """Creates `num_layers` kernels of `size` x `size` with `growth` outputs.

        `dense_outputs` computes the layers with `convolve`, see dense_block.
        """
        self.num_layers, self.dropout = num_layers, dropout
        self.convolve, self.dense_outputs = convolve, dense_outputs
        for i in range(num_layers):
            layer = _Kernel(size, fan_in + i * growth, growth, rngs=rngs)
            setattr(self, f"layer_{i}", layer)

    def __call__(
        self, x: jax.Array, keys: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Returns (x and all outputs, the outputs alone), joined along channels.

        Args:
          x: [n, y, x, c].
          keys: of the samples [n]; none: nothing is dropped.
        """

        def dropped(output: jax.Array, layer: int) -> jax.Array:
            if keys is None or not self.dropout:
                return output
            own = jax.vmap(jax.random.fold_in, (0, None))(keys, layer)
            return drop(output, own, self.dropout)

        layers = [getattr(self, f"layer_{i}") for i in range(self.num_layers)]
        kernels = [layer.kernel[...].astype(x.dtype) for layer in layers]
        new = jnp.concatenate(
            self.dense_outputs(x, kernels, self.convolve, dropped), axis=-1
        )
        return jnp.concatenate([x, new], axis=-1), new


class TransitionDown(nnx.Module):
    """Normalise, mix channels, halve the side."""

    def __init__(self, features: int, *, axis_name: str | None, dtype, rngs: nnx.Rngs):
        """Creates the layers; batch statistics are shared over `axis_name`."""
        self.normalisation = nnx.BatchNorm(
            features, momentum=0.9, dtype=dtype, axis_name=axis_name, rngs=rngs
        )
        self.mix = _Kernel(1, features, features, rngs=rngs)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Maps [n, y, x, c] to [n, y / 2, x / 2, c]."""
        x = nnx.relu(self.normalisation(x, use_running_average=not train))
        return nnx.avg_pool(self.mix(x), (2, 2), strides=(2, 2))


class TransitionUp(nnx.Module):
    """Double the side of a block's new channels and join those of the way down."""

    def __init__(self, features: int, kind: str, *, rngs: nnx.Rngs):
        """Creates the kernel; `kind` is one of UPSAMPLINGS."""
        if kind not in UPSAMPLINGS:
            choices = ", ".join(UPSAMPLINGS)
            raise ValueError(f"upsampling={kind!r}: choose one of {choices}.")
        self.kind = kind
        size = 2 if kind == "deconvolution" else 1
        self.mix = _Kernel(size, features, features, rngs=rngs)

    def __call__(self, x: jax.Array, skip: jax.Array) -> jax.Array:
        """Maps [n, y, x, c] and [n, 2 y, 2 x, d] to [n, 2 y, 2 x, c + d]."""
        n, y, x_size, c = x.shape
        kernel = self.mix.kernel[...].astype(x.dtype)
        if self.kind == "deconvolution":
            # Windows do not overlap: every pixel becomes 2 x 2 of its own.
            larger = jnp.einsum("nyxc,abcd->nyaxbd", x, kernel)
        else:
            mixed = jnp.einsum("nyxc,cd->nyxd", x, kernel[0, 0])
            # The published one fills every fourth pixel and leaves zeros between.
            fill = jnp.array([[1, 0], [0, 0]] if self.kind == "paper" else [[1, 1]] * 2)
            larger = jnp.einsum("nyxd,ab->nyaxbd", mixed, fill.astype(x.dtype))
        return jnp.concatenate([larger.reshape(n, 2 * y, 2 * x_size, c), skip], -1)


class FCDenseNet(nnx.Module):
    """Dense blocks down to a bottleneck and up again, with skips across."""

    def __init__(
        self,
        *,
        channels: int,
        growth: int = 256,
        kernel_size: int = 5,
        layers_down: tuple[int, ...] = (1, 2, 4),
        layers_bottleneck: int = 3,
        layers_up: tuple[int, ...] = (4, 2, 1),
        upsampling: str = "resize",
        dropout: float = 0.0,
        remat: bool = False,
        axis_name: str | None = None,
        convolve: Convolve = convolve,
        dense_outputs: DenseOutputs = layer_by_layer,
        dtype: jnp.dtype = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Creates the parameters.

        Args:
          channels: of the input, one per probe position; 1024 in the paper.
          growth: channels that every dense layer adds.
          kernel_size: of the dense layers [pixels].
          layers_down: layers of each block on the way down; each halves the side.
          layers_bottleneck: of the block between.
          layers_up: layers of each block on the way up, as many blocks as down.
          upsampling: "resize" (nearest neighbour), "deconvolution" (2 x 2 kernels)
            or "paper" (1 x 1 kernels with stride 2, which leave zeros between).
          dropout: share of every dense layer's outputs that is dropped in training.
          remat: keep no more than the inputs of every dense block for the backward
            pass, and compute the rest again.
          axis_name: mesh axis over which batch statistics are shared.
          convolve: (images, kernel) -> images, of all layers that are not 1 x 1.
          dense_outputs: how the layers of a block are computed, see dense_block.
          dtype: of the computation; parameters are float32.
          rngs: source of the initial values.
        """
        if len(layers_down) != len(layers_up):
            raise ValueError(f"{layers_down=} and {layers_up=} differ in length.")
        self.dtype, self.remat, self.dropout = dtype, remat, dropout
        self.num_levels = len(layers_down)
        self.convolve, self.dense_outputs = convolve, dense_outputs
        self.CONV_INIT = _Kernel(
            kernel_size, channels, growth, bias=True, convolve=convolve, rngs=rngs
        )
        width, skips, block = growth, [], 0
        for level, layers in enumerate(layers_down):
            self._block(block, layers, width, growth, kernel_size, rngs)
            width += layers * growth
            skips.append(width)
            down = TransitionDown(width, axis_name=axis_name, dtype=dtype, rngs=rngs)
            setattr(self, f"TD_{level}", down)
            block += 1
        self._block(block, layers_bottleneck, width, growth, kernel_size, rngs)
        new = layers_bottleneck * growth
        for level, layers in enumerate(layers_up):
            setattr(self, f"TU_{level}", TransitionUp(new, upsampling, rngs=rngs))
            width, block = new + skips.pop(), block + 1
            self._block(block, layers, width, growth, kernel_size, rngs)
            width, new = width + layers * growth, layers * growth
        self.CONV_FIN = _Kernel(1, width, 1, rngs=rngs)

    def _block(self, number, layers, fan_in, growth, size, rngs) -> None:
        block = DenseBlock(
            layers,
            fan_in,
            growth,
            size,
            dropout=self.dropout,
            convolve=self.convolve,
            dense_outputs=self.dense_outputs,
            rngs=rngs,
        )
        setattr(self, f"DB_{number}", block)

    def _dense(
        self, number: int, x: jax.Array, keys: jax.Array | None
    ) -> tuple[jax.Array, jax.Array]:
        block = getattr(self, f"DB_{number}")
        if keys is not None:
            keys = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
        return (jax.checkpoint(block) if self.remat else block)(x, keys)

    def __call__(
        self, patterns: jax.Array, *, train: bool, keys: jax.Array | None = None
    ) -> jax.Array:
        """Maps patterns to a map.

        Args:
          patterns: [n, y, x, channels]; sides divide by 2 per level.
          train: batch statistics if true, running statistics if false.
          keys: of the samples [n], of what is dropped; none: nothing is.

        Returns:
          [n, y, x], float32.
        """
        x, skips = nnx.relu(self.CONV_INIT(patterns.astype(self.dtype))), []
        for level in range(self.num_levels):
            x, _ = self._dense(level, x, keys)
            skips.append(x)
            x = getattr(self, f"TD_{level}")(x, train)
        _, new = self._dense(self.num_levels, x, keys)
        for level in range(self.num_levels):
            x = getattr(self, f"TU_{level}")(new, skips.pop())
            x, new = self._dense(self.num_levels + 1 + level, x, keys)
        return self.CONV_FIN(x)[..., 0].astype(jnp.float32)

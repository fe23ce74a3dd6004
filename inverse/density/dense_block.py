"""Dense blocks: layers that each see the outputs of all before them.

Two ways to the same outputs, with as many convolutions. Layer by layer, as it is
written down, every layer convolves all that it sees, into few channels. Source by
source, a source is convolved once for all later layers, into many channels: nothing
that layers see is joined or kept twice, and a CPU is faster at it
(benchmarks/step_time.py). Two prices: sums over sources are kept in the type of the
computation, which half precision would feel, and the gradients of a block's kernels are
ready all at once.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

Convolve = Callable[[jax.Array, jax.Array], jax.Array]
# (outputs of a layer, its number) -> what later layers see of them.
Drop = Callable[[jax.Array, int], jax.Array]
DenseOutputs = Callable[
    [jax.Array, Sequence[jax.Array], Convolve, Drop], list[jax.Array]
]


def layer_by_layer(
    x: jax.Array, kernels: Sequence[jax.Array], convolve: Convolve, drop: Drop
) -> list[jax.Array]:
    """Computes the outputs of all layers, one convolution a layer.

    Args:
      x: what the block is given [n, y, x, c].
      kernels: of layer i [size, size, c + i * growth, growth].
      convolve: (images, kernel) -> images.
      drop: of every layer's outputs.

    Returns:
      the outputs of each layer [n, y, x, growth].
    """
    outputs = []
    for i, kernel in enumerate(kernels):
        seen = jnp.concatenate([x, *outputs], axis=-1)
        outputs.append(drop(convolve(jax.nn.relu(seen), kernel), i))
    return outputs


def source_by_source(
    x: jax.Array, kernels: Sequence[jax.Array], convolve: Convolve, drop: Drop
) -> list[jax.Array]:
    """Computes what `layer_by_layer` does, of the same, one convolution a source."""
    source, start, outputs, sums = x, 0, [], None
    for i in range(len(kernels)):
        stop = start + source.shape[-1]
        wide = jnp.concatenate([k[:, :, start:stop] for k in kernels[i:]], axis=-1)
        # To this layer and each after it.
        given = jnp.split(
            convolve(jax.nn.relu(source), wide), len(kernels) - i, axis=-1
        )
        sums = given if sums is None else list(map(jnp.add, sums[1:], given))
        source, start = drop(sums[0], i), stop
        outputs.append(source)
    return outputs

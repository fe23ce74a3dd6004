"""What a training step keeps in memory, before anything is run."""

import math
from typing import Any, NamedTuple

import jax

from inverse import factories
from inverse.density.models import level_sides_and_blocks
from inverse.factories import Network

REMATS = ("auto", "always", "never")


class MemoryEstimate(NamedTuple):
    """Bytes on one device; what the compiler adds for itself is not in it.

    Attributes:
      state: parameters, moments, averages.
      gradients: float32, and once more the largest group in its buffer.
      batch: patterns and densities.
      kept: intermediate results that the backward pass needs.
      again: those of the largest block that is computed a second time; 0 if none is.
    """

    state: int
    gradients: int
    batch: int
    kept: int
    again: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


def _num_bytes(tree: Any) -> int:
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))


def kept_bytes(network: Network, config) -> int:
    """Bytes that the forward pass hands to the backward pass, arguments aside."""
    loss = factories.make_loss(network)

    def forward(params, batch_stats, patterns, density):
        return jax.vjp(lambda p: loss(p, batch_stats, patterns, density), params)[1]

    shapes = (network.params, network.batch_stats, *factories.batch_shapes(config))
    jaxpr = jax.make_jaxpr(forward)(*shapes).jaxpr
    arguments = set(map(id, jaxpr.invars))
    # A value that several products need is kept once.
    kept = {id(v): v.aval for v in jaxpr.outvars if id(v) not in arguments}
    return _num_bytes([aval for aval in kept.values() if hasattr(aval, "shape")])


def _largest_block(config) -> int:
    """Bytes of the inputs of all layers of the dense block that has most."""
    model = config.model
    itemsize = jax.numpy.dtype(model.dtype).itemsize
    sizes = [
        side**2 * sum(fan_in + i * model.growth for i in range(layers))
        for side, fan_in, layers in level_sides_and_blocks(
            model.image_size,
            model.growth,
            tuple(model.layers_down),
            model.layers_bottleneck,
            tuple(model.layers_up),
        )
    ]
    return max(sizes) * itemsize * config.per_device_batch_size


def estimate(
    config, *, remat: bool, largest_group: int | None = None
) -> MemoryEstimate:
    """Estimates one device's memory with or without recomputing dense blocks.

    Args:
      config: the whole configuration.
      remat: whether dense blocks are computed again.
      largest_group: bytes of the reduction's largest buffer; by default, of all
        gradients at once.
    """
    parts = config.parallel.micro_batches
    network = factories.make_network(config, remat=remat)
    params, wire = _num_bytes(network.params), config.parallel.wire_dtype or "float32"
    if largest_group is None:
        largest_group = params * jax.numpy.dtype(wire).itemsize // 4
    return MemoryEstimate(
        # Parameters, Adam's two moments, the average.
        state=4 * params + 2 * _num_bytes(network.batch_stats),
        gradients=params + largest_group,
        batch=_num_bytes(factories.batch_shapes(config)),
        kept=kept_bytes(network, config) // parts,
        again=_largest_block(config) // parts if remat else 0,
    )


def needs_remat(config) -> bool:
    """Whether dense blocks are to be computed again for the backward pass.

    Of "auto": where the estimate without it exceeds nine tenths of
    `config.machine.memory_gib`; the rest is left to the compiler. XLA's CPU back end
    keeps what it could compute again, so that there it never helps.
    """
    if config.model.remat != "auto":
        return config.model.remat == "always"
    if config.machine.platform == "cpu":
        return False
    usable = 0.9 * config.machine.memory_gib * (1 << 30)
    return estimate(config, remat=False).total > usable

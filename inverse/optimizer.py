"""Adam with layer-wise adaptive rate control, and its learning rate over the steps."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from parallel.grouping import top_level_block
from parallel.named_leaves import from_named_leaves, named_leaves

SCHEDULES = ("published", "cosine")


def scale_by_larc(
    trust: float = 1e-3,
    smallest: float = 1e-4,
    largest: float = 1.0,
    epsilon: float = 1e-8,
    block_of: Callable[[str], str] = top_level_block,
) -> optax.GradientTransformation:
    """Shrinks the gradients of blocks in which they are large beside the parameters.

    Every gradient of a block is multiplied by
    clip(trust |w| / (|g| + epsilon), smallest, largest), norms taken over the block.
    Before Adam, which divides by the size of recent gradients, this only matters
    where the ratio changes from step to step: it damps gradients that leap.

    Args:
      trust: wanted size of a gradient, as a share of its block's parameters.
      smallest: bound of the factor.
      largest: bound of the factor.
      epsilon: added to the norm of the gradients.
      block_of: name of a leaf -> its block.

    References:
      "Large Batch Training of Convolutional Networks" (arXiv:1708.03888); its "scale"
      mode with one ratio per block, as in arXiv:1909.11150.
    """

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        if params is None:
            raise ValueError("scale_by_larc needs the parameters: pass params.")
        grads, weights = named_leaves(updates), named_leaves(params)
        blocks = {}
        for name in grads:
            blocks.setdefault(block_of(name), []).append(name)
        scaled = {}
        for names in blocks.values():
            ratio = _norm(weights, names) / (_norm(grads, names) + epsilon)
            factor = jnp.clip(trust * ratio, smallest, largest)
            scaled |= {n: grads[n] * factor.astype(grads[n].dtype) for n in names}
        return from_named_leaves(updates, scaled), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _norm(leaves: dict[str, jax.Array], names: list[str]) -> jax.Array:
    return optax.tree.norm([leaves[name].astype(jnp.float32) for name in names])


def published_schedule(
    initial: float, decay: float, decay_steps: int, warm_steps: int, largest: float
) -> optax.Schedule:
    """The learning rate initial * decay^k * (1 + step / warm_steps), capped.

    Args:
      initial: at step 0.
      decay: factor of every interval.
      decay_steps: length of an interval; k counts them.
      warm_steps: after so many the linear factor has doubled the rate.
      largest: cap.
    """

    def learning_rate(step):
        rate = initial * decay ** (step // decay_steps) * (1 + step / warm_steps)
        return jnp.minimum(rate, largest)

    return learning_rate


def adam(
    learning_rate: optax.Schedule, *, weight_decay: float, larc: bool
) -> optax.GradientTransformation:
    """Adam on the gradient of loss + weight_decay / 2 |w|^2, with or without LARC."""
    return optax.chain(
        optax.add_decayed_weights(weight_decay),
        scale_by_larc() if larc else optax.identity(),
        optax.scale_by_adam(),
        optax.scale_by_learning_rate(learning_rate),
    )


def averaged(params: Any, average: Any, step: jax.Array, decay: float) -> Any:
    """Moves an exponential moving average of the parameters by one step.

    At first it forgets faster than `decay` says, or the initial values would stay in it
    for 1 / (1 - decay) steps.
    """
    rate = 1 - jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return optax.incremental_update(params, average, rate)

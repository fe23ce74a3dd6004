"""Narrow types without lost gradients: the loss scale, judged on the summed gradient.

"Mixed Precision Training" (arXiv:1710.03740): gradients of a half-precision step are
multiplied by a scale that is as large as it can be. A step whose summed gradient is not
finite is skipped, by all devices alike since all see the same sum.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

_START = 2.0**15
_DOUBLE_AFTER = 2000  # good steps in a row
_SMALLEST, _LARGEST = 2.0**-14, 2.0**24


class LossScale(flax.struct.PyTreeNode):
    """What the loss is multiplied by, and what became of the steps.

    Attributes:
      scale: float32, a power of two.
      good_in_a_row: steps that were applied since the scale last changed, int32.
      skipped: steps that were not applied, int32.
      skipped_in_a_row: those since the last one that was, int32.
      dynamic: whether the scale moves; bfloat16 and float32 need none.
    """

    scale: jax.Array
    good_in_a_row: jax.Array
    skipped: jax.Array
    skipped_in_a_row: jax.Array
    dynamic: bool = flax.struct.field(pytree_node=False)


def create_loss_scale(dtype: str) -> LossScale:
    """The scale to start with for a network that computes in `dtype`."""
    dynamic = dtype == "float16"
    return LossScale(
        scale=jnp.float32(_START if dynamic else 1.0),
        good_in_a_row=jnp.int32(0),
        skipped=jnp.int32(0),
        skipped_in_a_row=jnp.int32(0),
        dynamic=dynamic,
    )


def unscaled(grads: Any, loss_scale: LossScale) -> Any:
    """Divides the gradients of a scaled loss by its scale."""
    return jax.tree.map(lambda x: x / loss_scale.scale.astype(x.dtype), grads)


def all_finite(tree: Any) -> jax.Array:
    """Whether no leaf holds an infinity or NaN."""
    leaves = [jnp.isfinite(x).all() for x in jax.tree.leaves(tree)]
    return jnp.stack([jnp.array(True), *leaves]).all()


def keep_if(condition: jax.Array, new: Any, old: Any) -> Any:
    """Returns `new` where the scalar `condition` holds, otherwise `old`."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def after_step(loss_scale: LossScale, finite: jax.Array) -> LossScale:
    """Moves the scale: halved by an overflow, doubled after 2000 good steps.

    Args:
      loss_scale: of the step.
      finite: whether its *summed* gradient was. Replicas that judge their own
        gradients come to different ends, and drift apart.
    """
    skipped = (~finite).astype(jnp.int32)
    good = jnp.where(finite, loss_scale.good_in_a_row + 1, 0)
    scale = loss_scale.scale
    if loss_scale.dynamic:
        grows = good >= _DOUBLE_AFTER
        scale = jnp.where(finite, jnp.where(grows, 2 * scale, scale), scale / 2)
        scale = jnp.clip(scale, _SMALLEST, _LARGEST)
        good = jnp.where(grows, 0, good)
    return loss_scale.replace(
        scale=scale,
        good_in_a_row=good,
        skipped=loss_scale.skipped + skipped,
        skipped_in_a_row=(loss_scale.skipped_in_a_row + 1) * skipped,
    )

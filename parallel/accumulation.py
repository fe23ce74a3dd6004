"""Gradients of several micro-batches, reduced once."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def accumulated(value_and_grad_fn: Callable, num_micro_batches: int) -> Callable:
    """Makes a gradient function work through its batch in parts.

    Gradients are summed on the device in float32; nothing is exchanged between parts,
    so whatever reduces the result does it once a step. Batch statistics, if the loss
    has any, are those of a part.

    Args:
      value_and_grad_fn: (params, *batch) -> (loss, gradients), means over the batch.
      num_micro_batches: parts; must divide the leading axis of every leaf of `batch`.

    Returns:
      A function with the same arguments and results, up to the order of summation.
    """
    if num_micro_batches < 1:
        raise ValueError(f"num_micro_batches must be 1 or more: {num_micro_batches}.")
    if num_micro_batches == 1:
        return value_and_grad_fn

    def split(leaf: jax.Array) -> jax.Array:
        if not leaf.ndim:
            raise ValueError("a leaf of the batch is one number: it has no examples.")
        per_part, rest = divmod(leaf.shape[0], num_micro_batches)
        if rest:
            raise ValueError(
                f"a batch of {leaf.shape[0]} does not divide into "
                f"{num_micro_batches} micro-batches."
            )
        return leaf.reshape(num_micro_batches, per_part, *leaf.shape[1:])

    def accumulate(params: Any, *batch: Any) -> tuple[jax.Array, Any]:
        parts = jax.tree.map(split, batch)

        def add_part(total, part):
            found = value_and_grad_fn(params, *part)
            wide = jax.tree.map(lambda x: x.astype(jnp.float32), found)
            return jax.tree.map(jnp.add, total, wide), None

        first = jax.tree.map(lambda x: x[0], parts)
        rest = jax.tree.map(lambda x: x[1:], parts)
        start = value_and_grad_fn(params, *first)
        wide = jax.tree.map(lambda x: x.astype(jnp.float32), start)
        total, _ = jax.lax.scan(add_part, wide, rest)
        return jax.tree.map(
            lambda x, like: (x / num_micro_batches).astype(like.dtype), total, start
        )

    return accumulate

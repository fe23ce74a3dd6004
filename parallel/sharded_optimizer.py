"""Optimizer state that is spread over the devices that share a batch (ZeRO, stage 1).

"ZeRO: Memory Optimizations Toward Training Trillion Parameter Models"
(arXiv:1910.02054). Each device keeps the optimizer's moments of an n-th of every group
of a reduction plan, updates that part of the parameters, and the parts are gathered.
It sends the bytes of an all-reduce, and its moments take an n-th of the memory.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from parallel.named_leaves import from_named_leaves, named_leaves
from parallel.plan_check import scope_name
from parallel.reduction_plan import Group, ReductionPlan


class ShardedOptimizer(NamedTuple):
    """An optimizer of which every device does its part.

    Attributes:
      init: params -> this device's state; call it inside `shard_map`, and name the
        data axis first in the out_specs of all its leaves of one dimension or more.
      update: (gradients of this device, state, params) -> (params, state).
    """

    init: Callable[[Any], Any]
    update: Callable[[Any, Any, Any], tuple[Any, Any]]


def sharded_optimizer(
    optimizer: optax.GradientTransformation, plan: ReductionPlan, axis_name: str
) -> ShardedOptimizer:
    """Spreads `optimizer` over `axis_name`.

    Args:
      optimizer: treats every parameter by itself, as SGD and Adam do; one that looks
        at whole tensors (LARC, clipping by norm) would see parts of them.
      plan: groups of the gradients; each is reduced, updated and gathered as one.
      axis_name: mesh axis that shares the batch.
    """

    def init(params: Any) -> Any:
        parts = [_part(_flat(g, named_leaves(params)), axis_name) for g in plan.groups]
        return optimizer.init(parts)

    def update(grads: Any, state: Any, params: Any) -> tuple[Any, Any]:
        named_grads, named_params = named_leaves(grads), named_leaves(params)
        num_devices = jax.lax.axis_size(axis_name)
        sums, before = [], None
        for number, group in enumerate(plan.groups):
            flat = _padded(_flat(group, named_grads), axis_name)
            if before is not None:
                flat, before = jax.lax.optimization_barrier((flat, before))
            with jax.named_scope(scope_name(number)):
                before = jax.lax.psum_scatter(flat, axis_name, tiled=True)
            sums.append(before / num_devices)
        parts = [_part(_flat(g, named_params), axis_name) for g in plan.groups]
        updates, state = optimizer.update(sums, state, parts)
        parts = optax.apply_updates(parts, updates)
        updated = {}
        for group, part in zip(plan.groups, parts, strict=True):
            whole = jax.lax.all_gather(part, axis_name, tiled=True, to="invarying")
            updated |= _leaves(group, whole, named_params)
        return from_named_leaves(params, updated), state

    return ShardedOptimizer(init, update)


def _flat(group: Group, named: dict[str, jax.Array]) -> jax.Array:
    return jnp.concatenate([named[name].ravel() for name in group.names])


def _padded(flat: jax.Array, axis_name: str) -> jax.Array:
    return jnp.pad(flat, (0, -flat.size % jax.lax.axis_size(axis_name)))


def _part(flat: jax.Array, axis_name: str) -> jax.Array:
    """This device's part of a buffer."""
    padded = _padded(flat, axis_name)
    size = padded.size // jax.lax.axis_size(axis_name)
    start = size * jax.lax.axis_index(axis_name)
    return jax.lax.dynamic_slice_in_dim(padded, start, size)


def _leaves(
    group: Group, flat: jax.Array, like: dict[str, jax.Array]
) -> dict[str, jax.Array]:
    """Cuts a buffer into the leaves of its group."""
    ends = np.cumsum(group.sizes).tolist()
    return {
        name: flat[end - size : end].reshape(like[name].shape)
        for name, size, end in zip(group.names, group.sizes, ends, strict=True)
    }

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
import optax

from parallel.group_buffer import is_cast, pack, padded, require_planned, unpack
from parallel.named_leaves import from_named_leaves, named_leaves
from parallel.plan_check import scope_name
from parallel.reduction_plan import COMPRESSED, WIRE_DTYPES, Group, ReductionPlan


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

    if any(group.wire_dtype == COMPRESSED for group in plan.groups):
        raise ValueError(
            f"wire_dtype={COMPRESSED!r}: parts of an optimizer keep no error feedback; "
            f"choose one of {', '.join(WIRE_DTYPES)}."
        )

    def init(params: Any) -> Any:
        named = named_leaves(params)
        require_planned(plan, named)
        return optimizer.init([_part(_flat(g, named), axis_name) for g in plan.groups])

    def update(grads: Any, state: Any, params: Any) -> tuple[Any, Any]:
        named_grads, named_params = named_leaves(grads), named_leaves(params)
        require_planned(plan, named_grads)
        parts = [_part(_flat(g, named_params), axis_name) for g in plan.groups]
        means = _scattered_means(plan, named_grads, axis_name)
        means = [m.astype(part.dtype) for m, part in zip(means, parts, strict=True)]
        updates, state = optimizer.update(means, state, parts)
        parts = optax.apply_updates(parts, updates)
        return from_named_leaves(
            params, _gathered(plan, parts, named_params, axis_name)
        ), state

    return ShardedOptimizer(init, update)


def _scattered_means(
    plan: ReductionPlan, grads: dict[str, jax.Array], axis_name: str
) -> list[jax.Array]:
    """This device's part of every group's mean, summed group after group."""
    num_devices, before, means = jax.lax.axis_size(axis_name), None, []
    for number, group in enumerate(plan.groups):
        flat = padded(pack(group, grads, num_devices), num_devices)
        if before is not None:
            flat, before = jax.lax.optimization_barrier((flat, before))
        with jax.named_scope(scope_name(number)):
            before = jax.lax.psum_scatter(flat, axis_name, tiled=True)
        means.append(before if is_cast(group, grads) else before / num_devices)
    return means


def _gathered(
    plan: ReductionPlan,
    parts: list[jax.Array],
    like: dict[str, jax.Array],
    axis_name: str,
) -> dict[str, jax.Array]:
    """All leaves of every group, gathered from the devices' parts in their order."""
    before, leaves = None, {}
    for number, (group, part) in enumerate(zip(plan.groups, parts, strict=True)):
        if before is not None:
            part, before = jax.lax.optimization_barrier((part, before))
        with jax.named_scope(scope_name(number)):
            before = jax.lax.all_gather(part, axis_name, tiled=True, to="invarying")
        leaves |= unpack(group, before, like)
    return leaves


def _flat(group: Group, named: dict[str, jax.Array]) -> jax.Array:
    """Parameters of a group, in the widest type among them."""
    return jnp.concatenate([named[name].ravel() for name in group.names])


def _part(flat: jax.Array, axis_name: str) -> jax.Array:
    """This device's part of a buffer."""
    whole = padded(flat, jax.lax.axis_size(axis_name))
    size = whole.size // jax.lax.axis_size(axis_name)
    start = size * jax.lax.axis_index(axis_name)
    return jax.lax.dynamic_slice_in_dim(whole, start, size)

"""Gradients that travel as bytes, with what rounding loses sent along a step later.

Error feedback: "1-bit Stochastic Gradient Descent" (Seide et al., Interspeech 2014);
its convergence: "Error Feedback Fixes SignSGD" (arXiv:1901.09847). A sum of bytes does
not fit into a byte, so parts are exchanged, summed in float32 where they arrive, and
gathered: 2 (n - 1) / n bytes per number, as a ring of n devices sends of any type.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from parallel.group_buffer import padded, require_planned, unpack
from parallel.named_leaves import from_named_leaves, named_leaves
from parallel.plan_check import scope_name
from parallel.reduction_plan import COMPRESSED, Group, ReductionPlan

_LARGEST = 127.0
Residuals = list[tuple[jax.Array, jax.Array]]


class CompressedReduction(NamedTuple):
    """A reduction with a memory.

    Attributes:
      init: params -> this device's residuals, zeros; call it inside `shard_map`, and
        name the data axis first in the out_specs of all leaves. A checkpoint that
        drops them loses no more than one step's rounding.
      reduce: (gradients of this device, residuals) -> (of the batch, residuals). Of a
        group in which any device has a number that is not finite, the result is not
        finite either, and its residuals stay what they were; a step that is not
        applied for it should keep those of all groups.
    """

    init: Callable[[Any], Residuals]
    reduce: Callable[[Any, Residuals], tuple[Any, Residuals]]


def _rounded(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns (bytes, their unit, what is lost) of a buffer.

    If any of its numbers is not finite, neither is the unit: no byte could say so.
    """
    largest = jnp.max(jnp.abs(x), initial=0.0)
    unit = jnp.where(largest == 0, 1.0, largest / _LARGEST)
    narrow = jnp.round(x / unit).astype(jnp.int8)
    return narrow, unit, x - narrow * unit


def _padded_size(group: Group, num_devices: int) -> int:
    return -(-sum(group.sizes) // num_devices) * num_devices


def compressed(plan: ReductionPlan, axis_name: str) -> CompressedReduction:
    """Averages over `axis_name`, group by group, in the order of `plan`.

    Args:
      plan: of wire type "int8".
      axis_name: mesh axis that shares the batch.

    Raises:
      ValueError: a group of the plan has another wire type.
    """
    for group in plan.groups:
        if group.wire_dtype != COMPRESSED:
            raise ValueError(
                f"wire_dtype={group.wire_dtype!r} needs no error feedback: "
                "use reduction.planned."
            )

    def init(params: Any) -> Residuals:
        del params
        n = jax.lax.axis_size(axis_name)

        def zeros(size):
            return jax.lax.pcast(jnp.zeros(size), (axis_name,), to="varying")

        sizes = [_padded_size(group, n) for group in plan.groups]
        return [(zeros(size), zeros(size // n)) for size in sizes]

    def reduce(grads: Any, residuals: Residuals) -> tuple[Any, Residuals]:
        named, reduced, kept, before = named_leaves(grads), {}, [], None
        require_planned(plan, named)
        for number, (group, lost) in enumerate(
            zip(plan.groups, residuals, strict=True)
        ):
            leaves = [named[name].ravel() for name in group.names]
            flat = jnp.concatenate([leaf.astype(jnp.float32) for leaf in leaves])
            flat = padded(flat, jax.lax.axis_size(axis_name))
            if before is not None:
                flat, before = jax.lax.optimization_barrier((flat, before))
            with jax.named_scope(scope_name(number)):
                before, lost = _mean(flat, lost, axis_name)
            kept.append(lost)
            reduced |= unpack(group, before, named)
        return from_named_leaves(grads, reduced), kept

    return CompressedReduction(init, reduce)


def _mean(
    flat: jax.Array, lost: tuple[jax.Array, jax.Array], axis_name: str
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Mean of a buffer [size] over devices; `lost` are [size] and [size / n]."""
    n = jax.lax.axis_size(axis_name)
    narrow, unit, lost_sending = _rounded(flat + lost[0])
    parts = jax.lax.all_to_all(narrow.reshape(n, flat.size // n), axis_name, 0, 0)
    sent = jax.lax.all_gather(unit, axis_name)
    mean = jnp.sum(parts * sent[:, None], axis=0) / n
    narrow, unit, lost_gathering = _rounded(mean + lost[1])
    wholes = jax.lax.all_gather(narrow, axis_name, to="invarying")
    units = jax.lax.all_gather(unit, axis_name, to="invarying")
    # An infinity that went into the residuals would never leave them.
    fine = jnp.isfinite(sent).all() & jnp.isfinite(units).all()
    kept = (
        jnp.where(fine, lost_sending, lost[0]),
        jnp.where(fine, lost_gathering, lost[1]),
    )
    return (wholes * units[:, None]).ravel(), kept

"""The flat buffer in which the gradients of one group travel: packed and unpacked."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from parallel.reduction_plan import Group, ReductionPlan


def require_planned(plan: ReductionPlan, named: dict[str, Any]) -> None:
    """Refuses gradients that `plan` was not made of.

    Args:
      plan: groups of the gradients.
      named: leaves (or their shapes) by name.

    Raises:
      ValueError: names what differs.
    """
    sizes = {name: leaf.size for name, leaf in named.items()}
    expected = {
        name: size
        for group in plan.groups
        for name, size in zip(group.names, group.sizes, strict=True)
    }
    if sizes != expected:
        differing = sorted(dict(sizes.items() ^ expected.items()))
        raise ValueError(
            f"the plan {plan.digest()[:16]} is of other gradients: "
            f"{', '.join(differing[:3])} differ{'' if len(differing) > 1 else 's'}; "
            "make the plan again."
        )


def is_cast(group: Group, named: dict[str, Any]) -> bool:
    """Whether any leaf of the group travels in another type than its own."""
    return any(named[name].dtype != group.wire_dtype for name in group.names)


def pack(group: Group, named: dict[str, jax.Array], num_devices: int) -> jax.Array:
    """One buffer of a group's gradients, in its wire type.

    If the type of any leaf changes, all are divided by `num_devices` before it does:
    the sum of many devices may not fit into a narrow type. `unpack` knows.
    """
    leaves = [named[name].ravel() for name in group.names]
    if is_cast(group, named):
        leaves = [(leaf / num_devices).astype(group.wire_dtype) for leaf in leaves]
    return jnp.concatenate(leaves)


def unpack(
    group: Group, flat: jax.Array, like: dict[str, Any], num_devices: int = 1
) -> dict[str, jax.Array]:
    """Cuts a buffer into leaves.

    Args:
      group: that travelled in the buffer.
      flat: the buffer; it may be padded.
      like: leaves (or their shapes) by name.
      num_devices: over which `flat` is a sum of what `pack` made; 1: it is a mean.
    """
    if is_cast(group, like):
        num_devices = 1  # divided before
    ends, found = np.cumsum(group.sizes).tolist(), {}
    for name, size, end in zip(group.names, group.sizes, ends, strict=True):
        part = jax.lax.slice_in_dim(flat, end - size, end)
        # Leaf by leaf: a division of the whole would be another pass over it.
        mean = part if num_devices == 1 else part / num_devices
        found[name] = mean.astype(like[name].dtype).reshape(like[name].shape)
    return found


def padded(flat: jax.Array, num_parts: int) -> jax.Array:
    """A buffer with zeros at its end, so that it has `num_parts` equal parts."""
    return jnp.pad(flat, (0, -flat.size % num_parts))

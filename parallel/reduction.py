"""How the gradients of many devices become one."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from parallel.group_buffer import pack, padded, require_planned, unpack
from parallel.named_leaves import from_named_leaves, named_leaves
from parallel.plan_check import scope_name
from parallel.reduction_plan import COMPRESSED, ReductionPlan


class Reduction(NamedTuple):
    """Everything in a training step that crosses devices.

    Attributes:
      as_local: parameters -> this device's own copy. Without it, gradients of
        replicated parameters are summed by automatic differentiation itself, and
        an average taken afterwards changes nothing: they stay n times too large.
      reduce: gradients of this device's examples -> of the whole batch.
      mean: any metric of this device's examples -> of the whole batch.
      axis_name: mesh axis (or axes) that is reduced over, None on one device; layers
        that keep batch statistics want it.
    """

    as_local: Callable[[Any], Any]
    reduce: Callable[[Any], Any]
    mean: Callable[[Any], Any]
    axis_name: str | tuple[str, ...] | None


def _as_local(axis_names: tuple[str, ...], params: Any) -> Any:
    cast = functools.partial(jax.lax.pcast, axis_name=axis_names, to="varying")
    return jax.tree.map(cast, params)


def mean_over(axis_name: str, wire_dtype: str | None = None) -> Reduction:
    """Averages every leaf over `axis_name`, and leaves grouping to the compiler.

    Args:
      axis_name: mesh axis.
      wire_dtype: in which gradients travel; None: as they are.
    """
    mean = functools.partial(jax.lax.pmean, axis_name=axis_name)

    def narrow_mean(grads: Any) -> Any:
        num_devices = jax.lax.axis_size(axis_name)
        # Before the cast: the sum of many devices may not fit into a narrow type.
        narrow = jax.tree.map(lambda x: (x / num_devices).astype(wire_dtype), grads)
        total = jax.lax.psum(narrow, axis_name)
        return jax.tree.map(lambda x, like: x.astype(like.dtype), total, grads)

    return Reduction(
        functools.partial(_as_local, (axis_name,)),
        reduce=narrow_mean if wire_dtype else mean,
        mean=mean,
        axis_name=axis_name,
    )


def planned(plan: ReductionPlan, axis_name: str) -> Reduction:
    """Averages over `axis_name`, group by group, in the order of `plan`.

    Each group is one flat buffer and one all-reduce. A buffer waits for the reduction
    before it, which keeps the compiler from merging groups and from turning their
    order round. That both hold is to be seen in the compiled program alone.

    Raises:
      ValueError: when traced, if the gradients are not those of the plan.
    """
    total = functools.partial(jax.lax.psum, axis_name=axis_name)
    return _by_plan(plan, (axis_name,), total)


def hierarchical(plan: ReductionPlan, inner_axis: str, outer_axis: str) -> Reduction:
    """As `planned`, over two axes, most bytes on the inner one.

    Each group is summed and cut into parts inside (reduce-scatter), every part is
    summed across (all-reduce), and the parts are joined inside (all-gather): of n inner
    devices, each sends an n-th of the bytes over the outer links.

    Args:
      plan: see `planned`.
      inner_axis: mesh axis of fast links, e.g. the devices of one host.
      outer_axis: mesh axis of slow links, e.g. hosts.
    """

    def total(flat: jax.Array) -> jax.Array:
        whole = padded(flat, jax.lax.axis_size(inner_axis))
        part = jax.lax.psum_scatter(whole, inner_axis, tiled=True)
        part = jax.lax.psum(part, outer_axis)
        joined = jax.lax.all_gather(part, inner_axis, tiled=True, to="invarying")
        return joined[: flat.size]

    return _by_plan(plan, (inner_axis, outer_axis), total)


def _by_plan(
    plan: ReductionPlan,
    axis_names: tuple[str, ...],
    total: Callable[[jax.Array], jax.Array],
) -> Reduction:
    """A reduction that sums each of the plan's buffers with `total`."""
    if any(group.wire_dtype == COMPRESSED for group in plan.groups):
        raise ValueError(
            f"wire_dtype={COMPRESSED!r} rounds too much to forget what it loses: "
            "use error_feedback.compressed."
        )
    one = axis_names[0] if len(axis_names) == 1 else axis_names
    return Reduction(
        functools.partial(_as_local, axis_names),
        reduce=functools.partial(_mean_by_plan, plan, axis_names, total),
        mean=functools.partial(jax.lax.pmean, axis_name=one),
        axis_name=one,
    )


def _mean_by_plan(
    plan: ReductionPlan,
    axis_names: tuple[str, ...],
    total: Callable[[jax.Array], jax.Array],
    grads: Any,
) -> Any:
    named = named_leaves(grads)
    require_planned(plan, named)
    num_devices = math.prod(map(jax.lax.axis_size, axis_names))
    reduced, before = {}, None
    for number, group in enumerate(plan.groups):
        flat = pack(group, named, num_devices)
        if before is not None:
            flat, before = jax.lax.optimization_barrier((flat, before))
        with jax.named_scope(scope_name(number)):
            before = total(flat)
        reduced |= unpack(group, before, named, num_devices)
    return from_named_leaves(grads, reduced)


def _same(tree: Any) -> Any:
    return tree


ON_ONE_DEVICE = Reduction(_same, reduce=_same, mean=_same, axis_name=None)

"""Reduces each group of gradients on a thread of its own while the next is computed.

XLA's CPU back end does not overlap compute and communication inside one program. So the
traced gradient is cut where groups of the plan are complete; every part is a program,
and what it completes is handed to one communication thread that reduces first in, first
out. All processes hold the same plan, so all reduce in the same order and nobody
coordinates.
"""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jax.sharding import Mesh, PartitionSpec

from parallel.group_buffer import require_planned, unpack
from parallel.linear_program import cut, linear_program
from parallel.mesh import sharding, spmd
from parallel.named_leaves import from_named_leaves, named_leaves
from parallel.reduction_plan import COMPRESSED, WIRE_DTYPES, ReductionPlan


def mean_in_its_type(x: jax.Array, axis_name: str) -> jax.Array:
    """Mean over an axis, where the sum of narrow numbers may not fit into their type.

    XLA sums in the type that it is given: 20,000 from each of eight devices are
    infinite in float16.
    """
    if x.dtype.itemsize < 4:
        return jax.lax.psum(x / jax.lax.axis_size(axis_name), axis_name)
    return jax.lax.pmean(x, axis_name)


def mean_over_processes(mesh: Mesh, axis_name: str) -> Callable[[jax.Array], jax.Array]:
    """Returns a function that averages one buffer over processes.

    Every process calls it with buffers of the same sizes in the same order.

    Args:
      mesh: one device of every process on the axis `axis_name`.
      axis_name: of the mesh.
    """
    layout = sharding(mesh, axis_name)

    total = spmd(
        lambda x: mean_in_its_type(x[0], axis_name),
        mesh,
        PartitionSpec(axis_name),
        PartitionSpec(),
    )

    def mean(buffer: jax.Array) -> jax.Array:
        shape = (mesh.size, *buffer.shape)
        mine = jax.make_array_from_single_device_arrays(shape, layout, [buffer[None]])
        return total(mine).addressable_data(0)

    return mean


class SegmentedGradient:
    """A gradient whose groups are reduced while it is still being computed."""

    def __init__(
        self,
        value_and_grad_fn: Callable[..., tuple[jax.Array, Any]],
        plan: ReductionPlan,
        mean: Callable[[jax.Array], jax.Array],
        *arguments: Any,
    ):
        """Traces and cuts the gradient; compiles when it is first called.

        Args:
          value_and_grad_fn: (*arguments) -> (loss, gradients), of this process alone.
          plan: groups of the gradients.
          mean: averages a buffer over all processes; runs on the communication thread.
          *arguments: or their shapes.

        Raises:
          ValueError: the plan is of other gradients, of none, or of "int8", which
            rounds too much to forget what it loses.
        """
        shapes = jax.eval_shape(value_and_grad_fn, *arguments)
        self._like, self._plan, self._mean = shapes[1], plan, mean
        require_planned(plan, named_leaves(self._like))
        if not plan.groups:
            raise ValueError("a plan without groups: there are no gradients to reduce.")
        if any(group.wire_dtype == COMPRESSED for group in plan.groups):
            raise ValueError(
                f"wire_dtype={COMPRESSED!r} needs the memory of error_feedback; choose "
                f"one of {', '.join(WIRE_DTYPES)}."
            )
        program = linear_program(value_and_grad_fn, *arguments)
        self._inputs = program.inputs
        self._loss = program.outputs[0]
        names = list(named_leaves(self._like))
        of_name = dict(zip(names, program.outputs[1:], strict=True))
        self._wanted = [[of_name[n] for n in g.names] for g in plan.groups]
        # The loss is there before any gradient: the first part makes it.
        wanted = [[self._loss, *self._wanted[0]], *self._wanted[1:]]
        self._segments = cut(program, wanted)
        self._programs = [jax.jit(segment.run) for segment in self._segments]
        self._pack = [jax.jit(self._packer(g.wire_dtype)) for g in plan.groups]
        self._unpack = jax.jit(self._unpacked)
        self._thread = concurrent.futures.ThreadPoolExecutor(
            1, thread_name_prefix="communication"
        )

    @staticmethod
    def _packer(dtype: str):
        def pack(leaves):
            return jnp.concatenate([leaf.ravel().astype(dtype) for leaf in leaves])

        return pack

    def _unpacked(self, buffers: list[jax.Array]) -> Any:
        like, named = named_leaves(self._like), {}
        for group, buffer in zip(self._plan.groups, buffers, strict=True):
            named |= unpack(group, buffer, like)
        return from_named_leaves(self._like, named)

    def _reduce(self, buffer: jax.Array) -> jax.Array:
        # Waited for here, so that a reduction never holds up the next part's compute.
        return jax.block_until_ready(self._mean(jax.block_until_ready(buffer)))

    def __call__(self, *arguments: Any) -> tuple[jax.Array, Any]:
        """Returns (this process's loss, gradients averaged over all processes)."""
        known = dict(zip(self._inputs, jax.tree.leaves(arguments), strict=True))

        def look_up(value):
            return value.val if isinstance(value, core.Literal) else known[value]

        pending = []
        parts = zip(
            self._segments, self._programs, self._wanted, self._pack, strict=True
        )
        for segment, program, wanted, pack in parts:
            found = program(*[known[number] for number in segment.inputs])
            known.update(zip(segment.outputs, found, strict=True))
            buffer = pack([look_up(value) for value in wanted])
            pending.append(self._thread.submit(self._reduce, buffer))
        gradients = self._unpack([future.result() for future in pending])
        return look_up(self._loss), gradients

    def close(self) -> None:
        """Ends the communication thread."""
        self._thread.shutdown()

"""The training step of a stack of pairs, spread over a (label, data) mesh.

Nothing travels along the label axis: every pair is trained as if it were alone. How the
pairs of one device take turns is a choice of speed alone (benchmarks/entry_loop.py):
  dispatch  one compiled step of one pair, called once per pair
  unroll    all pairs one after the other in one program
  scan      a compiled loop over the pairs
  vmap      all pairs at once, convolutions grouped
  chunk     a compiled loop over vmaps of `chunk_size` pairs
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from gan.train_step import METRICS
from parallel.compiler_options import convolution_options
from parallel.mesh import DATA_AXIS, LABEL_AXIS, sharding, spmd

LOOPS = ("dispatch", "unroll", "scan", "vmap", "chunk")

_BY_ENTRY = PartitionSpec(LABEL_AXIS)
_BATCHES = PartitionSpec(None, LABEL_AXIS, DATA_AXIS)
_EVERYWHERE = PartitionSpec()


def fastest_loop(platform: str) -> str:
    """The loop to take on `platform` unless another is asked for.

    On "cpu", programs with grouped convolutions ran 2 times slower, those with
    convolutions inside compiled loops 30 times; "unroll" runs as fast as "dispatch" or
    a little faster, but takes eight times as long to compile, longer with every pair
    (benchmarks/results/entry_loop_cpu.json). Accelerators want the grouped form; it was
    not measured there yet.
    """
    return "dispatch" if platform == "cpu" else "vmap"


def _one_after_the_other(step, state, batch, entries, key):
    results = [
        step(*jax.tree.map(lambda x, i=i: x[i], (state, batch, entries)), key)
        for i in range(len(entries))
    ]
    return jax.tree.map(lambda *xs: jnp.stack(xs), *results)


def _options(mesh: Mesh) -> dict:
    return convolution_options(mesh.devices.flat[0].platform)


def _over_entries(step: Callable, loop: str, chunk_size: int) -> Callable:
    """Makes a step of one pair a step of the stack of pairs on one device."""
    if loop == "vmap":
        return jax.vmap(step, in_axes=(0, 0, 0, None))
    if loop == "unroll":
        return lambda *arguments: _one_after_the_other(step, *arguments)
    size = None if loop == "scan" else chunk_size

    def stacked_step(state, batch, entries, key):
        return jax.lax.map(
            lambda one: step(*one, key), (state, batch, entries), batch_size=size
        )

    return stacked_step


def _repeated(step: Callable, num_steps: int) -> Callable:
    """Takes `num_steps` steps; batches gain a leading axis of that length."""
    if num_steps == 1:
        return lambda state, batches, entries, key: step(
            state, jax.tree.map(lambda x: x[0], batches), entries, key
        )

    def steps(state, batches, entries, key):
        state, metrics = jax.lax.scan(
            lambda carried, batch: step(carried, batch, entries, key), state, batches
        )
        last = jax.tree.map(lambda x: x[-1], metrics)
        # A step that went bad is told of even if the last one was well again.
        codes = metrics["bad_tensor"]
        first = jnp.argmax(codes > 0, axis=0, keepdims=True)
        bad_tensor = jnp.take_along_axis(codes, first, axis=0)[0]
        return state, {**last, "bad_tensor": bad_tensor}

    return steps


def _take(tree, index, axis=0):
    """Cuts one entry out of every leaf; the axis stays, with length 1."""
    return jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, index, 1, axis), tree)


def _write(stack, entry, index):
    return jax.tree.map(
        lambda s, e: jax.lax.dynamic_update_slice_in_dim(s, e, index, 0), stack, entry
    )


def _dispatched(step: Callable, mesh: Mesh, num_entries: int) -> Callable:
    """Calls one compiled step once per pair of a device.

    Taking a pair out of the stack, its step and writing it back are programs of their
    own: in one program the compiler copies the whole stack instead of writing into it.
    """

    def step_of_one(state, batches, entries, key):
        alone = [jax.tree.map(lambda x: x[0], tree) for tree in (state, entries)]
        batches = jax.tree.map(lambda x: x[:, 0], batches)
        result = step(alone[0], batches, alone[1], key)
        return jax.tree.map(lambda x: x[None], result)

    by_entry = functools.partial(spmd, mesh=mesh, out_specs=_BY_ENTRY)
    take = by_entry(_take, in_specs=(_BY_ENTRY, _EVERYWHERE))
    take_batches = spmd(
        functools.partial(_take, axis=1), mesh, (_BATCHES, _EVERYWHERE), _BATCHES
    )
    take_step = by_entry(
        step_of_one,
        in_specs=(_BY_ENTRY, _BATCHES, _BY_ENTRY, _EVERYWHERE),
        donate_argnums=(0,),
        compiler_options=_options(mesh),
    )
    write = by_entry(
        _write, in_specs=(_BY_ENTRY, _BY_ENTRY, _EVERYWHERE), donate_argnums=(0,)
    )
    blank = {
        name: jax.device_put(jnp.zeros(num_entries, dtype), sharding(mesh, LABEL_AXIS))
        for name, dtype in METRICS.items()
    }

    def stacked_step(state, batches, entries, key):
        stack = (state, jax.tree.map(jnp.copy, blank))
        for index in range(num_entries // mesh.shape[LABEL_AXIS]):
            mine, number = take((stack[0], entries), index)
            one = take_step(mine, take_batches(batches, index), number, key)
            stack = write(stack, one, index)
        return stack

    return stacked_step


def make_label_sharded_step(
    train_step: Callable,
    mesh: Mesh,
    num_entries: int,
    *,
    loop: str,
    chunk_size: int,
    steps_per_dispatch: int,
) -> Callable:
    """Returns the step of all pairs on all devices.

    Args:
      train_step: of one pair, from `make_train_step` with a reduction over the mesh's
        data axis.
      mesh: axes (label, data).
      num_entries: pairs in the stack.
      loop: one of LOOPS.
      chunk_size: pairs per vmap, for "chunk".
      steps_per_dispatch: optimisation steps per call.

    Returns:
      step(state, batches, key) -> (state, metrics): leaves of `state` and `metrics`
      have a leading entry axis; leaves of `batches` are [steps_per_dispatch, entry,
      example, ...]; metrics are of the last step, "bad_tensor" of the first that went
      bad. `state` is consumed.
    """
    entries = jax.device_put(jnp.arange(num_entries), sharding(mesh, LABEL_AXIS))
    if loop == "dispatch":
        stacked = _dispatched(
            _repeated(train_step, steps_per_dispatch), mesh, num_entries
        )
    else:
        stacked = spmd(
            _repeated(_over_entries(train_step, loop, chunk_size), steps_per_dispatch),
            mesh,
            (_BY_ENTRY, _BATCHES, _BY_ENTRY, _EVERYWHERE),
            (_BY_ENTRY, _BY_ENTRY),
            donate_argnums=(0,),
            compiler_options=_options(mesh),
        )

    def label_sharded_step(state, batches, key):
        return stacked(state, batches, entries, key)

    return label_sharded_step

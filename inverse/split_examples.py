"""Examples of a split on the mesh: simulated where they are used, or read.

A source is what has `examples` (split -> function from a key to an example) and
`stored` (split -> the same examples in files).
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import PartitionSpec

from input_pipeline.simulated import SimulatedBatches
from inverse.setup import Setup
from parallel.mesh import DATA_AXIS, spmd, to_host, to_mesh

TRAIN = "train"
# Numbers under which the keys of a split's examples are drawn: never to be changed.
_SPLIT_NUMBERS = {
    TRAIN: 0,
    "materials": 1,
    "space_groups": 2,
    "validation": 3,
    "settings": 4,
}


def example_key(seed_key: jax.Array, split: str, number: jax.Array) -> jax.Array:
    """Key of example `number` uint32 [2] (high, low) of a split, on any machine."""
    key = jax.random.fold_in(jax.random.fold_in(seed_key, 2), _SPLIT_NUMBERS[split])
    return jax.random.fold_in(jax.random.fold_in(key, number[0]), number[1])


def make_examples_at(
    setup: Setup,
    source,
    split: str,
    transform: Callable[[dict], dict] | None = None,
) -> Callable[[np.ndarray], Any]:
    """Makes numbers [n, 2] of this process -> examples of all, on the mesh.

    Every device simulates its own share of a batch, one example after another; of a
    stored set every process reads its own.

    Args:
      setup: of the run.
      source: where examples come from.
      split: whose.
      transform: of an example, e.g. to the network's units.
    """
    divided = PartitionSpec(DATA_AXIS)

    def mapped(function):
        return spmd(function, setup.mesh, in_specs=divided, out_specs=divided)

    def make_share(numbers: jax.Array) -> dict[str, jax.Array]:
        def make(number):
            return source.examples[split](example_key(setup.key, split, number))

        return jax.lax.map(make, numbers)

    if split in source.stored:
        read = source.stored[split].read

        def found(numbers):
            return to_mesh(read(numbers), setup.batch_layout)
    else:
        simulate = mapped(make_share)

        def found(numbers):
            return simulate(to_mesh(numbers, setup.batch_layout))

    if transform is None:
        return found
    # A program of its own: it rounds alike, wherever the examples come from.
    arrange = mapped(jax.vmap(transform))
    return lambda numbers: arrange(found(numbers))


def take(setup: Setup, source, split: str, num: int) -> dict[str, np.ndarray]:
    """Takes the first `num` examples of a split, in physical units, to the host."""
    found = make_examples_at(setup, source, split)
    # A last batch is filled up with what is there: a stored split may hold no more.
    last = np.array([0, num - 1], np.uint32)
    batches = SimulatedBatches(
        lambda numbers: found(np.minimum(numbers, last)),
        batch_size=setup.batch_size,
        block=setup.block,
    )
    steps = range(-(-num // setup.batch_size))
    parts = [to_host(batches.batch_at(step)) for step in steps]
    return {
        name: np.concatenate([part[name] for part in parts])[:num] for name in parts[0]
    }

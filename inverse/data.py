"""The examples of a configuration: simulated where they are used."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import PartitionSpec

from input_pipeline.simulated import SimulatedBatches
from inverse import baselines, factories
from inverse.evaluate import Evaluator, HeldOut
from inverse.scan import Scan
from inverse.setup import Setup
from parallel.mesh import DATA_AXIS, spmd, to_host, to_mesh

TRAIN = "train"
# Numbers under which the keys of a split's examples are drawn: never to be changed.
_SPLIT_NUMBERS = {TRAIN: 0, "materials": 1, "space_groups": 2}


class Source(NamedTuple):
    """Where examples come from.

    Attributes:
      examples: split -> (key -> {"patterns" [y, x, c] intensities, "density" [y, x] in
        V Å}); "train" and splits whose materials it does not hold.
      scan: geometry of all examples.
    """

    examples: dict[str, Callable[[jax.Array], dict[str, jax.Array]]]
    scan: Scan

    @property
    def held_out(self) -> tuple[str, ...]:
        """Names of the splits that are not trained on."""
        return tuple(name for name in self.examples if name != TRAIN)


def example_key(seed_key: jax.Array, split: str, number: jax.Array) -> jax.Array:
    """Key of example `number` uint32 [2] (high, low) of a split, on any machine."""
    key = jax.random.fold_in(jax.random.fold_in(seed_key, 2), _SPLIT_NUMBERS[split])
    return jax.random.fold_in(jax.random.fold_in(key, number[0]), number[1])


def make_examples_at(
    setup: Setup, source: Source, split: str, transform: Callable[[dict], dict]
) -> Callable[[np.ndarray], Any]:
    """Makes numbers [n, 2] of this process -> examples of all, on the mesh.

    Every device simulates its own share of a batch, one example after another.

    Args:
      setup: of the run.
      source: where examples come from.
      split: whose.
      transform: of an example, e.g. to the network's units.
    """
    example = source.examples[split]

    def make_share(numbers: jax.Array) -> dict[str, jax.Array]:
        def make(number):
            return transform(example(example_key(setup.key, split, number)))

        return jax.lax.map(make, numbers)

    divided = PartitionSpec(DATA_AXIS)
    simulate = spmd(make_share, setup.mesh, in_specs=divided, out_specs=divided)
    return lambda numbers: simulate(to_mesh(numbers, setup.batch_layout))


def make_batches(config, setup: Setup, source: Source) -> SimulatedBatches:
    """The training batches, in the network's units."""
    normalisation = factories.make_normalisation(config)
    return SimulatedBatches(
        make_examples_at(setup, source, TRAIN, normalisation.example),
        batch_size=setup.batch_size,
        block=setup.block,
    )


def take(setup: Setup, source: Source, split: str, num: int) -> dict[str, np.ndarray]:
    """Simulates the first `num` examples of a split, in physical units, on the host."""
    batches = SimulatedBatches(
        make_examples_at(setup, source, split, lambda example: example),
        batch_size=setup.batch_size,
        block=setup.block,
    )
    steps = range(-(-num // setup.batch_size))
    parts = [to_host(batches.batch_at(step)) for step in steps]
    return {
        name: np.concatenate([part[name] for part in parts])[:num] for name in parts[0]
    }


def _hold_out(config, setup: Setup, source: Source, split: str) -> HeldOut:
    examples = take(setup, source, split, config.evaluation.num_examples)
    patterns, density = examples["patterns"], examples["density"]
    mean, shape = config.dataset.density_mean_va, density.shape[1:]
    return HeldOut(
        patterns,
        density,
        {
            "mean": baselines.mean_map(mean, len(density), shape),
            "idpc": baselines.integrated_centre_of_mass(
                patterns, source.scan, mean, shape
            ),
        },
    )


def make_evaluator(config, setup: Setup, source: Source) -> Evaluator:
    """Simulates what is held out and scores the baselines on it."""
    return Evaluator(
        setup.network,
        factories.make_normalisation(config),
        source.scan,
        {name: _hold_out(config, setup, source, name) for name in source.held_out},
        batch_size=setup.batch_size,
    )

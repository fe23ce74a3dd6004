"""The examples of a configuration: simulated where they are used, or read."""

import hashlib
import math
import types
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax

from input_pipeline.simulated import SimulatedBatches
from input_pipeline.stored import StoredExamples
from inverse.density import baselines, factories
from inverse.density.evaluate import Evaluator, HeldOut
from inverse.density.phase_retrieval import single_slice_phase
from inverse.density.set_description import require_same_examples
from inverse.errors import ConfigError
from inverse.materials import (
    digest_of_materials,
    embedded_materials,
    materials_of,
    split_materials,
)
from inverse.scan.geometry import Scan
from inverse.setup import Setup
from inverse.simulator.crystals import stack_crystals
from inverse.simulator.electron import wavelength_a
from inverse.simulator.examples import Ranges, make_example_fn
from inverse.simulator.specimen import orient, strain
from inverse.split_examples import TRAIN, make_examples_at, take
from parallel.mesh import to_mesh


class Source(NamedTuple):
    """Where examples come from.

    Attributes:
      examples: split -> (key -> {"patterns" [y, x, c] intensities, "density" [y, x] in
        V Å}); "train" and splits whose materials it does not hold.
      scan: geometry of all examples.
      materials: names of each split's materials.
      stored: split -> the same examples in files; empty: they are simulated.
      digest: of the crystals; two sources of one digest make the same examples.
    """

    examples: dict[str, Callable[[jax.Array], dict[str, jax.Array]]]
    scan: Scan
    materials: dict[str, tuple[str, ...]]
    stored: Mapping[str, StoredExamples] = types.MappingProxyType({})
    digest: str = ""

    @property
    def held_out(self) -> tuple[str, ...]:
        """Names of the splits that are not trained on."""
        return tuple(name for name in self.examples if name != TRAIN)


def open_source(config) -> Source:
    """Builds the crystals that `config.dataset` names, dealt to their splits."""
    dataset, model = config.dataset, config.model
    if dataset.structures:
        materials = materials_of(dataset.structures)
    else:
        materials = embedded_materials()
    splits = split_materials(
        materials,
        seed=dataset.split_seed,
        validation_share=dataset.validation_share,
        held_out_share=dataset.held_out_share,
        held_out_space_groups=tuple(dataset.held_out_space_groups),
    )
    dose = tuple(dataset.log10_dose) or None
    ranges = Ranges(
        thickness_a=tuple(dataset.thickness_a),
        defocus_a=tuple(dataset.defocus_a),
        astigmatism_a=tuple(dataset.astigmatism_a),
        tilt_mrad=tuple(dataset.tilt_mrad),
        log10_dose=dose,
        rms_a=tuple(dataset.rms_a),
    )
    side = math.isqrt(model.channels)

    def example_of(split, members):
        # What is held out is as it is in nature.
        strains = dataset.strains if split == TRAIN else (0.0,)
        oriented = [
            strain(orient(material.atoms, tuple(axis)), *(share,) * 3)
            for material in members
            for axis in dataset.zone_axes
            for share in strains
        ]
        simulate = make_example_fn(
            stack_crystals(oriented, dataset.extent_a),
            image_size=model.image_size,
            scan_size=side,
            extent_a=dataset.extent_a,
            energy_ev=dataset.energy_ev,
            semiangle_cutoff_mrad=dataset.semiangle_mrad,
            scan_fraction=dataset.scan_fraction,
            scaling="none",  # that is the normalisation's
            blur_a=dataset.blur_a,
            ranges=ranges,
            # Few waves stay in a processor's cache; an accelerator wants to be filled.
            batch_size=4 if jax.default_backend() == "cpu" else 64,
        )

        def example(key):
            found = simulate(key)
            return {**found, "density": 1e3 * found["density"]}  # kV Å to V Å

        return example

    scanned_a = dataset.extent_a * dataset.scan_fraction
    source = Source(
        {name: example_of(name, members) for name, members in splits.items()},
        Scan(
            positions=(side, side),
            step_a=scanned_a / side,
            pixel_a=scanned_a / model.image_size,
            angle_mrad=1e3 * wavelength_a(dataset.energy_ev) / dataset.extent_a,
            energy_ev=dataset.energy_ev,
            semiangle_mrad=dataset.semiangle_mrad,
        ),
        {name: tuple(m.name for m in members) for name, members in splits.items()},
        digest=digest_of_materials(m for members in splits.values() for m in members),
    )
    return with_stored(config, source)


def with_stored(config, source: Source) -> Source:
    """Opens the files that `config.dataset.stored` names, if any, and checks them."""
    dataset = config.dataset
    if not dataset.stored:
        return source
    require_same_examples(config, dataset.stored)
    stored = {
        # A score over fewer examples would be another score.
        name: StoredExamples(
            dataset.stored, name, dataset.corrupt_shards if name == TRAIN else "stop"
        )
        for name in source.examples
    }
    wanted, there = dataset.num_examples, stored[TRAIN].num_examples
    if not 0 < wanted <= there:
        raise ConfigError(
            f"config.dataset.num_examples={wanted}: must be 1 to {there}, what "
            f"config.dataset.stored={dataset.stored!r} holds; write more with "
            "--mode=simulate."
        )
    files = "".join(stored[name].digest for name in sorted(stored))
    digest = hashlib.sha256((source.digest + files).encode()).hexdigest()
    return source._replace(stored=stored, digest=digest)


def make_batches(config, setup: Setup, source: Source) -> SimulatedBatches:
    """The training batches, in the network's units."""
    normalisation = factories.make_normalisation(config, source.scan)
    found = make_examples_at(setup, source, TRAIN, normalisation.example)

    def numbered(numbers):
        return found(numbers) | {"number": to_mesh(numbers, setup.batch_layout)}

    return SimulatedBatches(
        numbered if config.model.dropout else found,
        batch_size=setup.batch_size,
        block=setup.block,
        num_examples=config.dataset.num_examples,
        keep=TRAIN not in source.stored,  # such a set may be larger than the memory
    )


def _hold_out(config, setup: Setup, source: Source, split: str) -> HeldOut:
    evaluation, mean = config.evaluation, config.dataset.density_mean_va
    examples = take(setup, source, split, evaluation.num_examples)
    patterns, density = examples["patterns"], examples["density"]
    given = (patterns, source.scan, mean, density.shape[1:])
    maps = {
        "mean": baselines.mean_map(mean, len(density), density.shape[1:]),
        "idpc": baselines.integrated_centre_of_mass(*given),
    }
    if evaluation.phase_retrieval_steps:
        steps = evaluation.phase_retrieval_steps
        maps["single_slice"] = single_slice_phase(*given, steps)
    return HeldOut(patterns, density, maps)


def make_evaluator(config, setup: Setup, source: Source) -> Evaluator:
    """Simulates what is held out and scores the baselines on it."""
    return Evaluator(
        setup.network,
        factories.make_normalisation(config, source.scan),
        source.scan,
        {name: _hold_out(config, setup, source, name) for name in source.held_out},
        batch_size=config.per_device_batch_size,  # one device looks at them
    )

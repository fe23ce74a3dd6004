"""The distortion task's batches and held-out images: stored crystals, new noise."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from input_pipeline.simulated import SimulatedBatches
from inverse.distortion import factories
from inverse.distortion.acquisition import Acquisition, as_input, presence, record
from inverse.distortion.crops import CropEvaluator
from inverse.distortion.evaluate import Evaluator, HeldOut
from inverse.distortion.library import library_name, open_library
from inverse.distortion.source import Source, open_source
from inverse.distortion.targets import (
    NUM_SYMMETRIES,
    fix_signs,
    glazer_class,
    signed_angles,
    to_pixels,
    transform_image,
    transform_targets,
)
from inverse.setup import Setup
from inverse.simulator.distorted_crystal import Targets
from inverse.split_examples import TRAIN, make_examples_at
from parallel.mesh import DATA_AXIS, process_block, spmd, to_host, to_mesh

__all__ = ["make_batches", "make_evaluator", "open_source"]

_RECORD, _ORDER = 3, 4  # numbers of random streams: never to be changed


def crystals(
    config, setup: Setup, source: Source, split: str, num: int, workdir: pathlib.Path
) -> dict[str, np.ndarray]:
    """The first `num` crystals of a split, from the library or simulated into it."""
    root = config.dataset.library or workdir / "simulated"
    name = library_name(config.dataset.to_dict(), config.seed, split)
    make = make_examples_at(setup, source, split, lambda example: example)
    devices = setup.mesh.size

    def make_all(numbers: np.ndarray) -> dict[str, np.ndarray]:
        # As many for every device; those too many are thrown away.
        spare = np.repeat(numbers[-1:], -len(numbers) % devices, axis=0)
        padded = np.concatenate([numbers, spare])
        block = process_block(setup.mesh, 1, len(padded))[1]
        found = to_host(make(padded[block]))
        return {name: values[: len(numbers)] for name, values in found.items()}

    return open_library(pathlib.Path(root).expanduser() / name, make_all, num)


def target_of(config, moments: Targets, symmetry: jax.Array) -> jax.Array:
    """What the network is to say of one crystal, seen turned or mirrored."""
    if config.model.kind == "map":
        # Quarters of cells, which A shares between four, turn as their pixels would.
        quarters = transform_targets(to_pixels(moments, 2), symmetry)
        maps = factories.make_channels(config).of(fix_signs(quarters))
        times = factories.map_pixels_per_cell(config) // 2
        for axis in (0, 1):
            maps = jnp.repeat(maps, times, axis=axis)
        return maps
    angles = signed_angles(moments)
    # A quarter of a turn changes x and y; phases stay what they are.
    angles = jnp.where(symmetry % 2 == 1, angles[jnp.array([1, 0, 2])], angles)
    if config.model.kind == "angles":
        return angles / config.dataset.tilt_scale_deg
    return glazer_class(angles, config.model.class_threshold_deg)


def make_record(config) -> Callable[[jax.Array, dict], dict[str, jax.Array]]:
    """Returns see(key, crystal) -> {"input", "target"}, as training sees it."""
    settings = factories.make_acquisition(config)
    sets = jnp.asarray(np.stack([presence(s) for s in settings.detector_sets]))
    weights = jnp.array(settings.detector_weights) / sum(settings.detector_weights)

    def see(key: jax.Array, crystal: dict[str, jax.Array]) -> dict[str, jax.Array]:
        which, noise, turned, detectors = jax.random.split(key, 4)
        view = jax.random.randint(which, (), 0, len(crystal["signals"]))
        signals = crystal["signals"][view]
        images = record(noise, signals, crystal["side_a"], settings)
        present = sets[jax.random.choice(detectors, len(sets), p=weights)]
        symmetry = jax.random.randint(turned, (), 0, NUM_SYMMETRIES)
        moments = Targets(crystal["rotation"], crystal["tilt"], crystal["shift"])
        return {
            "input": as_input(
                transform_image(images, symmetry),
                present,
                config.dataset.pixels_per_cell,
            ),
            "target": target_of(config, moments, symmetry),
        }

    return see


class RecordedBatches:
    """Batches of crystals, each seen anew at every step."""

    def __init__(self, config, setup: Setup, crystals_at: Callable[[int], Any]):
        """Creates them; `crystals_at` gives a step's crystals, on the mesh."""
        self._setup, self._crystals_at = setup, crystals_at
        see, key = make_record(config), jax.random.fold_in(setup.key, _RECORD)

        def see_share(step, numbers, share):
            at = jax.random.fold_in(key, step[0])
            keys = jax.vmap(jax.random.fold_in, (None, 0))(at, numbers)
            return jax.vmap(see)(keys, share)

        divided, same = PartitionSpec(DATA_AXIS), PartitionSpec()
        self._see = spmd(see_share, setup.mesh, (same, divided, divided), divided)

    def batch_at(self, step: int) -> dict[str, jax.Array]:
        """Returns {"input", "target"} of `step`, whichever were asked for before."""
        block = self._setup.block
        numbers = np.arange(block.start, block.stop, dtype=np.int32)
        numbers = to_mesh(numbers, self._setup.batch_layout)
        step_number = jnp.array([step], jnp.int32)
        return self._see(step_number, numbers, self._crystals_at(step))


def make_batches(
    config, setup: Setup, source: Source, workdir: pathlib.Path
) -> RecordedBatches:
    """The training batches: of stored crystals in a new order each time, or of new."""
    num, size, block = config.dataset.num_examples, setup.batch_size, setup.block
    if not num:
        new = SimulatedBatches(
            make_examples_at(setup, source, TRAIN, lambda example: example),
            batch_size=size,
            block=block,
        )
        return RecordedBatches(config, setup, new.batch_at)
    stored = crystals(config, setup, source, TRAIN, num, workdir)

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([config.seed, _ORDER, epoch]).permutation(num)

    def crystals_at(step: int):
        epoch, place = divmod(step, num // size)
        chosen = order(epoch)[place * size : (place + 1) * size][block]
        share = {name: values[chosen] for name, values in stored.items()}
        return to_mesh(share, setup.batch_layout)

    return RecordedBatches(config, setup, crystals_at)


def _hold_out(config, found: dict[str, np.ndarray], key: jax.Array) -> HeldOut:
    """Records every crystal once, in its first focus, at the dose of the evaluation."""
    usual = factories.make_acquisition(config)
    dose = (config.evaluation.log10_dose,) * 2
    settings = Acquisition(**{**vars(usual), "log10_dose": dose})

    @jax.jit
    def see(number, crystal):
        noise = jax.random.fold_in(key, number)
        signals = crystal["signals"][0]
        moments = Targets(crystal["rotation"], crystal["tilt"], crystal["shift"])
        return (
            record(noise, signals, crystal["side_a"], settings),
            target_of(config, moments, jnp.int32(0)),
        )

    seen = [
        jax.device_get(see(n, {name: values[n] for name, values in found.items()}))
        for n in range(len(found["side_a"]))
    ]
    images, targets = (np.stack(part) for part in zip(*seen, strict=True))
    others = found["side_a"], found["oxide"], found["defocus_a"][:, 0]
    return HeldOut(images, targets, *others)


def make_evaluator(
    config, setup: Setup, source: Source, workdir: pathlib.Path
) -> Evaluator | CropEvaluator:
    """Records what is held out and scores the baselines on it."""
    splits = {}
    for split in source.held_out:
        num = config.evaluation.num_examples
        found = crystals(config, setup, source, split, num, workdir)
        key = jax.random.fold_in(jax.random.fold_in(setup.key, _RECORD), 1 << 30)
        splits[split] = _hold_out(config, found, key)
    sets = tuple(config.evaluation.detector_sets)
    if config.model.kind != "map":
        return CropEvaluator(
            setup.network,
            splits,
            kind=config.model.kind,
            scale_deg=config.dataset.tilt_scale_deg,
            pixels_per_cell=config.dataset.pixels_per_cell,
            detectors=sets[-1],
            batch_size=config.per_device_batch_size,
        )
    return Evaluator(
        setup.network,
        splits,
        channels=factories.make_channels(config),
        pixels_per_cell=config.dataset.pixels_per_cell,
        map_pixels_per_cell=factories.map_pixels_per_cell(config),
        detector_sets=sets,
        batch_size=config.per_device_batch_size,
    )

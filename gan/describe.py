"""Says what a run would do, without doing it."""

import jax
import numpy as np

from gan import data
from gan.check_config import Facts, check_config
from gan.setup import Setup, make_setup
from gan.train_state import num_params

_MIB = 1 << 20


def _facts(config) -> Facts:
    stated = Facts(config.dataset.num_labels, config.dataset.channels)
    return stated if all(stated) else data.facts_of(data.load(config, "train"))


def _bytes(tree) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _device_map(setup: Setup) -> list[str]:
    rows = setup.mesh.devices
    per_row = setup.num_entries // len(rows)
    lines = []
    for row, devices in enumerate(rows):
        first, last = row * per_row, (row + 1) * per_row - 1
        named = ", ".join(f"{d.platform}:{d.id}" for d in devices)
        lines.append(f"  pairs {first}..{last} -> {named}")
    return lines


def describe(config) -> None:
    """Prints configuration, mesh, placement, sizes and steps of a run."""
    check_config(config)
    at_hand = data.require_sources(config)
    setup = make_setup(config, _facts(config))
    state = setup.abstract_state()
    entries = setup.num_entries
    per_label_group = entries // setup.mesh.shape["label"]
    generator = num_params(state.generator.params) // entries
    discriminator = num_params(state.discriminator.params) // entries
    batch = config.per_entry_batch_size // setup.mesh.shape["data"]
    pixels = config.dataset.image_size**2 * setup.facts.channels
    on_device = _bytes(state) // entries * per_label_group
    batch_bytes = per_label_group * batch * pixels * config.parallel.steps_per_dispatch
    idle = len(jax.devices()) - setup.mesh.size
    print(config)
    place = "at hand" if at_hand else "not at hand, to be downloaded"
    print(f"data: {config.dataset.name}, {place}")
    print(
        f"labels: {setup.facts.num_labels}, conditioning: {config.model.conditioning}"
    )
    print(
        f"mesh: {dict(setup.mesh.shape)}, {setup.mesh.size} devices, {idle} idle; "
        f"{per_label_group} pairs and {batch} of their {config.per_entry_batch_size} "
        f"images a device, taking turns by {setup.loop}"
    )
    print("\n".join(_device_map(setup)))
    print(
        f"parameters per pair: generator {generator:,}, discriminator "
        f"{discriminator:,}, together {generator + discriminator:,}; {entries} pairs: "
        f"{entries * (generator + discriminator):,}"
    )
    print(
        f"bytes per device: state {on_device / _MIB:,.1f} MiB (parameters, moments, "
        f"averages), batch {batch_bytes / _MIB:,.2f} MiB, besides activations"
    )
    images = config.num_steps * entries * config.per_entry_batch_size
    print(f"steps: {config.num_steps:,}, training images: {np.int64(images):,}")

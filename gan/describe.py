"""Says what a run would do, without doing it."""

import jax
import numpy as np

from gan import data
from gan.check_config import Facts, check_config, images_per_round
from gan.check_devices import check_devices, stated_facts
from gan.setup import Setup, make_setup
from gan.train_state import num_params
from parallel.mesh import num_processes
from parallel.mesh_shape import label_data_shape

_MIB = 1 << 20


def _facts(config) -> Facts:
    stated = stated_facts(config)
    return stated if all(stated) else data.facts_of(data.load(config, "train"))


def _bytes(tree) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _names(num_devices: int | None) -> list[str]:
    """Of the devices of this job, or of as many that are not at hand."""
    if num_devices is None:
        return [f"{d.platform}:{d.id}" for d in jax.devices()]
    return [f"device {number}" for number in range(num_devices)]


def _device_map(entries: int, label: int, share: int, names: list[str]) -> list[str]:
    per_row = entries // label
    lines = []
    for row in range(label):
        first, last = row * per_row, (row + 1) * per_row - 1
        named = ", ".join(names[row * share : (row + 1) * share])
        lines.append(f"  pairs {first}..{last} -> {named}")
    return lines


def describe(config, num_devices: int | None = None) -> None:
    """Prints configuration, mesh, placement, sizes and steps of a run.

    Args:
      config: the whole configuration.
      num_devices: of the run that is described; those of this job by default.

    Raises:
      ConfigError: a field cannot work, or several processes would leave devices idle.
    """
    check_config(config)
    at_hand = data.require_sources(config)
    facts = _facts(config)
    remark = check_devices(config, facts, num_devices)
    # What is told of it is the same on any devices.
    setup = make_setup(config, facts, jax.local_devices()[:1])
    names = _names(num_devices)
    label, share = label_data_shape(
        len(names), setup.num_entries, images_per_round(config), num_processes()
    )
    per_device = setup.num_entries // label, config.per_entry_batch_size // share
    print(config)
    missing = "not at hand; to download it takes a network and tensorflow-cpu"
    print(f"data: {config.dataset.name}, {'at hand' if at_hand else missing}")
    print(f"labels: {facts.num_labels}, conditioning: {config.model.conditioning}")
    print(
        f"mesh: {dict(label=label, data=share)}, {label * share} devices, "
        f"{len(names) - label * share} idle; {per_device[0]} pairs and {per_device[1]} "
        f"of their {config.per_entry_batch_size} images a device, taking turns by "
        f"{setup.loop}"
    )
    if remark:
        print(f"warning: {remark}; with several processes this is refused.")
    print("\n".join(_device_map(setup.num_entries, label, share, names)))
    _print_sizes(config, setup, *per_device)


def _print_sizes(config, setup: Setup, pairs: int, images: int) -> None:
    """Of one pair and of one device, which has `pairs` and `images` of each."""
    state, entries = setup.abstract_state(), setup.num_entries
    generator = num_params(state.generator.params) // entries
    discriminator = num_params(state.discriminator.params) // entries
    pixels = config.dataset.image_size**2 * setup.facts.channels
    on_device = _bytes(state) // entries * pairs
    batch_bytes = pairs * images * pixels * config.parallel.steps_per_dispatch
    print(
        f"parameters per pair: generator {generator:,}, discriminator "
        f"{discriminator:,}, together {generator + discriminator:,}; {entries} pairs: "
        f"{entries * (generator + discriminator):,}"
    )
    print(
        f"bytes per device: state {on_device / _MIB:,.1f} MiB (parameters, moments, "
        f"averages), batch {batch_bytes / _MIB:,.2f} MiB, besides activations"
    )
    total = config.num_steps * entries * config.per_entry_batch_size
    print(f"steps: {config.num_steps:,}, training images: {np.int64(total):,}")

"""Refuses, before anything is loaded, devices that labels and batch do not divide over.

A process without work could take no part in a step, so where there are several, none
may be left idle; one process does without some of its devices, and is told.
"""

import jax

from gan.check_config import Facts, images_per_round, num_entries
from gan.errors import ConfigError
from parallel.mesh import num_processes
from parallel.mesh_shape import fitting_batch, fitting_processes, num_idle


def stated_facts(config) -> Facts:
    """What the configuration says of the data; 0 is left to the data."""
    return Facts(config.dataset.num_labels, config.dataset.channels)


def check_devices(
    config, facts: Facts, devices: int | None = None, processes: int | None = None
) -> str | None:
    """Compares the devices with what labels and batch divide over.

    Args:
      config: the whole configuration, checked.
      facts: what is known of the data; without `num_labels` nothing is compared.
      devices: of all processes; by default those of this job.
      processes: with equal numbers of devices; likewise.

    Returns:
      What is to be said of devices that stay idle, without a stop; None: none does.

    Raises:
      ConfigError: some would, of several processes.
    """
    devices = devices or len(jax.devices())
    processes = processes or num_processes()
    entries, batch = num_entries(config, facts), images_per_round(config)
    if not entries:
        return None
    idle = num_idle(devices, entries, batch, processes)
    if not idle:
        return None
    remark = (
        f"config.per_entry_batch_size={config.per_entry_batch_size}: with {entries} "
        f"pairs it keeps only {devices - idle} of {devices} devices busy"
    )
    size = fitting_batch(devices, entries, batch, processes)
    size *= config.optimizer.discriminator_steps
    new_run = f"a new run with --config.per_entry_batch_size={size}"
    if processes == 1:
        near = fitting_processes(devices, 1, entries, batch)
        return f"{remark}; take {_either(near, 'devices')}{new_run}"
    near = fitting_processes(processes, devices // processes, entries, batch)
    raise ConfigError(
        f"{remark}, and {processes} processes must leave none idle; take "
        f"{_either(near, 'processes')}{new_run}."
    )


def _either(near: list[int], what: str) -> str:
    return f"{' or '.join(map(str, near))} {what}, or " if near else ""

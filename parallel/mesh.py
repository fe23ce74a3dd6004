"""Processes, devices and the axes that they are laid out on."""

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from parallel.errors import RunError
from parallel.launchers import Launch, find_launch
from parallel.mesh_shape import label_data_shape
from parallel.roll_call import call_roll

LABEL_AXIS = "label"
DATA_AXIS = "data"

# A peer that is gone ends all others within twice that.
_HEARTBEAT_SECONDS = 12
_START_SECONDS = 300


def initialize(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    start_seconds: float = _START_SECONDS,
) -> Launch | None:
    """Joins the other processes of the job, where a launcher started several.

    Must run before anything touches a device.

    Args:
      coordinator: HOST:PORT of process 0, where the launcher does not tell.
      num_processes: of the job, likewise.
      process_id: of this process, likewise.
      start_seconds: how long to wait for the others.

    Returns:
      Who started this process, and as which; None if it is alone.

    Raises:
      RunError: the launcher's variables are no numbers, or not all there; a process
        did not come; the message says what was recognised.
    """
    launch = which_launch(coordinator, num_processes, process_id)
    if launch is None:
        return None
    try:
        _join(launch, start_seconds)
    except (RunError, RuntimeError, ValueError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        kind = type(error) if isinstance(error, RunError) else RunError
        raise kind(f"{why}; recognised as {launch.told()}.") from error
    return launch


def which_launch(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> Launch | None:
    """Who started this process; arguments and errors as of `initialize`."""
    if num_processes is None and process_id is None:
        return find_launch(os.environ, coordinator)
    if None in (coordinator, num_processes, process_id):
        raise RunError(
            "give all of --coordinator, --num_processes, --process_id, or none of them "
            "(--coordinator alone where a launcher tells the others)."
        )
    return Launch("hand", coordinator, num_processes, process_id)


def _join(launch: Launch, start_seconds: float) -> None:
    known = {}
    if launch.coordinator is not None:
        address, count = launch.coordinator, launch.num_processes
        if not (re.fullmatch(r".+:\d+", address) and 0 <= launch.process_id < count):
            raise RunError(
                f"process {launch.process_id} of {count} at {address} makes no sense: "
                "they count from 0, and the coordinator is HOST:PORT"
            )
        call_roll(address, count, launch.process_id, start_seconds)
        device = launch.local_device
        known = {
            "coordinator_address": address,
            "num_processes": count,
            "process_id": launch.process_id,
            "local_device_ids": None if device is None else [device],
            # It would ask MPI or Kubernetes again for what is known.
            "cluster_detection_method": "deactivate",
        }
    jax.distributed.initialize(
        **known,
        heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
        initialization_timeout=max(int(start_seconds), 1),
    )


def is_first_process() -> bool:
    """True on the one process that writes logs, pictures and metrics."""
    return jax.process_index() == 0


def num_processes() -> int:
    """Processes of the job."""
    return jax.process_count()


def process_number() -> int:
    """This process's place among them, from 0."""
    return jax.process_index()


def make_mesh(
    num_entries: int, batch_size: int, devices: list[jax.Device] | None = None
) -> Mesh:
    """Lays the devices out on the axes (label, data).

    Neighbours on the data axis are neighbours in process order, so that averages
    over data stay inside a host wherever they can.

    Args:
      num_entries: generator/discriminator pairs.
      batch_size: images of one pair that devices may share.
      devices: all devices by default.

    Raises:
      RunError: several processes, and some device would stay idle.
    """
    devices = jax.devices() if devices is None else devices
    processes = len({device.process_index for device in devices})
    label, data = label_data_shape(len(devices), num_entries, batch_size, processes)
    if label * data < len(devices) and processes > 1:
        raise RunError(
            f"{num_entries} pairs with {batch_size} images each to share use only "
            f"{label * data} of {len(devices)} devices, and several processes must "
            "leave none idle; choose a number of devices or of images that divides."
        )
    grid = np.asarray(devices[: label * data]).reshape(label, data)
    return Mesh(grid, (LABEL_AXIS, DATA_AXIS), axis_types=(AxisType.Auto,) * 2)


def process_block(mesh: Mesh, num_entries: int, batch_size: int) -> tuple[slice, slice]:
    """Which entries, and which examples of their batches, this process feeds.

    Returns:
      (slice of the entries, slice of the positions in an entry's batch).
    """
    mine = np.vectorize(lambda d: d.process_index)(mesh.devices) == jax.process_index()
    rows, columns = np.nonzero(mine.any(axis=1))[0], np.nonzero(mine.any(axis=0))[0]
    if mine.sum() != len(rows) * len(columns):
        raise RunError(
            "the devices of this process are no rectangle of the (label, data) mesh "
            f"{dict(mesh.shape)}; start processes with equal numbers of devices."
        )
    per_row = num_entries // mesh.shape[LABEL_AXIS]
    per_column = batch_size // mesh.shape[DATA_AXIS]
    return (
        slice(int(rows[0]) * per_row, (int(rows[-1]) + 1) * per_row),
        slice(int(columns[0]) * per_column, (int(columns[-1]) + 1) * per_column),
    )


def sharding(mesh: Mesh, *axes: str | None) -> NamedSharding:
    """Lays an array's leading dimensions along the mesh's `axes`."""
    return NamedSharding(mesh, PartitionSpec(*axes))


def on_host() -> jax.sharding.SingleDeviceSharding:
    """The layout of arrays in host memory; on a device where JAX has no CPU."""
    try:
        device = jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        device = jax.local_devices()[0]
    return jax.sharding.SingleDeviceSharding(device)


def to_mesh(local: Any, layout: NamedSharding) -> Any:
    """Joins what each process holds into global arrays.

    Args:
      local: pytree of numpy arrays, this process's block.
      layout: where the global arrays lie.
    """
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(layout, x), local
    )


def to_host(tree: Any) -> Any:
    """Fetches global arrays, wherever they lie, as numpy arrays on every process."""
    if jax.process_count() == 1:
        return jax.device_get(tree)
    return multihost_utils.process_allgather(tree, tiled=True)


def holders_of_rows(array: jax.Array) -> list[list[int]]:
    """Of each row of a global array, the processes that hold it, ascending."""
    held = [set() for _ in range(len(array))]
    for device, index in array.sharding.devices_indices_map(array.shape).items():
        for row in range(len(array))[index[0]]:
            held[row].add(device.process_index)
    return [sorted(processes) for processes in held]


def join_rows(mine: np.ndarray, shares: Sequence[int]) -> np.ndarray:
    """Puts the rows of all processes one after the other, on every process.

    Args:
      mine: [shares[this process], ...], the rows of this one.
      shares: rows of each process, the same list on all.
    """
    if jax.process_count() == 1:
        return mine
    padded = np.zeros((max(shares), *mine.shape[1:]), mine.dtype)
    padded[: len(mine)] = mine
    every = multihost_utils.process_allgather(padded)
    return np.concatenate(
        [rows[:share] for rows, share in zip(every, shares, strict=True)]
    )


def from_first_process(value: float) -> float:
    """The first process's `value`, on all: what all must decide alike."""
    if jax.process_count() == 1:
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float64(value)))


def spmd(
    function: Callable,
    mesh: Mesh,
    in_specs: Any,
    out_specs: Any,
    donate_argnums: tuple[int, ...] = (),
    compiler_options: dict | None = None,
) -> Callable:
    """Compiles `function`, written for one device's block, for the whole mesh.

    Args:
      function: acts on blocks; may use the mesh's axis names.
      mesh: devices and axis names.
      in_specs: PartitionSpecs of the arguments, as for `jax.shard_map`.
      out_specs: PartitionSpecs of the results; an axis that is not named must have
        been reduced over, which is checked when the function is traced.
      donate_argnums: arguments whose memory the results may take.
      compiler_options: of the mesh's platform, as for `jax.jit`.
    """
    mapped = jax.shard_map(function, mesh=mesh, in_specs=in_specs, out_specs=out_specs)
    return jax.jit(
        mapped, donate_argnums=donate_argnums, compiler_options=compiler_options
    )

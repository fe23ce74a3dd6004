"""Looks at a machine before a job does: devices, launcher, ports, memory."""

import contextlib
import functools
import os
import pathlib
import shutil
import socket
import threading
from collections.abc import Callable, Iterator

import jax
import numpy as np

from parallel import mesh
from parallel.agreement import of_all
from parallel.errors import RunError
from parallel.exit_codes import ERROR
from parallel.workdir import described_devices, package_versions

_JOIN_SECONDS = 60  # a doctor is not waited for as long as a run

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


def _launcher(by_hand: tuple, faults: list[str]) -> str:
    launch = mesh.which_launch(*by_hand)
    if launch is None:
        return "none: one process"
    if launch.coordinator:
        host = launch.coordinator.rpartition(":")[0]
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            faults.append(f"host {host} has no address here; check the name service")
    return launch.told()


def _join(by_hand: tuple, faults: list[str]) -> str:
    if faults:
        return "not tried, see FAULT"
    if mesh.initialize(*by_hand, start_seconds=_JOIN_SECONDS) is None:
        return "one process: nothing to join"
    return f"process {mesh.process_number()} of {mesh.num_processes()}"


def _proxies(is_one_of_several: bool, faults: list[str]) -> str:
    found = [n for p in _PROXIES for n in (p, p.upper()) if os.environ.get(n)]
    if found and is_one_of_several and not os.environ.get("no_proxy"):
        faults.append(
            f"{', '.join(found)} set without no_proxy: processes may not reach each "
            "other; set no_proxy to their hosts"
        )
    return ", ".join(found) or "none"


def _memory() -> str:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    free = shutil.disk_usage(pathlib.Path.cwd()).free
    return f"{pages * size / 2**30:.1f} GiB, {free / 2**30:.1f} GiB free on disk here"


def _sum_over_processes(faults: list[str]) -> str:
    count = jax.process_count()
    found = of_all([jax.process_index() + 1]).sum()
    if found != count * (count + 1) // 2:
        faults.append(f"numbers of {count} processes add up to {found}")
    return f"{count} processes exchanged numbers"


def _sum_over_devices(faults: list[str]) -> str:
    """Adds 1 of every local device, through the compiler and between devices."""
    devices = jax.local_devices()
    mesh = jax.sharding.Mesh(np.array(devices), ("all",))
    layout = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("all"))
    ones = jax.device_put(np.ones(len(devices), np.float32), layout)
    total = float(jax.jit(lambda x: x.sum())(ones))
    if total != len(devices):
        faults.append(f"the sum over {len(devices)} devices came out as {total}")
    return f"{total:.0f} from {len(devices)} local devices"


@contextlib.contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Ends the process where an exchange hangs: nothing else would."""

    def end():
        print(
            f"FAULT processes: joined, but no answer within {seconds:.0f} s; ports "
            "between hosts are closed, or a process is stuck",
            flush=True,
        )
        os._exit(ERROR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _look(name: str, look: Callable[[list[str]], str], faults: list[str]) -> None:
    """Prints what `look` finds; what it cannot do is a fault."""
    try:
        print(f"{name}: {look(faults)}", flush=True)
    except (RunError, RuntimeError, ValueError, OSError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        faults.append(f"{name}: {why}")


def examine(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> list[str]:
    """Prints what there is and what is wrong with it; returns the faults.

    What can be seen without the other processes comes first, so that it is told even
    where they cannot be joined. Only then does this process join them.

    Args:
      coordinator: as of `mesh.initialize`, like all that follows.
      num_processes: likewise.
      process_id: likewise.
    """
    faults: list[str] = []
    by_hand = coordinator, num_processes, process_id
    for name, value in package_versions().items():
        print(f"{name}: {value}")
    _look("memory", lambda _: _memory(), faults)
    _look("launcher", functools.partial(_launcher, by_hand), faults)
    is_one_of_several = bool(faults) or mesh.which_launch(*by_hand) is not None
    _look("proxies", functools.partial(_proxies, is_one_of_several), faults)
    _look("joined", functools.partial(_join, by_hand), faults)
    _look("devices", lambda _: described_devices(), faults)
    _look("all-reduce", _sum_over_devices, faults)
    with _no_longer_than(_JOIN_SECONDS):
        _look("processes", _sum_over_processes, faults)
    for fault in faults:
        print(f"FAULT {fault}")
    print("nothing wrong was found" if not faults else f"{len(faults)} faults")
    return faults

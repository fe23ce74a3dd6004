"""Looks at a machine before a job does: devices, launcher, ports, memory."""

import os
import pathlib
import shutil
import socket

import jax
import numpy as np

from parallel.agreement import of_all
from parallel.errors import RunError
from parallel.launchers import find_launch
from parallel.workdir import versions

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


def _launcher(faults: list[str]) -> str:
    launch = find_launch(os.environ)
    if launch is None:
        return "none: one process"
    if launch.coordinator:
        host = launch.coordinator.rpartition(":")[0]
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            faults.append(f"host {host} has no address here; check the name service")
    return f"{launch.launcher}, coordinator {launch.coordinator or 'found by JAX'}"


def _proxies(faults: list[str]) -> str:
    found = [n for p in _PROXIES for n in (p, p.upper()) if os.environ.get(n)]
    if found and jax.process_count() > 1 and not os.environ.get("no_proxy"):
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


def examine() -> list[str]:
    """Prints what there is and what is wrong with it; returns the faults."""
    faults: list[str] = []
    for name, value in versions().items():
        print(f"{name}: {value}")
    for name, look in {
        "launcher": _launcher,
        "proxies": _proxies,
        "all-reduce": _sum_over_devices,
        "processes": _sum_over_processes,
    }.items():
        try:
            print(f"{name}: {look(faults)}")
        except (RunError, RuntimeError, ValueError) as error:
            faults.append(f"{name}: {error}")
    print(f"memory: {_memory()}")
    for fault in faults:
        print(f"FAULT {fault}")
    print("nothing wrong was found" if not faults else f"{len(faults)} faults")
    return faults

"""Which launcher started this process, and what it says of the others."""

import pathlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from parallel.errors import RunError

_PORT_BASE, _PORTS = 40000, 20000
_BY_HAND = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


class Launch(NamedTuple):
    """A job of several processes.

    Attributes:
      launcher: its name, for people.
      coordinator: HOST:PORT of process 0; None if JAX finds it by itself.
      num_processes: of the job; None if JAX finds it by itself.
      process_id: of this one; None if JAX finds it by itself.
    """

    launcher: str
    coordinator: str | None
    num_processes: int | None
    process_id: int | None


def first_host(node_list: str) -> str:
    """The first of a Slurm node list: "gpu[003-005,7],login1" -> "gpu003"."""
    pattern = r"([^,\[]+)(?:\[([^\],-]+)[^\]]*\])?([^,\[]*)"
    found = re.match(pattern, node_list)
    if not found:
        raise RunError(f"node list {node_list!r} names no host.")
    return found[1] + (found[2] or "") + found[3]


def _slurm(seen: Mapping[str, str]) -> Launch | None:
    # srun, not sbatch alone.
    count = int(seen.get("SLURM_STEP_NUM_TASKS") or 1)
    if count == 1:
        return None
    host = first_host(seen.get("SLURM_STEP_NODELIST") or seen["SLURM_JOB_NODELIST"])
    port = _port(seen["SLURM_JOB_ID"])
    return Launch("Slurm", f"{host}:{port}", count, int(seen["SLURM_PROCID"]))


def _lsf(seen: Mapping[str, str]) -> Launch | None:
    count = int(seen.get("JSM_NAMESPACE_SIZE") or 1)
    if count == 1:
        return None
    # The first host is the one that the batch script runs on; jsrun does not use it.
    hosts = seen["LSB_MCPU_HOSTS"].split()[::2]
    if not hosts:
        raise RunError("LSB_MCPU_HOSTS names no host.")
    host = hosts[1] if len(hosts) > 1 else hosts[0]
    port = _port(seen["LSB_JOBID"])
    return Launch("LSF", f"{host}:{port}", count, int(seen["JSM_NAMESPACE_RANK"]))


def _open_mpi(seen: Mapping[str, str]) -> Launch | None:
    count = int(seen.get("OMPI_COMM_WORLD_SIZE") or 1)
    if count == 1:
        return None
    rank = int(seen["OMPI_COMM_WORLD_RANK"])
    if nodes := seen.get("PBS_NODEFILE"):
        host = pathlib.Path(nodes).read_text().split()[0]
        port = _port(seen.get("PBS_JOBID", "0"))
        return Launch("PBS and Open MPI", f"{host}:{port}", count, rank)
    if seen.get("OMPI_MCA_orte_hnp_uri"):
        return Launch("Open MPI 4", None, None, None)
    raise RunError(
        "Open MPI 5 does not tell where process 0 is; add --coordinator=HOST:PORT, "
        "the host that process 0 runs on."
    )


def _tpu(seen: Mapping[str, str]) -> Launch | None:
    hosts = [h for h in seen.get("TPU_WORKER_HOSTNAMES", "").split(",") if h]
    if len(hosts) < 2:
        return None
    return Launch("Cloud TPU (GKE)", None, None, None)


def _port(job: str) -> int:
    """A port that follows from the job's number: two jobs on a host rarely share it."""
    digits = re.sub(r"\D", "", job) or "0"
    return _PORT_BASE + int(digits) % _PORTS


def _by_hand(seen: Mapping[str, str]) -> Launch | None:
    given = [seen[name] for name in _BY_HAND if seen.get(name)]
    if not given:
        return None
    if len(given) < len(_BY_HAND):
        raise RunError(f"set all of {', '.join(_BY_HAND)}, or none of them.")
    address, count, number = given
    return Launch("by hand", address, int(count), int(number))


def find_launch(seen: Mapping[str, str]) -> Launch | None:
    """Reads the environment `seen`; None for a process that is alone.

    Raises:
      RunError: several processes were announced, but not where or how many.
    """
    for find in (_by_hand, _slurm, _lsf, _open_mpi, _tpu):
        try:
            if (launch := find(seen)) is not None:
                return launch
        except KeyError as error:
            raise RunError(
                f"several processes were announced, but {error.args[0]} is not set; "
                f"start them with srun, jsrun or mpirun, or set {', '.join(_BY_HAND)}."
            ) from error
        except (ValueError, OSError) as error:
            raise RunError(
                f"several processes were announced, but they cannot be joined: {error} "
                f"Start them with srun or mpirun, or set {', '.join(_BY_HAND)}."
            ) from error
    return None

"""Which launcher started this process, and what it says of the others."""

import pathlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from parallel.errors import RunError

_PORT_BASE, _PORTS = 40000, 20000
_BY_HAND = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
# Where one job may have one process or several.
_COUNTS = (
    *("JAX_NUM_PROCESSES", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"),
    *("SLURM_STEP_NUM_TASKS", "JSM_NAMESPACE_SIZE"),
)


class Launch(NamedTuple):
    """A job of several processes.

    Attributes:
      launcher: its name, for people.
      coordinator: HOST:PORT of process 0; None if JAX finds it by itself.
      num_processes: of the job; None if JAX finds it by itself.
      process_id: of this one; None if JAX finds it by itself.
      local_device: the one GPU of its host that this process takes; None: all it sees.
      variables: of the environment, that say so.
    """

    launcher: str
    coordinator: str | None
    num_processes: int | None
    process_id: int | None
    local_device: int | None = None
    variables: tuple[str, ...] = ()

    def told(self) -> str:
        """What was recognised, and from what."""
        seen = ", ".join(self.variables) or "the command line"
        process = "a process"
        if self.process_id is not None:
            process = f"process {self.process_id} of {self.num_processes}"
        address = self.coordinator or "that JAX finds"
        return f"{process} by {self.launcher} (from {seen}), coordinator {address}"


class _Seen:
    """An environment that notes which of its variables were used."""

    def __init__(self, variables: Mapping[str, str], coordinator: str | None):
        self._variables, self.used = variables, []
        self.coordinator = coordinator

    def get(self, *names: str) -> str:
        """The first of the variables that is set; empty if none is."""
        for name in names:
            if value := self._variables.get(name):
                if name not in self.used:
                    self.used.append(name)
                return value
        return ""

    def __getitem__(self, name: str) -> str:
        if value := self.get(name):
            return value
        raise KeyError(name)

    def launch(
        self,
        launcher: str,
        count: int,
        rank: int,
        address: str,
        local: str = "",
        local_count: str = "",
    ) -> Launch:
        device = self._own_device(local, local_count)
        return Launch(launcher, address, count, rank, device, tuple(self.used))

    def _own_device(self, local: str, local_count: str) -> int | None:
        """One GPU for each process of a host, as JAX does under Slurm and Open MPI.

        Not where a process is alone on its host, nor where its launcher has already
        left it fewer GPUs than there are processes.
        """
        if not local or local_count == "1" or self.get("JAX_LOCAL_DEVICE_IDS"):
            return None
        visible = self._variables.get("CUDA_VISIBLE_DEVICES")
        needed = int(local_count or int(local) + 1)
        if visible is not None and len(visible.split(",")) < max(needed, 2):
            return None
        return int(local)


def first_host(node_list: str) -> str:
    """The first of a Slurm node list: "gpu[003-005,7],login1" -> "gpu003"."""
    pattern = r"([^,\[]+)(?:\[([^\],-]+)[^\]]*\])?([^,\[]*)"
    found = re.match(pattern, node_list)
    if not found:
        raise RunError(f"node list {node_list!r} names no host.")
    return found[1] + (found[2] or "") + found[3]


def _port(job: str) -> int:
    """A port that follows from the job's number: two jobs on a host rarely share it."""
    digits = re.sub(r"\D", "", job) or "0"
    return _PORT_BASE + int(digits) % _PORTS


def _lsf_hosts(seen: _Seen) -> list[str]:
    hosts = seen["LSB_MCPU_HOSTS"].split()[::2]
    if not hosts:
        raise RunError("LSB_MCPU_HOSTS names no host.")
    return hosts


def _address_of_job(seen: _Seen, *, is_one_host: bool, job: str) -> str | None:
    """Where process 0 of an MPI job runs: on the first host of the batch job."""
    if seen.coordinator:
        return seen.coordinator
    if is_one_host:
        return f"localhost:{_port(job)}"
    if nodes := seen.get("PBS_NODEFILE"):
        host = pathlib.Path(nodes).read_text().split()[0]
        return f"{host}:{_port(seen.get('PBS_JOBID'))}"
    if nodes := seen.get("SLURM_JOB_NODELIST"):
        return f"{first_host(nodes)}:{_port(seen.get('SLURM_JOB_ID'))}"
    if seen.get("LSB_MCPU_HOSTS"):
        return f"{_lsf_hosts(seen)[0]}:{_port(seen.get('LSB_JOBID'))}"
    return None


def _lsf(seen: _Seen) -> Launch | None:
    count = int(seen.get("JSM_NAMESPACE_SIZE") or 1)
    if count == 1:
        return None
    rank, address = int(seen["JSM_NAMESPACE_RANK"]), seen.coordinator
    if not address:
        # The first host is the one that the batch script runs on, not jsrun.
        hosts = _lsf_hosts(seen)
        address = f"{hosts[min(1, len(hosts) - 1)]}:{_port(seen['LSB_JOBID'])}"
    return seen.launch("jsrun", count, rank, address)  # it deals the GPUs itself


def _open_mpi(seen: _Seen) -> Launch | None:
    count = int(seen.get("OMPI_COMM_WORLD_SIZE") or 1)
    if count == 1:
        return None
    rank = int(seen["OMPI_COMM_WORLD_RANK"])
    on_host = seen.get("OMPI_COMM_WORLD_LOCAL_SIZE")
    job = seen.get("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid")
    is_4 = bool(seen.get("OMPI_MCA_orte_hnp_uri"))
    address = _address_of_job(seen, is_one_host=on_host == str(count), job=job)
    name = "Open MPI 4" if is_4 else "Open MPI 5"
    if address:
        local = seen.get("OMPI_COMM_WORLD_LOCAL_RANK")
        return seen.launch(name, count, rank, address, local, on_host)
    if is_4:
        return Launch(name, None, None, None, None, tuple(seen.used))
    raise RunError(
        "Open MPI 5 does not tell where process 0 is; add --coordinator=HOST:PORT, "
        "the host that process 0 runs on."
    )


def _slurm(seen: _Seen) -> Launch | None:
    # srun, not sbatch alone.
    count = int(seen.get("SLURM_STEP_NUM_TASKS") or 1)
    if count == 1:
        return None
    rank, address = int(seen["SLURM_PROCID"]), seen.coordinator
    if not address:
        nodes = seen.get("SLURM_STEP_NODELIST") or seen["SLURM_JOB_NODELIST"]
        address = f"{first_host(nodes)}:{_port(seen['SLURM_JOB_ID'])}"
    # "8(x4)": tasks on each node.
    on_host = re.match(r"\d*", seen.get("SLURM_STEP_TASKS_PER_NODE"))[0]
    return seen.launch(
        "Slurm", count, rank, address, seen.get("SLURM_LOCALID"), on_host
    )


def _process_manager(seen: _Seen) -> Launch | None:
    """PALS (PBS on Cray machines), and MPICH's or Intel's mpiexec."""
    is_pals = bool(seen.get("PALS_RANKID"))
    if not is_pals and (not seen.get("PMI_RANK") or not seen.get("PMI_SIZE")):
        return None
    rank, count = int(seen.get("PALS_RANKID", "PMI_RANK")), int(seen["PMI_SIZE"])
    if count == 1:
        return None
    on_host = seen.get("PMI_LOCAL_SIZE", "MPI_LOCALNRANKS")
    local = seen.get("PALS_LOCAL_RANKID", "PMI_LOCAL_RANK", "MPI_LOCALRANKID")
    job = seen.get("PALS_APID", "PBS_JOBID")
    address = _address_of_job(seen, is_one_host=on_host == str(count), job=job)
    name = "PALS" if is_pals else "an mpiexec with PMI"
    if not address:
        raise RunError(
            f"{name} does not tell where process 0 is; add --coordinator=HOST:PORT, "
            "e.g. the first host of PBS_NODEFILE."
        )
    return seen.launch(name, count, rank, address, local, on_host)


def _kubernetes(seen: _Seen) -> Launch | None:
    """An indexed Job that says how many it is; others are runs of their own.

    Its pods are reached as JOB-INDEX.SERVICE, HOSTNAME being JOB-INDEX.
    """
    index = seen.get("JOB_COMPLETION_INDEX")
    if not index or not seen.get("JAX_NUM_PROCESSES"):
        return None
    count, address = int(seen["JAX_NUM_PROCESSES"]), seen.coordinator
    if count == 1:
        return None
    if not address:
        job = seen["HOSTNAME"].removesuffix(f"-{index}")
        address = f"{job}-0.{seen['SERVICE_NAME']}:{_PORT_BASE}"
    return seen.launch("a Kubernetes Job", count, int(index), address)


def _tpu(seen: _Seen) -> Launch | None:
    hosts = [h for h in seen.get("TPU_WORKER_HOSTNAMES").split(",") if h]
    if len(hosts) < 2:
        return None
    number = seen.get("TPU_WORKER_ID")
    # Of several slices each knows its own hosts alone; JAX knows how to join them.
    if not number or seen.get("MEGASCALE_NUM_SLICES"):
        return Launch("Cloud TPU (GKE)", None, None, None, None, tuple(seen.used))
    address = seen.coordinator or f"{hosts[0]}:{_PORT_BASE}"
    return seen.launch("Cloud TPU (GKE)", len(hosts), int(number), address)


# mpirun may run under srun's or jsrun's environment, and both set what MPICH sets.
_LAUNCHERS = (_lsf, _open_mpi, _slurm, _process_manager, _kubernetes, _tpu)


def find_launch(
    seen: Mapping[str, str], coordinator: str | None = None
) -> Launch | None:
    """Reads the environment `seen`; None for a process that is alone.

    Args:
      seen: variables; JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID
        together come before any launcher.
      coordinator: HOST:PORT of process 0, before what a launcher says;
        JAX_COORDINATOR_ADDRESS is the same.

    Raises:
      RunError: several processes were announced, but not where or how many.
    """
    given = [name for name in _BY_HAND if seen.get(name)]
    coordinator = coordinator or seen.get("JAX_COORDINATOR_ADDRESS")
    try:
        if len(given) == len(_BY_HAND):
            _, count, number = (seen[name] for name in _BY_HAND)
            ids = int(count), int(number)
            return Launch("hand", coordinator, *ids, None, _BY_HAND)
        for find in _LAUNCHERS:
            if (launch := find(_Seen(seen, coordinator))) is not None:
                return launch
    except KeyError as error:
        raise RunError(
            f"several processes were announced, but {error.args[0]} is not set; "
            f"start them with srun, jsrun or mpirun, or set {', '.join(_BY_HAND)}."
        ) from error
    except (ValueError, IndexError, OSError) as error:
        raise RunError(
            f"several processes were announced, but they cannot be joined: {error}; "
            "start them with srun or mpirun, add --coordinator=HOST:PORT, or set "
            f"{', '.join(_BY_HAND)}."
        ) from error
    is_alone = any(seen.get(name) == "1" for name in _COUNTS)
    if (given or coordinator) and not is_alone:
        raise RunError(
            "no launcher was recognised that tells the rest: give all of "
            "--coordinator, --num_processes, --process_id, or set all of "
            f"{', '.join(_BY_HAND)}, or none of them."
        )
    return None

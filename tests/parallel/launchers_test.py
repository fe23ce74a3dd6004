"""Every launcher is recognised by what it sets."""

import pytest

from parallel.errors import RunError
from parallel.launchers import find_launch, first_host

SLURM = {
    "SLURM_STEP_NUM_TASKS": "16",
    "SLURM_STEP_NODELIST": "gpu[003-006]",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_TASKS_PER_NODE": "4(x4)",
    "SLURM_JOB_ID": "1234567",
}
LSF = {
    "JSM_NAMESPACE_SIZE": "12",
    "JSM_NAMESPACE_RANK": "7",
    "LSB_MCPU_HOSTS": "batch5 1 h36n10 42 h36n11 42",
    "LSB_JOBID": "98",
}
# As the manuals of version 4 and 5 list them.
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}
OPEN_MPI_5 = {**OPEN_MPI, "PMIX_NAMESPACE": "prterun-a-300@1", "PMIX_RANK": "3"}
PALS = {
    "PALS_RANKID": "6",
    "PALS_LOCAL_RANKID": "2",
    "PALS_APID": "8f2",
    "PMI_RANK": "6",
    "PMI_SIZE": "8",
    "PMI_LOCAL_SIZE": "4",
    "PBS_JOBID": "77.server",
}
HYDRA = {"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALNRANKS": "2"}
KUBERNETES = {
    "JOB_COMPLETION_INDEX": "2",
    "HOSTNAME": "train-2",
    "SERVICE_NAME": "gans",
    "JAX_NUM_PROCESSES": "4",
}
BY_HAND = {
    "JAX_COORDINATOR_ADDRESS": "host1:5000",
    "JAX_NUM_PROCESSES": "2",
    "JAX_PROCESS_ID": "1",
}


@pytest.mark.parametrize(
    ("seen", "launch"),
    [
        (SLURM, ("Slurm", "gpu003:54567", 16, 5)),
        (LSF, ("jsrun", "h36n10:40098", 12, 7)),
        # jsrun sets these too.
        ({**LSF, **OPEN_MPI}, ("jsrun", "h36n10:40098", 12, 7)),
        (
            {**OPEN_MPI, "OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:4"},
            ("Open MPI 4", None, None, None),
        ),
        # mpirun starts its daemons with srun.
        (
            {**OPEN_MPI_5, **SLURM, "SLURM_JOB_NODELIST": "n[4-5]"},
            ("Open MPI 5", "n4:54567", 4, 3),
        ),
        (
            {**OPEN_MPI_5, "OMPI_COMM_WORLD_LOCAL_SIZE": "4"},
            ("Open MPI 5", "localhost:43001", 4, 3),
        ),
        (
            {**OPEN_MPI_5, "LSB_MCPU_HOSTS": "h1 2 h2 2", "LSB_JOBID": "5"},
            ("Open MPI 5", "h1:40005", 4, 3),
        ),
        (HYDRA, ("an mpiexec with PMI", "localhost:40000", 2, 1)),
        (KUBERNETES, ("a Kubernetes Job", "train-0.gans:40000", 4, 2)),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, ("Cloud TPU (GKE)", None, None, None)),
        (
            {"TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "1"},
            ("Cloud TPU (GKE)", "a:40000", 2, 1),
        ),
        ({**SLURM, **BY_HAND}, ("hand", "host1:5000", 2, 1)),
    ],
)
def test_a_launcher_is_recognised_and_says_from_what(seen, launch):
    found = find_launch(seen)
    assert found[:4] == launch
    assert found.variables and set(found.variables) <= seen.keys()
    said = found.told()
    assert found.launcher in said and all(name in said for name in found.variables)


@pytest.mark.parametrize(
    "seen",
    [
        {},
        {"SLURM_JOB_ID": "3", "SLURM_NTASKS": "4"},  # sbatch without srun
        {"TPU_WORKER_HOSTNAMES": "a"},
        {"PMI_RANK": "0", "PMI_SIZE": "1"},
        {"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"},
        {
            **{"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"},
            **{"JAX_COORDINATOR_ADDRESS": "host1:5000"},
        },
        # An indexed Job of runs that have nothing to do with each other.
        {"JOB_COMPLETION_INDEX": "2", "HOSTNAME": "sweep-2"},
        {**KUBERNETES, "JAX_NUM_PROCESSES": "1"},
    ],
)
def test_a_process_that_is_alone_joins_nobody(seen):
    assert find_launch(seen) is None


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        (OPEN_MPI, "Open MPI 5"),
        (PALS, "PALS"),
        (SLURM, "Slurm"),
        (LSF, "jsrun"),
        (KUBERNETES, "a Kubernetes Job"),
        ({**HYDRA, "MPI_LOCALNRANKS": "1"}, "an mpiexec with PMI"),
    ],
)
@pytest.mark.parametrize("where", ["flag", "variable"])
def test_the_coordinator_alone_may_be_told_beside_a_launcher(seen, name, where):
    if where == "flag":
        found = find_launch(seen, "head:7000")
    else:
        found = find_launch({**seen, "JAX_COORDINATOR_ADDRESS": "head:7000"})
    assert (found.launcher, found.coordinator) == (name, "head:7000")
    assert 0 < found.process_id < found.num_processes


@pytest.mark.parametrize("name", ["Open MPI 5", "PALS"])
def test_pbs_names_the_first_host_of_its_file(tmp_path, name):
    nodes = tmp_path / "nodes"
    nodes.write_text("nid1\nnid1\nnid2\n")
    seen = PALS if name == "PALS" else {**OPEN_MPI_5, "PBS_JOBID": "77.server"}
    found = find_launch({**seen, "PBS_NODEFILE": str(nodes)})
    assert (found.launcher, found.coordinator) == (name, "nid1:40077")
    assert "PBS_NODEFILE" in found.variables


@pytest.mark.parametrize(
    ("seen", "device"),
    [
        (SLURM, 1),
        # Alone on its node: all GPUs are its own.
        ({**SLURM, "SLURM_STEP_TASKS_PER_NODE": "1(x16)"}, None),
        ({**SLURM, "CUDA_VISIBLE_DEVICES": "0,1,2,3"}, 1),
        # The launcher dealt them already.
        ({**SLURM, "CUDA_VISIBLE_DEVICES": "3"}, None),
        ({**SLURM, "CUDA_VISIBLE_DEVICES": "2,3"}, None),
        ({**SLURM, "JAX_LOCAL_DEVICE_IDS": "0"}, None),
        (LSF, None),
        (KUBERNETES, None),
        (BY_HAND, None),
        ({**OPEN_MPI_5, "JAX_COORDINATOR_ADDRESS": "a:1"}, 1),
        ({**PALS, "JAX_COORDINATOR_ADDRESS": "a:1"}, 2),
    ],
)
def test_processes_of_one_host_take_a_gpu_each(seen, device):
    assert find_launch(seen).local_device == device


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (OPEN_MPI, "Open MPI 5 does not tell .* add --coordinator=HOST:PORT"),
        (PALS, "PALS does not tell .* add --coordinator=HOST:PORT"),
        ({**PALS, "PBS_NODEFILE": "nothing"}, "cannot be joined.*--coordinator"),
        ({**PALS, "PMI_SIZE": ""}, "PMI_SIZE is not set"),
        ({**KUBERNETES, "SERVICE_NAME": ""}, "SERVICE_NAME is not set"),
        ({"JAX_NUM_PROCESSES": "2"}, "set all of"),
        ({"JAX_COORDINATOR_ADDRESS": "host1:5000"}, "no launcher was recognised"),
        ({**BY_HAND, "JAX_PROCESS_ID": "one"}, "cannot be joined"),
        ({**SLURM, "SLURM_STEP_NUM_TASKS": "many"}, "cannot be joined"),
        ({**LSF, "LSB_MCPU_HOSTS": " "}, "names no"),
    ],
)
def test_what_is_only_half_there_is_refused(seen, words):
    with pytest.raises(RunError, match=words):
        find_launch(seen)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("a", "a"),
        ("a,b", "a"),
        ("gpu[003-005,7],login1", "gpu003"),
        ("r[7,9]n", "r7n"),
        ("r[07-12]-ib", "r07-ib"),
    ],
)
def test_the_first_host_of_a_node_list(nodes, first):
    assert first_host(nodes) == first

"""Every launcher is recognised by what it sets."""

import pytest

from parallel.errors import RunError
from parallel.launchers import Launch, find_launch, first_host

SLURM = {
    "SLURM_STEP_NUM_TASKS": "16",
    "SLURM_STEP_NODELIST": "gpu[003-006]",
    "SLURM_PROCID": "5",
    "SLURM_JOB_ID": "1234567",
}
LSF = {
    "JSM_NAMESPACE_SIZE": "12",
    "JSM_NAMESPACE_RANK": "7",
    "LSB_MCPU_HOSTS": "batch5 1 h36n10 42 h36n11 42",
    "LSB_JOBID": "98",
}
OPEN_MPI = {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"}
BY_HAND = {
    "JAX_COORDINATOR_ADDRESS": "host1:5000",
    "JAX_NUM_PROCESSES": "2",
    "JAX_PROCESS_ID": "1",
}


@pytest.mark.parametrize(
    ("seen", "launch"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "3", "SLURM_NTASKS": "4"}, None),  # sbatch without srun
        (SLURM, Launch("Slurm", "gpu003:54567", 16, 5)),
        (LSF, Launch("LSF", "h36n10:40098", 12, 7)),
        (
            {**OPEN_MPI, "OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:4"},
            Launch("Open MPI 4", None, None, None),
        ),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, Launch("Cloud TPU (GKE)", None, None, None)),
        ({"TPU_WORKER_HOSTNAMES": "a"}, None),
        ({**SLURM, **BY_HAND}, Launch("by hand", "host1:5000", 2, 1)),
    ],
)
def test_a_launcher_is_recognised(seen, launch):
    assert find_launch(seen) == launch


def test_pbs_names_the_first_host_of_its_file(tmp_path):
    nodes = tmp_path / "nodes"
    nodes.write_text("nid1\nnid1\nnid2\n")
    seen = {**OPEN_MPI, "PBS_NODEFILE": str(nodes), "PBS_JOBID": "77.server"}
    assert find_launch(seen) == Launch("PBS and Open MPI", "nid1:40077", 4, 3)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (OPEN_MPI, "add --coordinator=HOST:PORT"),
        ({"JAX_NUM_PROCESSES": "2"}, "set all of"),
        ({**BY_HAND, "JAX_PROCESS_ID": "one"}, "cannot be joined"),
        ({**SLURM, "SLURM_STEP_NUM_TASKS": "many"}, "cannot be joined"),
        ({**LSF, "LSB_MCPU_HOSTS": ""}, "LSB_MCPU_HOSTS|cannot be joined|names no"),
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

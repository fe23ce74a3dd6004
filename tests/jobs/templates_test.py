"""Job templates: shells parse them, and the local one restarts what it should."""

import pathlib
import subprocess
import time

import pytest

from parallel import exit_codes

ROOT = pathlib.Path(__file__).resolve().parents[2]
JOBS = ROOT / "jobs"
SHELLS = sorted([*JOBS.glob("*.sh"), *JOBS.glob("*.sbatch"), *JOBS.glob("*.lsf")])


@pytest.mark.parametrize("path", SHELLS, ids=lambda p: p.name)
def test_a_shell_reads_every_template(path):
    shell = "sh" if path.suffix == ".sh" else "bash"
    subprocess.run([shell, "-n", str(path)], check=True)


def _run(script, tmp_path, command, **environment):
    return subprocess.run(
        ["sh", str(JOBS / script), "sh", "-c", command],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


COUNTS = "echo x >> runs; n=$(wc -l < runs); "


@pytest.mark.parametrize("code", [exit_codes.REQUEUE, exit_codes.LOST, 134, 137, 143])
def test_a_run_that_was_saved_or_lost_is_started_again(tmp_path, code):
    done = _run("run.sh", tmp_path, f"{COUNTS} [ $n -ge 3 ] || exit {code}")
    assert done.returncode == 0
    assert (tmp_path / "runs").read_text() == "x\n" * 3


@pytest.mark.parametrize("code", [0, exit_codes.ERROR, exit_codes.USAGE, 130])
def test_what_a_restart_cannot_mend_is_not_started_again(tmp_path, code):
    assert _run("run.sh", tmp_path, f"{COUNTS} exit {code}").returncode == code
    assert (tmp_path / "runs").read_text() == "x\n"


def test_a_run_hears_the_signal_that_its_job_gets(tmp_path):
    command = "trap 'echo heard > heard; exit 3' TERM; touch begun; while :; do :; done"
    job = subprocess.Popen(
        ["sh", str(JOBS / "run.sh"), "sh", "-c", command], cwd=tmp_path
    )
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    job.terminate()
    assert job.wait(timeout=20) == 3
    assert (tmp_path / "heard").exists()


def test_a_scheduler_requeues_in_its_own_way_and_restarts_end(tmp_path):
    done = _run("run.sh", tmp_path, "exit 75", REQUEUE="echo again")
    assert (done.returncode, done.stdout) == (0, "again\n")
    done = _run("run.sh", tmp_path, f"{COUNTS} exit 76", MAX_RESTARTS="2")
    assert done.returncode == 76
    assert (tmp_path / "runs").read_text() == "x\n" * 3


@pytest.mark.parametrize(("ends", "code"), [((0, 0, 0), 0), ((0, 75, 0), 75)])
def test_local_processes_know_each_other_and_the_worst_end_counts(tmp_path, ends, code):
    command = (
        'echo "$JAX_PROCESS_ID of $JAX_NUM_PROCESSES at $JAX_COORDINATOR_ADDRESS"; '
        f"set -- {' '.join(map(str, ends))}; shift $JAX_PROCESS_ID; exit $1"
    )
    done = _run("local.sh", tmp_path, command, PROCESSES="3", PORT="5000")
    assert done.returncode == code
    said = sorted(done.stdout.splitlines())
    assert said == [f"{i} of 3 at localhost:5000" for i in range(3)]


def test_an_aborted_process_counts_as_lost(tmp_path):
    command = "[ $JAX_PROCESS_ID = 0 ] || kill -ABRT $$"
    assert _run("local.sh", tmp_path, command).returncode == exit_codes.LOST

"""Job templates: shells parse them, and the local one restarts what it should."""

import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import yaml

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


@pytest.mark.parametrize("code", [exit_codes.LOST, 134, 137, 143])
def test_a_run_that_was_lost_is_started_again(tmp_path, code):
    done = _run("run.sh", tmp_path, f"{COUNTS} [ $n -ge 3 ] || exit {code}")
    assert done.returncode == 0
    assert (tmp_path / "runs").read_text() == "x\n" * 3


@pytest.mark.parametrize(
    "code", [0, exit_codes.ERROR, exit_codes.USAGE, exit_codes.REQUEUE, 130]
)
def test_what_was_stopped_or_a_restart_cannot_mend_is_not_started_again(tmp_path, code):
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


@pytest.mark.parametrize("script", ["run.sh", "local.sh"])
def test_the_shell_outlives_ctrl_c_and_waits_for_what_the_run_makes_of_it(
    tmp_path, script
):
    """As a terminal does it: the signal goes to the whole process group."""
    program = (
        "import signal, sys, time, pathlib\n"
        "signal.signal(signal.SIGINT, lambda *_: (time.sleep(0.5), sys.exit(130)))\n"
        "pathlib.Path('begun').touch()\n"
        "while True: time.sleep(0.1)\n"
    )
    job = subprocess.Popen(
        ["sh", str(JOBS / script), sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PROCESSES": "1"},
        start_new_session=True,
    )
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    os.killpg(job.pid, signal.SIGINT)
    assert job.wait(timeout=20) == 130


def test_a_run_that_saved_on_its_jobs_signal_is_not_started_again(tmp_path):
    command = "trap 'exit 75' TERM; echo x >> begun; while :; do sleep 0.1; done"
    job = subprocess.Popen(
        ["sh", str(JOBS / "run.sh"), "sh", "-c", command], cwd=tmp_path
    )
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    job.terminate()
    assert job.wait(timeout=20) == exit_codes.REQUEUE
    assert (tmp_path / "begun").read_text() == "x\n"


@pytest.mark.parametrize(
    ("template", "launcher", "requeue"),
    [
        ("slurm_gpu.sbatch", "srun", "scontrol"),
        ("summit.lsf", "jsrun", "brequeue"),
    ],
)
def test_a_batch_job_that_is_warned_saves_and_is_requeued(
    tmp_path, template, launcher, requeue
):
    """Schedulers are stood in for; the signal goes to every process of the job."""
    (tmp_path / "jobs").symlink_to(JOBS)
    (tmp_path / "bin").mkdir()
    run = "#!/bin/sh\ntrap 'sleep 0.3; echo saved >> said; exit 75' USR1\n"
    run += 'echo "$@ cores:$SRUN_CPUS_PER_TASK" > begun\nwhile :; do sleep 0.1; done\n'
    for name, text in {
        launcher: run,
        requeue: "#!/bin/sh\necho requeued >> said\n",
    }.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o700)
    job = subprocess.Popen(
        ["bash", str(JOBS / template), "--config=c"],
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
            **{"SLURM_JOB_ID": "7", "LSB_JOBID": "7", "ARGUMENTS": "--config=c"},
            "SLURM_CPUS_PER_TASK": "8",
        },
        start_new_session=True,
    )
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    time.sleep(0.2)
    os.killpg(job.pid, signal.SIGUSR1)
    assert job.wait(timeout=20) == 0
    assert (tmp_path / "said").read_text().split() == ["saved", "requeued"]
    begun = (tmp_path / "begun").read_text()
    assert "--config=c" in begun
    # srun does not take the batch script's cores per task by itself.
    assert launcher != "srun" or "cores:8" in begun


def test_a_scheduler_requeues_in_its_own_way_and_restarts_end(tmp_path):
    done = _run("run.sh", tmp_path, "exit 75", REQUEUE="echo again")
    assert (done.returncode, done.stdout) == (0, "again\n")
    # Each requeued job begins anew; what is lost again and again is given up.
    job = {"REQUEUE": "echo again", "SLURM_JOB_ID": "5", "MAX_RESTARTS": "2"}
    codes = [exit_codes.LOST, exit_codes.REQUEUE, *[exit_codes.LOST] * 3]
    ends = [_run("run.sh", tmp_path, f"exit {code}", **job) for code in codes]
    assert [(e.returncode, e.stdout) for e in ends] == [(0, "again\n")] * 4 + [
        (exit_codes.LOST, "")
    ]
    assert "gave up: 3 losses in a row" in ends[-1].stderr
    assert not list(tmp_path.glob(".losses-5*"))
    done = _run("run.sh", tmp_path, f"{COUNTS} exit 76", MAX_RESTARTS="2")
    assert done.returncode == 76
    assert (tmp_path / "runs").read_text() == "x\n" * 3


@pytest.mark.parametrize(
    ("ends", "code"),
    [((0, 0, 0), 0), ((0, 75, 0), 75), ((75, 76, 0), 76), ((76, 1, 76), 1)],
)
def test_local_processes_know_each_other_and_the_end_that_says_most_counts(
    tmp_path, ends, code
):
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


def _seen_gpus(tmp_path, processes, **environment):
    command = 'echo "$JAX_PROCESS_ID: ${CUDA_VISIBLE_DEVICES:-all}"'
    done = _run("local.sh", tmp_path, command, PROCESSES=processes, **environment)
    return done.returncode, sorted(done.stdout.splitlines()), done.stderr


def test_local_processes_share_no_gpu(tmp_path):
    assert _seen_gpus(tmp_path, "2")[1] == ["0: all", "1: all"]
    seen = _seen_gpus(tmp_path, "2", CUDA_VISIBLE_DEVICES="4,5,6,7,9")
    assert seen[1] == ["0: 4,5", "1: 6,7"]
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\nprintf '0\\n1\\n2\\n'\n")
    fake.chmod(0o700)
    path = f"{tmp_path}:/usr/bin:/bin"
    assert _seen_gpus(tmp_path, "3", PATH=path)[1] == ["0: 0", "1: 1", "2: 2"]
    code, _, said = _seen_gpus(tmp_path, "4", PATH=path)
    assert code == 2 and "PROCESSES=4, but there are 3 GPUs" in said


def test_the_kubernetes_job_is_what_the_program_expects():
    """Parsed, not applied: names, counts, exit codes and what --fresh goes by agree."""
    service, job = yaml.safe_load_all((JOBS / "tpu_gke.yaml").read_text())
    assert (service["kind"], job["kind"]) == ("Service", "Job")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert spec["completionMode"] == "Indexed"
    chips = int(pod["containers"][0]["resources"]["limits"]["google.com/tpu"])
    slice_ = pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"].split("x")
    assert spec["completions"] == spec["parallelism"]
    assert spec["completions"] * chips == math.prod(map(int, slice_))
    codes = {
        rule["action"]: rule["onExitCodes"]["values"]
        for rule in spec["podFailurePolicy"]["rules"]
    }
    assert codes == {
        "FailJob": [exit_codes.ERROR, exit_codes.USAGE],
        "Ignore": [exit_codes.REQUEUE, exit_codes.LOST, 134, 137, 139, 143],
    }
    assert pod["restartPolicy"] == "Never"  # such a policy asks for it
    (run_job,) = pod["containers"][0]["env"]
    assert run_job["name"] == "RUN_JOB"  # see parallel/start_over.py
    assert "controller-uid" in run_job["valueFrom"]["fieldRef"]["fieldPath"]


@pytest.mark.slow
@pytest.mark.alone
def test_two_local_processes_train_stop_and_go_on(tmp_path):
    """The template itself, around the program itself."""
    environment = {**os.environ, "PROCESSES": "2", "JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=1"
    command = [sys.executable, "main.py", "--config=configs/digits.py:smoke"]
    command += [f"--workdir={tmp_path}", "--config.evaluation.networks=()"]
    command += ["--config.parallel.entry_loop=vmap"]

    def run(*flags):
        done = subprocess.run(
            ["sh", str(JOBS / "local.sh"), *command, *flags],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stderr

    code, said = run("--time_limit=0")
    assert code == exit_codes.REQUEUE, said
    code, said = run()
    assert code == 0, said
    runs = json.loads((tmp_path / "versions.json").read_text())
    assert [one["processes"] for one in runs] == ["2", "2"]
    assert (tmp_path / "checkpoints" / "4" / "manifest.json").exists()
    assert (tmp_path / "fakes-000004.png").exists()

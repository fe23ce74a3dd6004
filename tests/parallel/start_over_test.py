"""Starting over keeps what was there, sees none of it, and happens once a job."""

import json
import pathlib
import subprocess
import sys

import pytest

from parallel.errors import RunError
from parallel.start_over import job_of, start_over
from parallel.survival import Survival
from parallel.training_workdir import training_workdir

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ("RUN_JOB", "SLURM_JOB_ID", "LSB_JOBID", "LSB_JOBINDEX", "PBS_JOBID")


@pytest.fixture(autouse=True)
def no_job(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_what_a_run_left_is_moved_aside_and_nothing_is_deleted(tmp_path):
    for name in ("checkpoints/4/manifest.json", "metrics.jsonl", "fakes-000004.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "config.json").write_text("{}")
    for again in (1, 2):
        start_over(tmp_path)
        aside = tmp_path / f"before-{again}"
        if again == 1:
            assert (aside / "checkpoints/4/manifest.json").exists()
            assert (aside / "fakes-000004.png").read_text() == "fakes-000004.png"
            assert (aside / "config.json").read_text() == "{}"
            (tmp_path / "metrics.jsonl").write_text("second")
        assert (aside / "metrics.jsonl").exists()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"started_over.json", "before-1", "before-2"}
    start_over(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == left


@pytest.mark.parametrize("name", ["RUN_JOB", "SLURM_JOB_ID", "LSB_JOBID", "PBS_JOBID"])
def test_a_requeued_job_goes_on_and_the_next_one_starts_over(
    tmp_path, monkeypatch, name
):
    (tmp_path / "metrics.jsonl").write_text("of another job")
    monkeypatch.setenv(name, "77")
    start_over(tmp_path)
    assert (tmp_path / "before-1" / "metrics.jsonl").exists()
    (tmp_path / "metrics.jsonl").write_text("of this job")
    start_over(tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text() == "of this job"
    monkeypatch.setenv(name, "78")
    start_over(tmp_path)
    assert (tmp_path / "before-2" / "metrics.jsonl").read_text() == "of this job"


def _train_in(workdir, seed, *, fresh=True):
    """As a run that saves a step."""
    with training_workdir(str(workdir), {"seed": seed}, (), Survival(fresh=fresh)):
        (workdir / "checkpoints" / "4").mkdir(parents=True, exist_ok=True)


def _seed(directory):
    return json.loads((directory / "config.json").read_text())["seed"]


def test_another_configuration_may_start_over_and_the_old_one_is_kept(tmp_path):
    _train_in(tmp_path, 1, fresh=False)
    with pytest.raises(RunError, match="config.seed is 1 there and 2 here"):
        _train_in(tmp_path, 2, fresh=False)
    _train_in(tmp_path, 2)
    assert _seed(tmp_path) == 2
    assert _seed(tmp_path / "before-1") == 1
    assert (tmp_path / "before-1" / "checkpoints" / "4").is_dir()


def test_a_requeued_job_that_does_not_start_over_keeps_its_configuration(
    tmp_path, monkeypatch
):
    _train_in(tmp_path, 1, fresh=False)
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    _train_in(tmp_path, 2)
    with pytest.raises(RunError, match="config.seed is 2 there and 3 here"):
        _train_in(tmp_path, 3)
    assert _seed(tmp_path) == 2
    _train_in(tmp_path, 2)
    assert not (tmp_path / "before-2").exists()


@pytest.mark.parametrize("mark", [b"", b"\xff", b"[]", b'{"job": 3}', b"[" * 70000])
def test_a_damaged_mark_is_that_of_no_job(tmp_path, monkeypatch, mark):
    monkeypatch.setenv("SLURM_JOB_ID", "3")
    (tmp_path / "started_over.json").write_bytes(mark)
    (tmp_path / "metrics.jsonl").write_text("old")
    start_over(tmp_path)
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.parametrize(
    ("seen", "job"),
    [
        ({}, ""),
        ({"SLURM_JOB_ID": "5", "RUN_JOB": "a"}, "RUN_JOB=a"),
        ({"LSB_JOBID": "5", "LSB_JOBINDEX": "0"}, "LSB_JOBID=5"),
        ({"LSB_JOBID": "5", "LSB_JOBINDEX": "2"}, "LSB_JOBID=5[2]"),
    ],
)
def test_a_job_has_one_name_however_often_it_runs(seen, job):
    assert job_of(seen) == job


def test_a_command_that_run_sh_repeats_starts_over_once(tmp_path):
    """Each attempt leaves a line; the old run's is gone, all of its own are there."""
    (tmp_path / "metrics.jsonl").write_text("old\n")
    program = (
        "import pathlib, sys\n"
        "from parallel.start_over import start_over\n"
        "start_over(pathlib.Path(sys.argv[1]))\n"
        "path = pathlib.Path(sys.argv[1]) / 'metrics.jsonl'\n"
        "file = path.open('a+'); file.write('new\\n'); file.seek(0)\n"
        "sys.exit(76 if len(file.readlines()) < 3 else 0)\n"
    )
    command = ["sh", "jobs/run.sh", sys.executable, "-c", program, str(tmp_path)]
    for again in (1, 2):
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
        assert (tmp_path / "metrics.jsonl").read_text() == "new\n" * 3
        assert len(list(tmp_path.glob("before-*"))) == again

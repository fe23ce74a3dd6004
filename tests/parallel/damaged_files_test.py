"""Two hundred damaged forms of every file that a workdir holds and a run reads."""

import json
import pathlib
import shutil

import pytest

from parallel.checkpoint import FORMAT_VERSION, Checkpointer
from parallel.errors import RunError
from parallel.fault_injection import FaultInjector, parse_faults
from parallel.manifest import MANIFEST, why_not_good, write_manifest
from parallel.metric_writers import _drop_later_lines
from parallel.time_log import TIME_LOG
from parallel.time_report import read_report
from parallel.verify import verify_workdir
from parallel.workdir import prepare_workdir, require_same_config
from parallel.workdir_lock import WorkdirLock
from tests.mutations import harmless, mutations, read_all_damaged

GOLDEN = pathlib.Path(__file__).parent / "golden_checkpoint" / "5"
CONFIG = {"seed": 3, "model": {"features": [4, 8], "dtype": "float32"}, "name": "a"}


@pytest.fixture
def step(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "checkpoints" / "5")
    return tmp_path / "checkpoints" / "5"


def test_no_damaged_manifest_is_trusted(step):
    path, whole = step / MANIFEST, (step / MANIFEST).read_bytes()
    for number, damaged in mutations(whole):
        path.write_bytes(damaged)
        with harmless(step, most_mib=16):
            why = why_not_good(step, FORMAT_VERSION)
        try:
            same = json.loads(damaged) == json.loads(whole)
        except (ValueError, RecursionError):
            same = False
        assert (why is None) == same, number
    path.write_bytes(whole)
    assert why_not_good(step, FORMAT_VERSION) is None


def test_no_damaged_file_of_a_checkpoint_is_trusted(step):
    files = sorted(p for p in step.rglob("*") if p.is_file() and p.name != MANIFEST)
    for place, path in enumerate(files):
        whole = path.read_bytes()
        for number, damaged in mutations(whole, 200 // len(files) + 1, seed=place):
            path.write_bytes(damaged)
            why = why_not_good(step, FORMAT_VERSION)
            assert (why is None) == (damaged == whole), (path, number)
            assert why is None or path.name in why
        path.write_bytes(whole)


def test_a_step_with_a_way_out_of_it_is_not_trusted(step, tmp_path):
    (tmp_path / "elsewhere").write_text("not of this checkpoint")
    listed = json.loads((step / MANIFEST).read_text())["files"]
    name = max(listed, key=lambda n: listed[n]["bytes"])
    shutil.move(step / name, tmp_path / "outside")
    (step / name).symlink_to(tmp_path / "outside")
    assert why_not_good(step, FORMAT_VERSION) == f"{name} is a link or no file"
    (step / name).unlink()
    content = json.loads((step / MANIFEST).read_text())
    content["files"]["../../elsewhere"] = content["files"].pop(name)
    (step / MANIFEST).write_text(json.dumps(content))
    assert why_not_good(step, FORMAT_VERSION) == f"{MANIFEST} is damaged"


@pytest.mark.slow
def test_what_lies_beside_a_state_is_read_or_refused_in_one_line(step):
    """With a manifest that fits, as from somebody who means harm."""
    path = step / "extra" / "metadata"
    checkpointer = Checkpointer(step.parent, keep=None)

    def read():
        write_manifest(step, FORMAT_VERSION)
        checkpointer.extra(5)

    assert read_all_damaged(path, path.read_bytes(), read, errors=RunError) > 50
    checkpointer.close()


def test_a_damaged_configuration_is_refused_or_differs(tmp_path):
    prepare_workdir(str(tmp_path), CONFIG, ())
    path = tmp_path / "config.json"

    def read():
        require_same_config(str(tmp_path), CONFIG, ())

    assert read_all_damaged(path, path.read_bytes(), read, errors=RunError) > 100


def test_a_damaged_record_of_runs_is_refused_or_kept(tmp_path):
    prepare_workdir(str(tmp_path), CONFIG, ())
    path = tmp_path / "versions.json"

    def read():
        prepare_workdir(str(tmp_path), CONFIG, ())

    assert read_all_damaged(path, path.read_bytes(), read, errors=RunError) > 50


def test_damaged_metrics_are_dropped_line_by_line(tmp_path):
    lines = [{"step": step, "loss": 0.5} for step in range(1, 20)]
    whole = "".join(json.dumps(line) + "\n" for line in lines).encode()
    path = tmp_path / "metrics.jsonl"

    def read():
        _drop_later_lines(path, 10)

    assert read_all_damaged(path, whole, read, errors=()) == 0
    kept = [json.loads(line)["step"] for line in path.read_text().splitlines()]
    assert kept == list(range(1, 11))


def test_a_damaged_time_log_is_reported_on_as_far_as_it_goes(tmp_path):
    lines = [{"start": 1.0}, {"at": 9.0, "step": 0, "seconds": {"start": 8.0}}]
    for step in range(10, 60, 10):
        spent = {"step": 4.0, "input": 1.0}
        lines.append({"at": 9.0 + step, "step": step, "seconds": spent})
    whole = "".join(json.dumps(line) + "\n" for line in lines).encode()
    path = tmp_path / TIME_LOG
    read_all_damaged(path, whole, lambda: read_report(str(tmp_path)), errors=RunError)


def test_a_damaged_lock_or_list_of_faults_is_no_hindrance(tmp_path):
    def lock():
        WorkdirLock(tmp_path).close()

    whole = b'{"host": "node7", "process": 4711}\n'
    assert not read_all_damaged(tmp_path / "run.lock", whole, lock, errors=())
    with WorkdirLock(tmp_path):
        for number, damaged in mutations(whole):
            (tmp_path / "run.lock").write_bytes(damaged)
            with pytest.raises(RunError, match="is in use by"):
                WorkdirLock(tmp_path)
            assert number < 200
    faults = parse_faults("kill@7")

    def inject():
        FaultInjector(faults, tmp_path)

    path = tmp_path / "injected.txt"
    assert not read_all_damaged(path, b"kill@7\nnan@3\n", inject, errors=())


def test_a_damaged_workdir_is_verified_without_an_error(step, capsys):
    path = step / MANIFEST
    for _, damaged in mutations(path.read_bytes(), 20, seed=1):
        path.write_bytes(damaged)
        verify_workdir(str(step.parents[1]))
    assert capsys.readouterr().out.count("checkpoints/5: ") == 20

"""Every second of a run is in its report, in one place."""

import json
import time

import pytest

from parallel.errors import RunError
from parallel.time_log import TIME_LOG, Phase, TimeLog
from parallel.time_report import KINDS, print_report, read_report


def _write(workdir, *lines):
    text = "\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines)
    (workdir / TIME_LOG).write_text(text + "\n")


def _line(at, taken, **seconds):
    return {"at": at, "step": taken, "seconds": seconds}


def test_a_killed_run_and_its_restart_add_up(tmp_path):
    _write(
        tmp_path,
        {"start": 1000.0},
        _line(1010, 0, start=10),
        _line(1030, 10, compile=4, input=1, step=15),
        _line(1032, 10, checkpoint=2),
        _line(1042, 20, input=2, step=8),  # lost: the next one goes on from 10
        _line(1047, 24, step=5),  # lost
        '{"at": 1049, "step": 2',  # what a killed process was writing
        {"start": 1060.0},
        _line(1068, 10, start=8),
        _line(1090, 30, compile=2, step=18, evaluation=2),
        _line(1091, 30, checkpoint=1),
    )
    report = read_report(str(tmp_path))
    assert report.seconds == {
        "productive": 33,
        "compile": 6,
        "input": 1,
        "evaluation": 2,
        "checkpoint": 3,
        "start": 10,
        "restart": 8 + 13,
        "lost": 15,
    }
    assert report.total == 91  # from the first start to the last word
    assert report.steps == 30 and len(report.processes) == 2
    assert report.goodput == pytest.approx(33 / 91)


def test_what_a_resumed_run_did_not_do_again_is_kept(tmp_path):
    """A line that ends after the checkpoint is shared out by steps."""
    _write(
        tmp_path,
        {"start": 0},
        _line(0, 0, start=0),
        _line(40, 40, step=40),
        {"start": 40},
        _line(40, 30, start=0),
    )
    seconds = read_report(str(tmp_path)).seconds
    assert (seconds["productive"], seconds["lost"]) == (30, 10)


def test_a_process_that_died_before_its_first_step_changes_nothing_but_time(tmp_path):
    _write(
        tmp_path,
        {"start": 0},
        _line(5, 0, start=5),
        _line(25, 20, step=20),
        {"start": 30},
        {"start": 50},
        _line(53, 20, start=3),
        _line(63, 30, step=10),
    )
    report = read_report(str(tmp_path))
    assert report.seconds["lost"] == 0 and report.seconds["productive"] == 30
    assert report.seconds["restart"] == 5 + 20 + 3 and report.total == 63


def test_a_start_of_what_is_complete_is_no_part_of_the_run(tmp_path):
    """Nor is the time in which nobody wanted anything of it."""
    _write(
        tmp_path,
        {"start": 0},
        _line(10, 0, start=10),
        _line(40, 30, step=30),
        {"start": 5000},
        {"complete": 5003},
    )
    report = read_report(str(tmp_path))
    assert report.steps == 30 and len(report.processes) == 1
    assert report.total == 40
    log = TimeLog(tmp_path, enabled=True)
    log.complete()
    log.close()
    assert read_report(str(tmp_path)) == report
    # One that was killed before its first line hides nothing of what was trained.
    with (tmp_path / TIME_LOG).open("a") as file:
        file.write(json.dumps({"start": 6000}) + "\n")
    assert read_report(str(tmp_path)).steps == 30


def test_the_log_of_a_run_holds_all_its_seconds(tmp_path, capsys):
    began = time.time()
    with TimeLog(tmp_path, enabled=True) as log:
        for phase, step in [
            (Phase.INPUT, 0),
            (Phase.COMPILE, 0),
            (Phase.STEP, 1),
            (Phase.CHECKPOINT, 2),
            (Phase.STEP, 2),
        ]:
            log.now(phase, step)
            time.sleep(0.05)
    wall = time.time() - began
    report = read_report(str(tmp_path))
    assert set(report.seconds) == set(KINDS)
    started = report.processes[0].start
    assert report.total == pytest.approx(time.time() - started, abs=0.1)
    assert report.total - report.seconds["start"] == pytest.approx(wall, abs=0.05)
    assert report.seconds["productive"] == pytest.approx(0.1, abs=0.04)
    assert report.seconds["checkpoint"] == pytest.approx(0.05, abs=0.03)
    print_report(str(tmp_path))
    said = capsys.readouterr().out
    assert "goodput" in said and all(kind in said for kind in KINDS)


def test_a_process_that_is_not_the_first_writes_nothing(tmp_path):
    with TimeLog(tmp_path, enabled=False) as log:
        log.now(Phase.STEP, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [None, "", "nonsense\n[1]\n{}\n"])
def test_a_workdir_without_a_time_log_says_so(text, tmp_path):
    if text is not None:
        (tmp_path / TIME_LOG).write_text(text)
    with pytest.raises(RunError, match="name the workdir of a run"):
        read_report(str(tmp_path))

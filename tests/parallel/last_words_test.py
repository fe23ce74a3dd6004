"""What a failed process says reaches its own run, and no damaged file does harm."""

import json
import os

import pytest

from parallel.exit_codes import ERROR, LOST, USAGE
from parallel.last_words import LastWords, exchange_last_words


def _said(directory, run, process, **changed):
    said = {"process": process, "host": "h", "exit_code": ERROR, "why": "no disk"}
    path = directory / f"{run}-process-{process}.json"
    path.write_text(json.dumps({**said, **changed}))
    return path


@pytest.mark.parametrize("code", [ERROR, USAGE])
def test_what_another_process_of_this_run_said_is_heard(tmp_path, code):
    _said(tmp_path, 7, 2, exit_code=code)
    heard = LastWords(tmp_path, 7).heard()
    assert heard == ("process 2 on h failed: no disk", code)


def test_words_of_another_run_and_own_ones_are_not_heard(tmp_path):
    _said(tmp_path, 17, 2)
    _said(tmp_path, 7, 0)  # its own: this is process 0
    assert LastWords(tmp_path, 7).heard() is None


def test_one_line_is_left_and_only_if_nobody_spoke_before(tmp_path):
    words = LastWords(tmp_path, 7)
    words.say("two\nlines " + "x" * 10_000, ERROR)
    (path,) = tmp_path.iterdir()
    said = json.loads(path.read_text())
    assert said["why"].startswith("two lines xxx") and len(said["why"]) == 500
    path.unlink()
    other = _said(tmp_path, 7, 1)
    words.say("because another one was gone", ERROR)
    assert list(tmp_path.iterdir()) == [other]


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"{}", b"[" * 70000, b'{"exit_code": 1}']
)
def test_damaged_words_are_none(tmp_path, content):
    (tmp_path / "7-process-1.json").write_bytes(content)
    assert LastWords(tmp_path, 7).heard() is None


def test_damaged_words_of_one_do_not_hide_those_of_another(tmp_path):
    (tmp_path / "7-process-1.json").write_bytes(b"")
    _said(tmp_path, 7, 2)
    assert LastWords(tmp_path, 7).heard() == ("process 2 on h failed: no disk", ERROR)


def test_a_loss_is_no_reason(tmp_path):
    _said(tmp_path, 7, 1, exit_code=LOST)
    assert LastWords(tmp_path, 7).heard() is None


def test_where_nothing_can_be_written_nothing_is_said_and_nothing_raised(tmp_path):
    LastWords(tmp_path / "nothing", 7).say("why", ERROR)
    LastWords().say("why", ERROR)
    assert LastWords(tmp_path / "nothing", 7).heard() is None


def test_the_only_process_leaves_no_trace(tmp_path):
    exchange_last_words(str(tmp_path)).say("why", ERROR)
    assert os.listdir(tmp_path) == []

"""A first process that falls silent is named once, and one that beats never."""

import pytest

from parallel.pulse import MISSED_AFTER_SECONDS, Listener, beat


def test_one_that_beats_is_not_missed_whatever_the_clock_says(tmp_path):
    path = tmp_path / "7-pulse"
    listener = Listener(path, now=1000.0)
    for number in range(1, 20):
        beat(path, number)
        assert listener.missed(1000.0 + 0.9 * MISSED_AFTER_SECONDS * number) is None


def test_one_that_falls_silent_is_named_once_and_again_after_it_came_back(tmp_path):
    path = tmp_path / "7-pulse"
    listener = Listener(path, now=0.0)
    beat(path, 1)
    assert listener.missed(1.0) is None
    line = listener.missed(1.0 + MISSED_AFTER_SECONDS)
    assert line.startswith("process 0 on ") and "no sign of life for 6 s" in line
    assert listener.missed(100.0) is None
    beat(path, 2)
    assert listener.missed(101.0) is None
    assert "for 9 s" in listener.missed(110.0)


def test_one_that_never_beat_is_not_missed(tmp_path):
    """Its disk may be full: who is gone is not known by that."""
    listener = Listener(tmp_path / "7-pulse", now=0.0)
    assert listener.missed(1000.0) is None


@pytest.mark.parametrize("content", [b"\xff\xfe", b"1", b"x" * 100_000])
def test_a_damaged_pulse_does_no_harm(tmp_path, content):
    path = tmp_path / "7-pulse"
    path.write_bytes(content)
    listener = Listener(path, now=0.0)
    listener.missed(0.0)
    assert len(listener.missed(10.0)) < 1000


def test_a_disk_that_takes_no_pulse_does_no_harm(tmp_path):
    beat(tmp_path / "nothing" / "7-pulse", 1)

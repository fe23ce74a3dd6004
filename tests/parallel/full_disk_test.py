"""A disk that is really full, and kills at random moments of a save."""

import pathlib
import random
import signal
import subprocess
import time

import numpy as np
import pytest

from parallel.checkpoint import Checkpointer
from parallel.errors import RunError
from parallel.manifest import MANIFEST
from tests.parallel.killed_save_test import assert_step_is_whole, start_saving
from tests.parallel.small_states import abstract, bits


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a tmpfs")
    yield pathlib.Path(place)
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_ends_in_one_line_and_the_last_step_is_intact(small_disk):
    state = {"w": np.random.default_rng(0).random(300_000, np.float32)}
    writer = Checkpointer(small_disk / "checkpoints", keep=9)
    saved = []
    with pytest.raises(RunError, match="No space left on device.*older steps are as"):
        for step in range(1, 9):
            writer.save(step, state, {})
            saved.append(step)
    assert saved
    reader = Checkpointer(small_disk / "checkpoints", keep=9)
    assert reader.latest_step() == saved[-1]
    assert bits(reader.restore(saved[-1], abstract(state))) == bits(state)
    reader.close()


def test_a_disk_that_became_read_only_ends_in_one_line(small_disk):
    """As a failing disk or a server does it: root may not write there either."""
    state = {"w": np.arange(1000.0)}
    writer = Checkpointer(small_disk / "checkpoints", keep=9)
    writer.save(1, state, {})
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True, capture_output=True)
    with pytest.raises(RunError, match="Read-only file system.*older steps are as"):
        writer.save(2, state, {})
    reader = Checkpointer(small_disk / "checkpoints", keep=9)
    assert reader.latest_step() == 1
    assert bits(reader.restore(1, abstract(state))) == bits(state)


@pytest.mark.slow
@pytest.mark.alone
def test_fifty_kills_at_random_moments_leave_a_whole_step_every_time(tmp_path):
    directory, rng, newest = tmp_path / "checkpoints", random.Random(0), 0
    for _ in range(50):
        process = start_saving(directory)
        with process.stdout:
            said = 0
            for line in process.stdout:
                word, step = line.split()
                newest = max(newest, int(step)) if word == "saved" else newest
                said += word == "saving"
                if said >= 2:
                    time.sleep(rng.random() * 0.3)
                    process.send_signal(signal.SIGKILL)
                    break
            # What was saved between the last line that was read and the kill.
            for line in process.stdout.read().splitlines():
                word, _, step = line.partition(" ")
                newest = max(newest, int(step)) if word == "saved" and step else newest
        process.wait()
        reader = Checkpointer(directory, keep=2)
        found = reader.latest_step()
        assert found in (newest, newest + 1)
        assert_step_is_whole(reader, found)
        reader.close()


@pytest.mark.slow
@pytest.mark.alone
def test_a_kill_in_the_very_first_save_leaves_a_directory_that_is_begun_again(tmp_path):
    """As soon as orbax has moved the step to its place, where no manifest is yet.

    That takes milliseconds, so a kill may come too late: then the next one tries.
    """
    for number in range(8):
        directory = tmp_path / str(number) / "checkpoints"
        process = start_saving(directory)
        with process.stdout:
            deadline = time.monotonic() + 60
            while not (directory / "1").exists():
                assert process.poll() is None and time.monotonic() < deadline
            process.send_signal(signal.SIGKILL)
            process.wait()
            said = process.stdout.read()
        reader = Checkpointer(directory, keep=2)
        unfinished = not (directory / "1" / MANIFEST).exists()
        assert not (unfinished and "saved" in said)
        assert reader.latest_step() == (None if unfinished else 1)
        reader.save(9, {"w": np.arange(4.0)}, {})
        assert reader.latest_step() == 9
        reader.close()
        if unfinished:
            return
    raise AssertionError("no kill fell between the step and its manifest")

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np

from parallel.checkpoint import Checkpointer
from tests.parallel.small_states import abstract, bits, numbers

ROOT = pathlib.Path(__file__).resolve().parents[2]

_SAVE_FOREVER = textwrap.dedent(
    """
    import itertools, sys
    import numpy as np
    from parallel.checkpoint import Checkpointer

    checkpointer = Checkpointer(sys.argv[1], keep=2)
    first = (checkpointer.latest_step() or 0) + 1
    for step in itertools.count(first):
        rng = np.random.default_rng(step)
        state = {f"w{i}": rng.random(100_000, np.float32) for i in range(30)}
        print("saving", step, flush=True)
        checkpointer.save(step, state, {"step": step})
        print("saved", step, flush=True)
    """
)


def start_saving(directory):
    return subprocess.Popen(
        [sys.executable, "-c", _SAVE_FOREVER, str(directory)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def assert_step_is_whole(checkpointer, step):
    assert checkpointer.extra(step)["step"] == step
    rng = np.random.default_rng(step)
    expected = {f"w{i}": rng.random(100_000, np.float32) for i in range(30)}
    assert bits(checkpointer.restore(step, abstract(expected))) == bits(expected)


def wait_for_half_a_step(process, directory, num_saved):
    """Stops the process while a step is on disk in part; returns the saved steps."""
    saved = []
    for line in process.stdout:
        word, step = line.split()
        if word == "saved":
            saved.append(int(step))
        elif len(saved) >= num_saved:
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                if any(not p.name.isdigit() for p in directory.iterdir()):
                    os.kill(process.pid, signal.SIGSTOP)
                    if any(not p.name.isdigit() for p in directory.iterdir()):
                        return saved
                    os.kill(process.pid, signal.SIGCONT)
                    break
    raise AssertionError("the saving process ended")


def test_a_run_killed_in_the_middle_of_a_save_goes_on_from_the_step_before(tmp_path):
    directory = tmp_path / "checkpoints"
    for _ in range(3):
        process = start_saving(directory)
        with process.stdout:
            saved = wait_for_half_a_step(process, directory, num_saved=2)
            process.send_signal(signal.SIGKILL)
            process.wait()
        reader = Checkpointer(directory, keep=2)
        assert reader.all_steps() == saved[-2:]
        for step in saved[-2:]:
            assert_step_is_whole(reader, step)
        reader.close()
    writer = Checkpointer(directory, keep=2)
    writer.save(1000, numbers(), {})
    writer.close()
    assert {p.name for p in directory.iterdir()} == {str(saved[-1]), "1000"}


def test_looking_at_a_run_does_not_disturb_a_save_under_way(tmp_path):
    directory = tmp_path / "checkpoints"
    process = start_saving(directory)
    try:
        with process.stdout:
            saved = wait_for_half_a_step(process, directory, num_saved=1)
            before = sorted(p.name for p in directory.iterdir())
            for keep in (None, 1):
                reader = Checkpointer(directory, keep=keep)
                assert reader.latest_step() == saved[-1]
                reader.close()
            assert sorted(p.name for p in directory.iterdir()) == before
            process.send_signal(signal.SIGCONT)
            assert process.stdout.readline() == f"saved {saved[-1] + 1}\n"
    finally:
        process.kill()
        process.wait()

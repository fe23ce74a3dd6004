"""Two runs never share a workdir; a dead one's lock is taken over."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from parallel.errors import RunError
from parallel.workdir_lock import WorkdirLock

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOLD = """
import pathlib, sys, time
from parallel.workdir_lock import WorkdirLock
lock = WorkdirLock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
time.sleep(100)
"""


def test_a_second_run_is_refused_until_the_first_is_dead(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder.stdout:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"in use by process {holder.pid} on "):
            WorkdirLock(tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with WorkdirLock(tmp_path), pytest.raises(RunError, match="is in use by process"):
        WorkdirLock(tmp_path)
    WorkdirLock(tmp_path).close()

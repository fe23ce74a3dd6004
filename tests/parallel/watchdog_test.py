"""What is stuck is named, with stacks, and ends."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
import pathlib, sys, time
from parallel.watchdog import watched

def batches():
    for step in range(7):
        yield step, None
        print(step, flush=True)
    time.sleep(float(sys.argv[2]))

def the_place_where_it_hangs():
    for step, _ in watch.inputs(batches()):
        pass

with watched(pathlib.Path(sys.argv[1]), 0.4) as watch:
    the_place_where_it_hangs()
print("through")
"""


def _run(workdir, sleep):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(workdir), str(sleep)],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_an_input_that_never_comes_is_named_with_step_process_and_stacks(tmp_path):
    done = _run(tmp_path, 50)
    assert done.returncode == 76
    assert re.search(
        r"process 0 on \S+ is stuck: \d+ s waiting for the input after step 7; stacks",
        done.stderr,
    )
    stacks = (tmp_path / "stuck" / "process-0.txt").read_text()
    assert "the_place_where_it_hangs" not in done.stderr
    assert "batches" in stacks and "the_place_where_it_hangs" in stacks


def test_what_is_only_slow_goes_on(tmp_path):
    done = _run(tmp_path, 0.1)
    assert done.returncode == 0 and "through" in done.stdout
    assert not (tmp_path / "stuck").exists()

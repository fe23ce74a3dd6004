"""Two thousand steps, with faults and without, end alike, in memory that stays flat."""

import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

from parallel.time_report import print_report, read_report
from tests.gan.small_run import saved_arrays

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS, EVERY = 2000, 50
BROKEN = 3  # the label that faults make NaN
COMMAND = [
    *(sys.executable, "main.py", "--config=configs/digits.py:smoke"),
    *(f"--config.num_steps={STEPS}", f"--config.log_every_steps={EVERY}"),
    *(f"--config.checkpoint_every_steps={EVERY}", "--config.keep_checkpoints=3"),
    # Often: what pictures keep once is there before memory is compared.
    *("--config.sample_every_steps=100", "--config.evaluation.networks=()"),
    *("--config.parallel.entry_loop=vmap", "--stuck_after=60"),
]

# One arena: what the run holds, not what the C allocator keeps for each of its threads.
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "", "MALLOC_ARENA_MAX": "1"}


def _faults(seed):
    """One fault of every kind that a run goes on from, at random steps."""
    rng = random.Random(seed)
    steps = rng.sample(range(100, STEPS - 100), 7)
    kill, killed, term, nan, late, flip, truncate = steps
    # A damaged checkpoint shows when the next start reads it.
    flip, truncate = (step // EVERY * EVERY for step in (flip, truncate))
    return ",".join(
        [
            *(f"kill@{kill}", f"kill@{killed}", f"term@{term}"),
            *(f"nan@{nan}:label={BROKEN}", f"hang@{late}:seconds=2"),
            *(f"flip@{flip}", f"kill@{flip + 1}"),
            *(f"truncate@{truncate}", f"kill@{truncate + 1}"),
        ]
    )


def _resident_mib(number):
    pages = pathlib.Path(f"/proc/{number}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _run(workdir, *flags):
    """Starts a run; returns (exit code, what it said, memory [MiB] every 0.2 s)."""
    process = subprocess.Popen(
        [*COMMAND, f"--workdir={workdir}", *flags],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    said, seen = [], []
    listener = threading.Thread(target=lambda: said.append(process.stderr.read()))
    listener.start()
    while process.poll() is None:
        try:
            seen.append(_resident_mib(process.pid))
        except (OSError, IndexError):  # it has just ended
            break
        time.sleep(0.2)
    process.wait()
    listener.join()
    process.stderr.close()
    return process.returncode, said[0], np.array(seen)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="no /proc")
def test_two_thousand_steps_with_random_faults(tmp_path, capsys):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    code, said, memory = _run(whole)
    assert code == 0, said
    # The first quarter compiles, and fills what JAX and the allocator keep.
    second, _, last = np.array_split(memory[len(memory) // 4 :], 3)
    # Medians: a save or a picture holds some 15 MiB for a moment, and a leak keeps it.
    growth = np.median(last) - np.median(second)

    faults, codes = _faults(seed=0), []
    while not codes or codes[-1] != 0:
        code, said, _ = _run(broken, f"--inject={faults}")
        codes.append(code)
        # Killed, or saved on a signal: the same command goes on.
        assert code in (0, -9, 75), said
        assert len(codes) < 10
    report = read_report(str(broken))
    with capsys.disabled():
        print(f"\nfaults: {faults}\nexit codes: {codes}")
        print(f"memory: {growth:.1f} MiB in the second half, of {last.max():.0f} MiB")
        print_report(str(broken))
    # A batch a step that is not let go of would be 20 MiB.
    assert growth < 8, memory
    assert codes.count(-9) == 4 and codes.count(75) == 1
    assert report.steps == STEPS and report.seconds["lost"] > 0
    assert len(report.processes) == len(codes)
    assert (broken / "checkpoints-rejected").is_dir()
    # All but the label that was made NaN is what it would have been, to the bit.
    found, expected = saved_arrays(broken, STEPS), saved_arrays(whole, STEPS)
    others = [label for label in range(10) if label != BROKEN]
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a[others], b[others])
        assert np.isfinite(a).all()
    assert found.skipped[BROKEN] > 0

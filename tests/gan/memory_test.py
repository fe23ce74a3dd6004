"""A long training takes no more memory than a short one."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
import os, pathlib, sys
from configs import digits
from gan import train
from gan.train import train_and_evaluate

config = digits.get_config("smoke")
config.num_steps = 4000
for name in ("log_every_steps", "checkpoint_every_steps", "sample_every_steps"):
    config[name] = 4000
config.evaluation.every_steps = 4000
config.evaluation.networks = ()
config.evaluation.best_metric = ""
config.parallel.entry_loop = "vmap"
make_step, count = train.make_step, 0


def make_counted(*given):
    step = make_step(*given)

    def counted(*arguments):
        global count
        count += 1
        if count % 250 == 0:
            pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
            print(pages * os.sysconf("SC_PAGE_SIZE"))
        return step(*arguments)

    return counted


train.make_step = make_counted
train_and_evaluate(config, sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="Linux's")
def test_memory_does_not_grow_with_steps(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    seen = [int(line) for line in done.stdout.split() if line.isdigit()]
    early, late = max(seen[:8]), max(seen[8:])
    # 2 KiB a step; a batch that is not let go of would be 20.
    assert late - early < 2000 * 2048, seen

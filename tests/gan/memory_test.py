"""A long training takes no more memory than a short one."""

import ctypes
import itertools
import os
import pathlib
import statistics
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS, EVERY = 2000, 125
# What is allocated, not what is resident: 40 MiB that are lost hide in the holes that
# compiling leaves behind, and an arena that keeps a step's 12 MiB looks like a loss.
PROGRAM = f"""
import ctypes, sys, time
import jax
from configs import digits
from gan import train
from gan.train import train_and_evaluate

NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class Heap(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in NAMES.split()]


mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Heap

config = digits.get_config("smoke")
config.num_steps = {STEPS}
config.log_every_steps = {EVERY}  # until then each step's losses are kept
for name in ("checkpoint_every_steps", "sample_every_steps"):
    config[name] = {STEPS}
config.evaluation.every_steps = {STEPS}
config.evaluation.networks = ()
config.evaluation.best_metric = ""
config.parallel.entry_loop = "vmap"
make_step, count = train.make_step, 0


def make_counted(*given):
    step = make_step(*given)

    def counted(*arguments):
        global count
        count += 1
        if count % {EVERY} == 0:
            # A step in flight has 12 MiB of its own, and lets go of them a little after
            # its results are there.
            jax.block_until_ready(arguments)
            time.sleep(0.1)
            heap = mallinfo()
            print(heap.uordblks + heap.hblkhd)
        return step(*arguments)

    return counted


train.make_step = make_counted
train_and_evaluate(config, sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc's")
def test_memory_does_not_grow_with_steps(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "",
            "MALLOC_ARENA_MAX": "1",
            "PYTHONMALLOC": "malloc",  # Python's small objects count too
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    seen = [int(line) for line in done.stdout.split() if line.isdigit()]
    assert len(seen) == STEPS // EVERY
    grown = [late - early for early, late in itertools.pairwise(seen[len(seen) // 2 :])]
    # 2 KiB a step; a batch that is not let go of would be 20.
    assert statistics.median(grown) < EVERY * 2048, seen

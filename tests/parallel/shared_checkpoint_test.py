"""Several processes save in one directory, each at a pace of its own."""

import os
import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The second process looks at the directory late, when the first already deletes.
PROGRAM = """
import sys, time
import jax, numpy as np
from parallel.checkpoint import BestCheckpoint, Checkpointer

number, address, directory = int(sys.argv[1]), sys.argv[2], sys.argv[3]
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(address, 2, number)
if number == 1:
    at_once = Checkpointer.all_steps
    Checkpointer.all_steps = lambda self: (time.sleep(0.5), at_once(self))[1]
saves, best = Checkpointer(directory + "/saves", keep=1), BestCheckpoint(
    directory + "/best", larger_is_better=True
)
for step in range(1, 4):
    state = {"x": np.full(4, step)}
    saves.save(step, state, {})
    best.offer(step, "score", float(step), state, {})
print(saves.agreed_steps(), best.checkpointer.agreed_steps())
"""


def test_processes_delete_what_the_first_of_them_sees(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(number), address, str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        for process in processes:
            said, warned = process.communicate(timeout=120)
            assert process.returncode == 0, warned
            assert said.splitlines()[-1] == "[3] [3]"
    finally:
        for process in processes:
            process.kill()
            process.wait()

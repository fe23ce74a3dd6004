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
from parallel.best_checkpoint import BestCheckpoint
from parallel.checkpoint import Checkpointer

number, address, directory = int(sys.argv[1]), sys.argv[2], sys.argv[3]
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(address, 2, number)
if number == 1:
    at_once = Checkpointer.all_steps
    Checkpointer.all_steps = lambda self: (time.sleep(0.5), at_once(self))[1]
saves, best = Checkpointer(directory + "/saves", keep=1), BestCheckpoint(
    directory + "/best", larger_is_better=True
)
assert saves.latest_step() is None
for step in range(1, 4):
    state = {"x": np.full(4, step)}
    saves.save(step, state, {})
    best.offer(step, "score", float(step), state, {})
print(saves.agreed_steps(), best.checkpointer.agreed_steps())
"""


LOSING = """
import os, signal, sys
import jax, numpy as np
from parallel import checkpoint
from parallel.errors import PeerLostError, RunError

number, address, directory = int(sys.argv[1]), sys.argv[2], sys.argv[3]
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(address, 2, number)
saves = checkpoint.Checkpointer(directory + "/saves", keep=1)
saves.save(1, {"x": np.ones(4)}, {})
if number == 0:
    checkpoint.write_manifest = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
try:
    saves.save(2, {"x": np.ones(4)}, {})
except PeerLostError:
    os._exit(76)
except RunError:
    os._exit(1)
"""


def _start(program, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    return [
        subprocess.Popen(
            [sys.executable, "-c", program, str(number), address, str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]


def test_one_killed_in_a_save_is_a_lost_process_and_no_damaged_disk(tmp_path):
    processes = _start(LOSING, tmp_path)
    try:
        _, warned = processes[1].communicate(timeout=120)
        assert processes[1].returncode == 76, warned
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_processes_delete_what_the_first_of_them_sees(tmp_path):
    """What a first save that was killed has left is set aside by all of them."""
    (tmp_path / "saves" / "9" / "state").mkdir(parents=True)
    processes = _start(PROGRAM, tmp_path)
    try:
        for process in processes:
            said, warned = process.communicate(timeout=120)
            assert process.returncode == 0, warned
            assert said.splitlines()[-1] == "[3] [3]"
        assert (tmp_path / "saves-rejected" / "9" / "state").is_dir()
    finally:
        for process in processes:
            process.kill()
            process.wait()

"""Weak scaling of label sharding: one pair per device, more and more of both.

python -m benchmarks.weak_scaling [--counts=1,2,4,8] [--rounds=7]

On a CPU all devices are threads of the same cores, so time cannot stay flat. What
label sharding adds would show as work: core-seconds per pair and step, which the
operating system counts for each process. The model's curve beyond is a table that
`benchmarks.tables` computes.
"""

import os
import socket
import statistics
import subprocess
import sys

import jax
from absl import app, flags

from benchmarks import results_file

_COUNTS = flags.DEFINE_list("counts", ["1", "2", "4", "8"], "Devices, a pair on each.")
_FEATURES = flags.DEFINE_list("features", ["128", "64", "32"], "Channels by stage.")
_CHANNELS = flags.DEFINE_integer("channels", 1, "Of the images.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Images per pair and step.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Interleaved measurements of each.")
_STEPS = flags.DEFINE_integer("steps", 4, "Steps per measurement.")

# Takes the steps that are asked for and answers with seconds and core-seconds.
_WORKER = """
import sys, time
import jax
num_devices, features, channels, batch_size = sys.argv[1:]
if "JAX_NUM_PROCESSES" not in __import__("os").environ:
    jax.config.update("jax_num_cpu_devices", int(num_devices))
from parallel import mesh
mesh.initialize()
from benchmarks.stack import StackOfPairs
stack = StackOfPairs(
    tuple(map(int, features.split(","))), int(channels), int(batch_size),
    entries=int(num_devices), num_devices=int(num_devices),
)
assert len(jax.devices()) == int(num_devices), jax.devices()
stack.seconds(2)
print("ready", flush=True)
for line in sys.stdin:
    cores = time.process_time()
    seconds = stack.seconds(int(line))
    print(seconds, time.process_time() - cores, flush=True)
"""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


class _Contender:
    """One pair on each of `count` devices, in one process or in one process each."""

    def __init__(self, count: int, is_processes: bool):
        arguments = [str(count), ",".join(_FEATURES.value)]
        arguments += [str(_CHANNELS.value), str(_BATCH_SIZE.value)]
        joined = {}
        if is_processes:
            address = f"localhost:{_free_port()}"
            joined["JAX_COORDINATOR_ADDRESS"] = address
            joined["JAX_NUM_PROCESSES"] = str(count)
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", _WORKER, *arguments],
                env={
                    **os.environ,
                    "JAX_PLATFORMS": "cpu",
                    **joined,
                    **({"JAX_PROCESS_ID": str(i)} if is_processes else {}),
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for i in range(count if is_processes else 1)
        ]
        for process in self._processes:
            while line := process.stdout.readline():
                if line.strip() == "ready":  # the transport reports first
                    break
            else:
                raise RuntimeError("a worker ended before its first step")

    def measure(self, steps: int) -> tuple[float, float]:
        """Seconds of the slowest process, core-seconds of all; per step."""
        for process in self._processes:
            process.stdin.write(f"{steps}\n")
            process.stdin.flush()
        seen = [p.stdout.readline().split() for p in self._processes]
        wall = max(float(seconds) for seconds, _ in seen)
        return wall / steps, sum(float(cores) for _, cores in seen) / steps

    def close(self) -> None:
        for process in self._processes:
            process.stdin.close()
        for process in self._processes:
            process.wait()


def _row(kind: str, count: int, seen: list[tuple[float, float]]) -> dict:
    wall, cores = (statistics.median(values) for values in zip(*seen, strict=True))
    return {
        "kind": kind,
        "count": count,
        "median_ms_per_step": round(1e3 * wall, 1),
        "images_per_second": round(count * _BATCH_SIZE.value / wall, 1),
        "median_core_ms_per_pair_and_step": round(1e3 * cores / count, 1),
        "all_core_ms_per_pair_and_step": [round(1e3 * c / count, 1) for _, c in seen],
        "all_ms_per_step": [round(1e3 * w, 1) for w, _ in seen],
    }


def main(argv: list[str]) -> None:
    """Measures and writes results/weak_scaling_cpu.json."""
    del argv
    keys = [
        (kind, count)
        for kind in ("devices of one process", "processes of one device")
        for count in map(int, _COUNTS.value)
        if kind == "devices of one process" or count > 1
    ]
    seen = {key: [] for key in keys}
    for kind in dict.fromkeys(kind for kind, _ in keys):
        contenders = {
            key: _Contender(key[1], key[0].startswith("processes"))
            for key in keys
            if key[0] == kind
        }
        for _ in range(_ROUNDS.value):
            for key, contender in contenders.items():
                seen[key].append(contender.measure(_STEPS.value))
        for contender in contenders.values():
            contender.close()
    rows = [_row(*key, seen[key]) for key in keys]
    alone = rows[0]["median_core_ms_per_pair_and_step"]
    for row in rows:
        work = row["median_core_ms_per_pair_and_step"]
        row["work_of_one_device_over_this"] = round(alone / work, 3)
        print(
            f"{row['count']} {row['kind']}: {row['median_ms_per_step']} ms a step, "
            f"{row['images_per_second']} images/s, {work} core-ms per pair and step"
        )
    results = {
        "command": results_file.command(),
        "kind": f"measured, every device a share of the same {os.cpu_count()} cores",
        "features": _FEATURES.value,
        "channels": _CHANNELS.value,
        "batch_size": _BATCH_SIZE.value,
        "rounds": _ROUNDS.value,
        "measured": rows,
    }
    print(results_file.write(f"weak_scaling_{jax.default_backend()}", results))


if __name__ == "__main__":
    app.run(main)

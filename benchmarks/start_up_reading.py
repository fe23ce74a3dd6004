"""A 100-label run's first batch beside "every process reads everything".

python -m benchmarks.start_up_reading --set_dir=DIRECTORY [--readers=1,2,4,8]

CIFAR-100 lies prepared in --set_dir. Processes start together, with everything imported
already; the clock stops when the last has its first batch. ours, first start: nothing
is decoded yet. ours, later starts: it is. All processes share this machine's cores, and
its page cache holds the files: what would wait for a disk or a network does not here.
Results of numbers of processes that --readers does not name are kept.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile

import jax
from absl import app, flags

from benchmarks import results_file
from input_pipeline import catalogue

_READERS = flags.DEFINE_list("readers", ["1", "2", "4", "8"], "Processes of a run.")
_REPEATS = flags.DEFINE_integer("repeats", 3, "Interleaved measurements of each.")
_SET_DIR = flags.DEFINE_string("set_dir", "", "Where CIFAR-100 lies prepared.")

# What a table calls it -> what its processes do; the first finds an empty cache.
WAYS = {
    "ours, first start": "own labels",
    "ours, later starts": "own labels",
    "every process reads everything": "everything",
}


def read_together(way: str, count: int, set_dir: str, cache_dir: str) -> list[dict]:
    """What each of `count` processes says that its first batch took."""
    command = [sys.executable, "-m", "benchmarks.reading_worker", f"--way={way}"]
    command += [f"--count={count}", f"--data_dir={set_dir}", f"--cache_dir={cache_dir}"]
    processes = [
        subprocess.Popen(
            [*command, f"--index={index}"],
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(count)
    ]
    try:
        for process in processes:
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("a process ended before it was to start")
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        return [json.loads(process.stdout.readline()) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def together(seen: list[dict]) -> dict:
    """One start: the slowest's seconds, the largest's memory, the sum of the rest."""
    return {
        "seconds": max(one["seconds"] for one in seen),
        "core_seconds": sum(one["core"] for one in seen),
        "read_mb": sum(one["read"] for one in seen) / 1e6,
        "memory_mb": max(one["memory"] for one in seen) / 1e6,
    }


def measure(count: int, repeats: int, set_dir: str) -> list[dict]:
    """Measures every way in turn, `repeats` times, each time in a new cache."""
    seen = {name: [] for name in WAYS}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            batches = {}
            for name, way in WAYS.items():
                starts = read_together(way, count, set_dir, cache)
                batches[name] = [one["batch"] for one in starts]
                seen[name].append(together(starts))
                print(count, name, seen[name][-1], flush=True)
        if len(set(map(tuple, batches.values()))) != 1:
            raise RuntimeError(f"{count} processes got other batches: {batches}")
    return [
        {
            "processes": count,
            "way": name,
            **{
                f"median_{what}": round(statistics.median(s[what] for s in starts), 2)
                for what in starts[0]
            },
            "all_seconds": [round(s["seconds"], 2) for s in starts],
            "all_core_seconds": [round(s["core_seconds"], 2) for s in starts],
        }
        for name, starts in seen.items()
    ]


def main(argv: list[str]) -> None:
    """Measures and writes results/start_up_reading_PLATFORM.json."""
    del argv
    if catalogue.locate("cifar100", "train", _SET_DIR.value) is None:
        raise app.UsageError(f"--set_dir={_SET_DIR.value!r} does not hold cifar100.")
    name = f"start_up_reading_{jax.default_backend()}"
    runs = {
        count: measure(int(count), _REPEATS.value, _SET_DIR.value)
        for count in _READERS.value
    }
    others = results_file.kept(results_file.read(name), [], list(runs))
    content = {
        "command": results_file.command(),
        "fields": [],
        "runs": {count: other["runs"] for count, other in others.items()} | runs,
        "made": {count: other["made"] for count, other in others.items()},
    }
    print(results_file.write(name, content))


if __name__ == "__main__":
    app.run(main)

"""Seconds from a command to the end of its first training step, cold and warm.

python -m benchmarks.start_up [--data_dir=DIRECTORY] [--rounds=3]

cold: an empty cache directory: the data is prepared, the classifier that scores are
measured with is trained, every program is compiled. warm: the same command once more,
in a new workdir. compiled anew: as warm, without the compiled programs. Core-seconds
are what the operating system counts for the run: other work on the machine, which makes
it take longer, does not add to them.
"""

import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import jax
from absl import app, flags

from benchmarks import results_file

_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Of prepared sets, for CIFAR-100.")
_RUNS = flags.DEFINE_list("runs", [], "Names of those to measure; all by default.")

RUNS = {
    "digits demo": ["--config=configs/digits.py"],
    "100 labels, smoke": ["--config=configs/cifar100.py:smoke"],
}
STATES = {
    "cold": {},
    "warm": {},
    "compiled anew": {"JAX_ENABLE_COMPILATION_CACHE": "false"},
}


def seconds_to_first_step(
    arguments: list[str], workdir: pathlib.Path, environment: dict[str, str]
) -> dict[str, float]:
    """Starts a training and stops it after a step.

    Returns:
      Seconds to its first line, which says that the data is there, and to its first
      step; core-seconds until it was stopped.
    """
    cores = _core_seconds_of_children()
    command = [sys.executable, "-u", "main.py", *arguments, f"--workdir={workdir}"]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--config.log_every_steps=1"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen = {}
    try:
        for line in process.stdout:
            seen.setdefault("first_line", time.perf_counter() - start)
            if line.startswith("step 1/"):
                seen["first_step"] = time.perf_counter() - start
                break
        else:
            raise RuntimeError(process.stderr.read())
    finally:
        process.kill()
        process.communicate()
    return {**seen, "core": _core_seconds_of_children() - cores}


def _core_seconds_of_children() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(arguments: list[str], rounds: int) -> dict[str, dict]:
    """Measures every state in turn, `rounds` times, each round in a new cache."""
    seen = {state: [] for state in STATES}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            path = pathlib.Path(place)
            for state, environment in STATES.items():
                environment = {"XDG_CACHE_HOME": str(path / "cache"), **environment}
                seen[state].append(
                    seconds_to_first_step(arguments, path / state, environment)
                )
                print({state: seen[state][-1]}, flush=True)
    return {
        state: {
            "median_seconds_to_first_step": round(
                statistics.median(run["first_step"] for run in runs), 1
            ),
            "median_core_seconds": round(
                statistics.median(run["core"] for run in runs), 1
            ),
            "all_core_seconds": [round(run["core"], 1) for run in runs],
            "all_seconds_to_first_step": [round(r["first_step"], 1) for r in runs],
            "all_seconds_to_first_line": [round(r["first_line"], 1) for r in runs],
        }
        for state, runs in seen.items()
    }


def main(argv: list[str]) -> None:
    """Measures and writes results/start_up_PLATFORM.json."""
    del argv
    results = {}
    for name in _RUNS.value or RUNS:
        arguments = RUNS[name]
        if "cifar" in arguments[0]:
            if _DATA_DIR.value is None:
                print(f"{name}: not measured, it needs --data_dir.")
                continue
            arguments = [*arguments, f"--config.dataset.data_dir={_DATA_DIR.value}"]
        print(name)
        results[name] = measure(arguments, _ROUNDS.value)
    content = {"command": results_file.command(), "runs": results}
    print(results_file.write(f"start_up_{jax.default_backend()}", content))


if __name__ == "__main__":
    app.run(main)

"""Seconds from a command to the end of its first training step, cold and warm.

python -m benchmarks.start_up [--data_dir=DIRECTORY] [--rounds=3] [--runs=NAME,NAME]

cold: an empty cache directory: the data is prepared or simulated, the classifier that
scores are measured with is trained, every program is compiled. warm: the same command
once more, in a new workdir. compiled anew: as warm, without the compiled programs.
Core-seconds are what the operating system counts for the run: other work on the
machine, which makes it take longer, does not add to them. A run whose data is not here
is not measured; results of runs that --runs does not name are kept.
"""

import importlib
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
from input_pipeline import catalogue

_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Of prepared sets.")
_RUNS = flags.DEFINE_list("runs", [], "Names of those to measure; all by default.")

# Of configs/: the demo, and everything else where it can start on a laptop.
RUNS = (
    *("digits:tuned", "digits:smoke", "mnist:smoke", "fashion_mnist:smoke"),
    *("cifar10:smoke", "cifar100:smoke", "imagenet:smoke"),
    *("stem_density:smoke", "stem_distortion:smoke"),
)
# What is simulated would lie in the workdir, and a warm start find none of it.
MORE = {"stem_distortion:smoke": ["--config.dataset.library=CACHE/library"]}
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
                cache = str(path / "cache")
                told = [argument.replace("CACHE", cache) for argument in arguments]
                environment = {"XDG_CACHE_HOME": cache, **environment}
                seen[state].append(
                    seconds_to_first_step(told, path / state, environment)
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


def data_set(run: str) -> str:
    """Name of the data set that a run reads; "" where it simulates its data."""
    file, variant = run.split(":")
    config = importlib.import_module(f"configs.{file}").get_config(variant)
    return config.dataset.name if config.workload == "gan" else ""


def arguments_of(run: str, data_dir: str) -> list[str] | None:
    """A run's command line; None where its data is not at hand."""
    file, variant = run.split(":")
    arguments = [f"--config=configs/{file}.py:{variant}", *MORE.get(run, [])]
    if not (name := data_set(run)):
        return arguments
    if catalogue.locate(name, "train", data_dir) is None:
        print(f"{run}: not measured, --data_dir={data_dir!r} does not hold {name}.")
        return None
    return [*arguments, f"--config.dataset.data_dir={data_dir}"]


def main(argv: list[str]) -> None:
    """Measures and writes results/start_up_PLATFORM.json."""
    del argv
    name = f"start_up_{jax.default_backend()}"
    asked = _RUNS.value or RUNS
    commands = {run: arguments_of(run, _DATA_DIR.value) for run in asked}
    results = {}
    for run, arguments in commands.items():
        if arguments is not None:
            print(run)
            results[run] = measure(arguments, _ROUNDS.value)
    if not results:
        print("nothing was measured: none of these runs has its data here")
        return
    earlier = results_file.read(name)
    others = results_file.kept(earlier, [], list(results))
    without = {run for run, told in commands.items() if told is None}
    without |= set(earlier.get("without_data", []))
    without -= results.keys() | others.keys()
    content = {
        "command": results_file.command(),
        "fields": [],
        "runs": {run: other["runs"] for run, other in others.items()} | results,
        "made": {run: other["made"] for run, other in others.items()},
        "without_data": sorted(without),
    }
    print(results_file.write(name, content))


if __name__ == "__main__":
    app.run(main)

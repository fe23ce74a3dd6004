"""Where measurements go: JSON with device, versions and date."""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import shlex
import sys

import jax

DIRECTORY = pathlib.Path(__file__).parent / "results"
_MADE_WITH = ("device", "processor", "python", "jax", "flax", "date")


def command() -> str:
    """This program's own command with every flag; PATH for a path of this machine."""
    program = pathlib.Path(sys.argv[0]).stem
    told = [re.sub(r"(?<![^=,:])/[^,]*", "PATH", flag) for flag in sys.argv[1:]]
    return shlex.join(["python", "-m", f"benchmarks.{program}", *told])


def processor() -> str:
    """Name of this machine's processor."""
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cores() -> str:
    """Cores that this process may use: one that is pinned has fewer."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return f"{count} core{'s' if count > 1 else ''}"


def today() -> str:
    """The date of a result, the same whatever the machine's time zone."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def write(name: str, results: dict) -> pathlib.Path:
    """Writes `results` to results/NAME.json and returns the path."""
    device = jax.devices()[0]
    content = {
        "device": f"{len(jax.devices())} x {device.device_kind}",
        "processor": f"{_cores()} of {processor()}",
        "python": platform.python_version(),
        "jax": jax.__version__,
        "flax": importlib.metadata.version("flax"),
        "date": today(),
        **results,
    }
    DIRECTORY.mkdir(exist_ok=True)
    path = DIRECTORY / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def read(name: str) -> dict:
    """Reads results/NAME.json; empty where there is none yet."""
    path = DIRECTORY / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def kept(earlier: dict, fields: list[str], variants: list[str]) -> dict[str, dict]:
    """Runs of an earlier results file that a command neither repeats nor belies.

    Args:
      earlier: what the file holds, with "fields" and, by variant, "runs".
      fields: what the command changes in every run; runs with others are no neighbours.
      variants: what the command runs.

    Returns:
      By variant, its "runs" and what they were "made" with.
    """
    if earlier.get("fields") != fields:
        return {}
    whole = {name: earlier.get(name) for name in (*_MADE_WITH, "command")}
    return {
        variant: {"runs": runs, "made": earlier.get("made", {}).get(variant, whole)}
        for variant, runs in earlier.get("runs", {}).items()
        if variant not in variants
    }

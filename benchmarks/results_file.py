"""Where measurements go: JSON with device, versions and date."""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform

import jax

DIRECTORY = pathlib.Path(__file__).parent / "results"


def processor() -> str:
    """Name of this machine's processor."""
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def write(name: str, results: dict) -> pathlib.Path:
    """Writes `results` to results/NAME.json and returns the path."""
    device = jax.devices()[0]
    content = {
        "device": f"{len(jax.devices())} x {device.device_kind}",
        "processor": f"{os.cpu_count()} cores of {processor()}",
        "python": platform.python_version(),
        "jax": jax.__version__,
        "flax": importlib.metadata.version("flax"),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **results,
    }
    DIRECTORY.mkdir(exist_ok=True)
    path = DIRECTORY / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path

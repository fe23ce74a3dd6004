"""What a workdir says of the run in it."""

import datetime
import importlib.metadata
import json
import pathlib
import platform
import sys

import jax

from parallel.errors import RunError

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def _flat(content: dict, prefix: str = "") -> dict:
    fields = {}
    for name, value in content.items():
        if isinstance(value, dict):
            fields |= _flat(value, f"{prefix}{name}.")
        else:
            fields[prefix + name] = value
    return fields


def versions() -> dict[str, str]:
    """Versions, devices and date of this run."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    devices = jax.devices()
    return {
        "python": platform.python_version(),
        **found,
        "devices": f"{len(devices)} x {devices[0].device_kind}",
        "processes": str(jax.process_count()),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
    }


def prepare_workdir(
    workdir: str, config: dict, may_change: tuple[str, ...]
) -> pathlib.Path:
    """Creates a workdir for `config`, or checks that the one found was made for it.

    Args:
      workdir: its path.
      config: the resolved configuration, nested.
      may_change: fields, or sections with a trailing dot, that do not change what
        is trained, as "num_steps" or "evaluation.".

    Raises:
      RunError: no directory can be had there, or it is of another configuration.
    """
    path = pathlib.Path(workdir).expanduser()
    # As JSON knows it: a tuple that was written is read as a list.
    config = json.loads(json.dumps(config))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"--workdir={workdir!r} cannot be made ({error}).") from error
    record = path / "config.json"
    if record.exists():
        try:
            held = _flat(json.loads(record.read_text()))
        except ValueError as error:
            raise RunError(f"{record} is damaged ({error}); remove it.") from error
        for name, value in _flat(config).items():
            if name.startswith(may_change) or held.get(name) == value:
                continue
            raise RunError(
                f"--workdir={workdir!r} is of another configuration: config.{name} is "
                f"{held.get(name)!r} there and {value!r} here; choose another workdir."
            )
    if jax.process_index() == 0:
        for name, content in (("config.json", config), ("versions.json", versions())):
            building = path / f"{name}.building"
            building.write_text(json.dumps(content, indent=1))
            building.replace(path / name)
    return path

"""What a workdir says of the runs in it."""

import datetime
import importlib.metadata
import json
import pathlib
import platform
import sys
from collections.abc import Mapping
from typing import Any

import jax

from parallel.errors import RunError
from parallel.whole_file import write_whole

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def flat(content: Mapping, prefix: str = "") -> dict:
    """Flattens nested sections to {"section.field": value}."""
    fields = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            fields |= flat(value, f"{prefix}{name}.")
        else:
            fields[prefix + name] = value
    return fields


def package_versions() -> dict[str, str]:
    """Versions of Python and of what a run stands on; touches no device."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


def described_devices() -> str:
    """How many devices all processes have, and of which kind."""
    devices = jax.devices()
    return f"{len(devices)} x {devices[0].device_kind}"


def versions() -> dict[str, str]:
    """Versions, devices and date of this run."""
    return {
        **package_versions(),
        "devices": described_devices(),
        "processes": str(jax.process_count()),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
    }


def _read(path: pathlib.Path, kind: type, remedy: str) -> Any:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read ({error}); {remedy}.") from error
    if not isinstance(content, kind):
        raise RunError(f"{path} is damaged (no JSON {kind.__name__}); {remedy}.")
    return content


def _write(path: pathlib.Path, content: Any) -> None:
    write_whole(path, json.dumps(content, indent=1) + "\n")


# Fields that were added later, and what runs without them did.
_WHEN_ABSENT = {"optimizer.decay_share": 0.0, "optimizer.beta": 0.0}
_NAMED_FIRST = "dataset.name"  # whatever else differs with it


def _changed(
    workdir: str, held: dict, config: dict, may_change: tuple, remedy: str
) -> dict:
    """Fields of `config` that differ from those `held`, if they may."""
    before, after = flat(held), flat(config)
    sections = tuple(name for name in may_change if name.endswith("."))
    changed = {}
    names = [*after, *sorted(before.keys() - after.keys())]
    for name in sorted(names, key=lambda name: name != _NAMED_FIRST):
        then = before.get(name, _WHEN_ABSENT.get(name, "absent"))
        now = after.get(name, "absent")
        if then == now:
            continue
        if name not in may_change and not name.startswith(sections):
            raise RunError(
                f"--workdir={workdir!r} is of another configuration: config.{name} is "
                f"{then!r} there and {now!r} here; {remedy}."
            )
        changed[name] = now
    return changed


def require_same_config(
    workdir: str, config: dict, may_change: tuple[str, ...]
) -> None:
    """Refuses to read what another configuration left; writes nothing.

    Args:
      workdir: of a run.
      config: see `prepare_workdir`.
      may_change: see `prepare_workdir`.

    Raises:
      RunError: a field differs that may not; it is named with both values.
    """
    record = pathlib.Path(workdir).expanduser() / "config.json"
    if record.exists():
        held = _read(record, dict, "give the workdir of another run")
        remedy = "give the --config flags of its training (its config.json has them)"
        _changed(workdir, held, json.loads(json.dumps(config)), may_change, remedy)


def make_workdir(workdir: str) -> pathlib.Path:
    """Makes the directory, if there is none, and writes nothing into it.

    Raises:
      RunError: no directory can be had there.
    """
    path = pathlib.Path(workdir).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"--workdir={workdir!r} cannot be a directory ({error.strerror}); name "
            "another one."
        ) from error
    return path


def prepare_workdir(
    workdir: str, config: dict, may_change: tuple[str, ...], *, is_begun: bool = True
) -> pathlib.Path:
    """Creates a workdir for `config`, or checks that the one found was made for it.

    Whoever may not be alone holds its lock before: what is written here would else
    be another run's.

    config.json is what the first run was told and stays as it is. versions.json has
    one item for every run: its versions, devices, command, and what it changed.

    Args:
      workdir: its path.
      config: the resolved configuration, nested.
      may_change: fields, or sections with a trailing dot, that do not change what
        is trained, as "num_steps" or "evaluation.".
      is_begun: whether anything was trained there; a workdir in which nothing was
        takes any configuration.

    Raises:
      RunError: no directory can be had there, or it is of another configuration.
    """
    path = make_workdir(workdir)
    # As JSON knows it: a tuple that was written is read as a list.
    config = json.loads(json.dumps(config))
    record, runs_record = path / "config.json", path / "versions.json"
    changed, runs = {}, []
    if record.exists() and is_begun:
        remedy = "choose another workdir, or add --fresh to move what is there aside"
        held = _read(record, dict, remedy)
        changed = _changed(workdir, held, config, may_change, remedy)
        if runs_record.exists():
            runs = _read(runs_record, list, "remove it")
    if jax.process_index() == 0:
        try:
            # This one first: a workdir with a config.json is one that was begun.
            _write(runs_record, [*runs, {**versions(), "changed": changed}])
            if not (record.exists() and is_begun):
                _write(record, config)
        except OSError as error:
            raise RunError(
                f"--workdir={workdir!r} cannot be written ({error.strerror}); name "
                "another one."
            ) from error
    return path

"""All processes hold the same plan, configuration and code, or all of them say why not.

Two processes that issue reductions of equal sizes in another order corrupt gradients
in silence, so this is settled once, before the first step.
"""

import hashlib
import importlib.metadata
import json
import pathlib
from collections.abc import Iterable, Mapping

import jax
import numpy as np
from jax.experimental import multihost_utils

from parallel.errors import RunError
from parallel.workdir import PACKAGES, flat

_LONGEST = 60  # characters of a value that an error shows


def source_digest(directories: Iterable[pathlib.Path]) -> str:
    """SHA-256 of every Python file below `directories`, names included."""
    digest = hashlib.sha256()
    for directory in directories:
        for path in sorted(directory.rglob("*.py")):
            digest.update(str(path.relative_to(directory.parent)).encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _shown(value: str | None) -> str:
    if value is None:
        return "nothing"
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."


def first_difference(held: list[Mapping[str, str]]) -> str | None:
    """Names a key in which processes differ, and who holds what.

    Args:
      held: what each process holds, by process number.

    Returns:
      One line, or None if all hold the same.
    """
    for key in sorted(set().union(*held)):
        by_value = {}
        for process, mine in enumerate(held):
            by_value.setdefault(mine.get(key), []).append(process)
        if len(by_value) > 1:
            seen = "; ".join(
                f"process {', '.join(map(str, processes[:8]))}"
                f"{' ...' if len(processes) > 8 else ''}: {_shown(value)}"
                for value, processes in by_value.items()
            )
            return f"processes differ in {key}: {seen}"
    return None


def require_agreement(held: Mapping[str, str]) -> None:
    """Raises on every process if any two hold different things.

    One small exchange if all agree. Everything that is exchanged has a size that all
    processes know beforehand: unequal sizes would abort the process.

    Args:
      held: name -> value, e.g. the plan's digest; values may be long.

    Raises:
      RunError: names the key, the values and the processes that hold them.
    """
    if jax.process_count() == 1:
        return
    text = json.dumps(dict(held), sort_keys=True).encode()
    mine = np.frombuffer(hashlib.sha256(text).digest(), np.uint8)
    digests = multihost_utils.process_allgather(mine)
    if (digests == digests[0]).all():
        return
    lengths = multihost_utils.process_allgather(np.int32(len(text)))
    padded = np.zeros(int(lengths.max()), np.uint8)
    padded[: len(text)] = np.frombuffer(text, np.uint8)
    texts = multihost_utils.process_allgather(padded)
    every = [
        json.loads(bytes(row[:length]))
        for row, length in zip(texts, lengths, strict=True)
    ]
    raise RunError(
        f"{first_difference(every)}; start all processes from the same commit with "
        "the same flags."
    )


def require_same_run(config: Mapping, may_differ: tuple[str, ...]) -> None:
    """Raises on every process if configurations, code or versions differ.

    Args:
      config: resolved and nested.
      may_differ: fields of it that belong to a machine.
    """
    root = pathlib.Path(__file__).resolve().parents[1]
    rooms = [root / name for name in ("gan", "input_pipeline", "inverse", "parallel")]
    fields = {
        f"config.{name}": repr(value)
        for name, value in flat(config).items()
        if name not in may_differ
    }
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    require_agreement({**fields, **packages, "code": source_digest(rooms)})

"""Faults on order: what breaks runs, at a step that is known beforehand.

`--inject=kill@7,nan@5:label=3,flip@ckpt` for tests, and for people who want to see
what their cluster makes of it. "@7" means: when 7 steps have been taken.

| fault | what happens |
|---|---|
| kill, stop, term | the process gets SIGKILL, SIGSTOP or SIGTERM |
| error | the process raises an exception, as a bug would |
| hang | the input of the next step comes `seconds` later; without them, never |
| slow | every step from then on takes `seconds` (0.1) longer |
| nan | a tensor of the parameters becomes NaN; of one `label`, or of all |
| flip, truncate, delete | that checkpoint is damaged when it was saved ("ckpt": the \
first that is saved) |

All but the last three take `process` (0). Each happens once in a workdir, so that the
same command goes on after it.
"""

import os
import pathlib
import re
import signal
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from parallel.errors import FaultError
from parallel.manifest import MANIFEST
from parallel.mesh import is_first_process
from parallel.named_leaves import from_named_leaves, named_leaves
from parallel.run_log import log

_SIGNALS = {"kill": "SIGKILL", "stop": "SIGSTOP", "term": "SIGTERM"}
_DAMAGES = ("flip", "truncate", "delete")
_OPTIONS = {
    **dict.fromkeys(_SIGNALS, ("process",)),
    "error": ("process",),
    "hang": ("process", "seconds"),
    "slow": ("process", "seconds"),
    "nan": ("label",),
    **dict.fromkeys(_DAMAGES, ()),
}
_FOR_EVER = 1e9


class Fault(NamedTuple):
    """One fault.

    Attributes:
      text: as it was ordered.
      kind: see the table above.
      step: steps taken, or of the checkpoint; None: the first checkpoint.
      process: that it happens to.
      label: whose parameters break; None: everybody's.
      seconds: of waiting; None: the kind's own.
    """

    text: str
    kind: str
    step: int | None
    process: int = 0
    label: int | None = None
    seconds: float | None = None


def _number(text: str, kind: type, what: str) -> Any:
    try:
        value = kind(text)
    except ValueError:
        value = -1
    if not 0 <= value < _FOR_EVER:
        raise ValueError(f"{what}={text!r} must be a number, 0 or more")
    return value


def _parse_fault(text: str) -> Fault:
    found = re.fullmatch(r"(\w+)@(\w+)((?::\w+=[\w.]+)*)", text)
    if not found:
        raise ValueError(
            f"{text!r} is not written KIND@STEP or KIND@STEP:option=value, e.g. kill@7"
        )
    kind, at, options = found.groups()
    if kind not in _OPTIONS:
        raise ValueError(f"{text!r}: {kind!r} is none of {', '.join(_OPTIONS)}")
    if at == "ckpt" and kind in _DAMAGES:
        step = None
    else:
        step = _number(at, int, f"{text!r}: the step")
    given = {}
    for option in options.split(":")[1:]:
        name, value = option.split("=")
        if name not in _OPTIONS[kind]:
            takes = ", ".join(_OPTIONS[kind]) or "no option"
            raise ValueError(f"{text!r}: {kind} takes {takes}, not {name!r}")
        of = float if name == "seconds" else int
        given[name] = _number(value, of, f"{text!r}: {name}")
    return Fault(text, kind, step, **given)


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Reads a list as "kill@7,nan@5:label=3"; an empty one is none.

    Raises:
      ValueError: one line that names the fault and what is wrong with it.
    """
    faults = tuple(_parse_fault(part.strip()) for part in text.split(",") if part)
    if len(set(faults)) < len(faults):
        raise ValueError(f"{text!r} holds a fault twice; each happens once")
    return faults


def check_faults(
    faults: Iterable[Fault], *, num_steps: int, save_every: int, num_labels: int
) -> None:
    """Refuses what would never happen: nobody should learn from it that all is well.

    Args:
      faults: as they were ordered.
      num_steps: of the whole run.
      save_every: steps between checkpoints.
      num_labels: that have parameters of their own; 0: parameters are everybody's.

    Raises:
      FaultError: names the first that cannot happen.
    """
    for fault in faults:
        if why := _why_never(fault, num_steps, save_every, num_labels):
            raise FaultError(f"--inject={fault.text}: {why}.")


def _why_never(fault: Fault, num_steps: int, save_every: int, num_labels: int) -> str:
    if fault.process >= jax.process_count():
        return f"there are {jax.process_count()} processes, counted from 0"
    if fault.label is not None and fault.label >= num_labels:
        return f"labels with parameters of their own: {num_labels}, counted from 0"
    if fault.kind not in _DAMAGES:
        return (
            ""
            if fault.step < num_steps
            else f"the run ends at step {num_steps}; choose an earlier one"
        )
    is_saved = fault.step in (None, num_steps) or (
        fault.step % save_every == 0 and 0 < fault.step < num_steps
    )
    return (
        ""
        if is_saved
        else f"saved are every {save_every} steps, and {num_steps}; choose one of them"
    )


def damage(step: pathlib.Path, kind: str) -> None:
    """Flips a bit of, halves, or deletes the largest file of a checkpoint."""
    files = (p for p in step.rglob("*") if p.is_file() and p.name != MANIFEST)
    path = max(files, key=lambda p: (p.stat().st_size, p.name))
    if kind == "delete":
        path.unlink()
        return
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 1
    path.write_bytes(content[:middle] if kind == "truncate" else content)


def poisoned(state: Any, label: int | None) -> Any:
    """`state` with NaN in its first tensor of parameters, whole or of one label.

    Raises:
      ValueError: there is no such label.
    """
    named = named_leaves(state)
    name = next(name for name in named if "params/" in name)
    leaf = named[name]
    if label is not None and not label < leaf.shape[0]:
        raise ValueError(f"label={label} is none of the {leaf.shape[0]} that there are")
    place = ... if label is None else label
    poison = jax.jit(lambda x: x.at[place].set(np.nan), out_shardings=leaf.sharding)
    return from_named_leaves(state, {**named, name: poison(leaf)})


class FaultInjector:
    """Lets the faults of a list happen, each once in a workdir."""

    def __init__(self, faults: tuple[Fault, ...], workdir: pathlib.Path):
        """Reads what has happened already."""
        self._record = workdir / "injected.txt"
        happened = ""
        if self._record.exists():
            happened = self._record.read_text(errors="replace")
        self._left = [f for f in faults if f.text not in happened.splitlines()]

    def _due(self, kinds: Iterable[str], first: int, num_steps: int) -> list[Fault]:
        steps = range(first, first + num_steps)
        return [
            fault
            for fault in self._left
            if fault.kind in kinds
            and fault.step in steps
            # The parameters are everybody's: all processes poison them together.
            and (fault.kind == "nan" or fault.process == jax.process_index())
        ]

    def _happens(self, fault: Fault) -> None:
        """On disk before it happens: nothing is written after a kill."""
        self._left.remove(fault)
        log.warning("injected: %s.", fault.text)
        if fault.kind != "nan" or is_first_process():
            with self._record.open("a") as file:
                file.write(f"{fault.text}\n")
                file.flush()
                os.fsync(file.fileno())

    def inputs(
        self, batches: Iterable[tuple[int, Any]], num_steps: int = 1
    ) -> Iterator[tuple[int, Any]]:
        """Yields (steps taken, batch of `num_steps` steps), late where it is due."""
        for first, batch in batches:
            for fault in self._due(("hang",), first, num_steps):
                self._happens(fault)
                time.sleep(_FOR_EVER if fault.seconds is None else fault.seconds)
            yield first, batch

    def before(self, first: int, state: Any, num_steps: int = 1) -> Any:
        """Lets happen what is due before a dispatch; returns its state.

        Args:
          first: steps taken.
          state: of them.
          num_steps: of the dispatch.
        """
        for fault in self._left:
            is_mine = fault.process == jax.process_index()
            if fault.kind == "slow" and is_mine and first >= fault.step:
                time.sleep(0.1 if fault.seconds is None else fault.seconds)
        for fault in self._due(_SIGNALS, first, num_steps):
            self._happens(fault)
            os.kill(os.getpid(), signal.Signals[_SIGNALS[fault.kind]])
        for fault in self._due(("error",), first, num_steps):
            self._happens(fault)
            raise RuntimeError(f"injected: {fault.text}")
        for fault in self._due(("nan",), first, num_steps):
            self._happens(fault)
            state = poisoned(state, fault.label)
        return state

    def saved(self, step: int, directory: pathlib.Path) -> None:
        """Damages the checkpoint of `step` in `directory` if that is due."""
        if not is_first_process():
            return
        for fault in [f for f in self._left if f.kind in _DAMAGES]:
            if fault.step in (None, step):
                self._happens(fault)
                damage(directory / str(step), fault.kind)

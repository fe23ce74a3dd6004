"""The first process's sign of life, which the others miss when it stops.

JAX's coordination service names a process whose heart stopped, but it lives in the
first process: when that one is stopped, the others are aborted without a name.
"""

import contextlib
import os
import pathlib
import socket
import sys
import threading
import time

import jax

from parallel.whole_file import write_whole

_EVERY_SECONDS = 1.5
# Before JAX aborts the process that would say so (parallel/mesh.py), and not at once:
# a file system may hold its breath.
MISSED_AFTER_SECONDS = 6.0
_LONGEST = 200  # bytes of a pulse


def beat(path: pathlib.Path, number: int) -> None:
    """Leaves the `number`-th sign of life; a full or a hanging disk has none."""
    with contextlib.suppress(OSError):
        write_whole(path, f"{number} {socket.gethostname()}\n")


class Listener:
    """Compares what it finds with what it found before; clocks of hosts may differ."""

    def __init__(self, path: pathlib.Path, now: float):
        """Begins to listen at `now` [s], of a clock of this process."""
        self._path, self._since, self._last, self._said = path, now, b"", False

    def missed(self, now: float) -> str | None:
        """Says who gave no sign of life for how long; once until it gives one again."""
        found = b""
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            found = file.read(_LONGEST)
        if found != self._last:
            self._last, self._since, self._said = found, now, False
        silent = now - self._since
        if not self._last or self._said or silent < MISSED_AFTER_SECONDS:
            return None
        self._said = True
        host = self._last.decode(errors="replace").partition(" ")[2].strip()
        return (
            f"process 0 on {host} has given no sign of life for {silent:.0f} s: it is "
            "stopped or gone, or the workdir's file system hangs."
        )


def start(path: pathlib.Path) -> None:
    """Beats in the first process, and listens in the others, to this one's end.

    Args:
      path: on a file system that all processes see; of this run alone.
    """

    def beat_on() -> None:
        number = 0
        while True:
            beat(path, number := number + 1)
            time.sleep(_EVERY_SECONDS)

    def listen() -> None:
        listener = Listener(path, time.monotonic())
        while True:
            time.sleep(_EVERY_SECONDS)
            if line := listener.missed(time.monotonic()):
                with contextlib.suppress(OSError, ValueError):
                    os.write(sys.__stderr__.fileno(), f"warning: {line}\n".encode())

    is_first = jax.process_index() == 0
    threading.Thread(
        target=beat_on if is_first else listen, name="pulse", daemon=True
    ).start()

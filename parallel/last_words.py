"""What a process that fails tells the others before it ends.

To them its end looks like that of one that was killed: connections close, and a job
that is started again meets the same error. JAX has no public way to leave a line with
its coordination service, so it lies in the workdir, which all processes share.
"""

import contextlib
import json
import os
import pathlib
import re
import secrets
import socket
import sys
import threading
import time
from typing import NamedTuple

import jax

from parallel import pulse
from parallel.agreement import from_first
from parallel.exit_codes import ERROR, USAGE
from parallel.whole_file import write_whole

DIRECTORY = "last_words"
_EVERY_SECONDS = 1.0
_HEARD_WITHIN_SECONDS = 3 * _EVERY_SECONDS
_LONGEST, _LONGEST_FILE = 500, 1 << 16  # characters of a reason; bytes


class Words(NamedTuple):
    """What another process said.

    Attributes:
      text: one line.
      exit_code: its own, and what the others end with.
    """

    text: str
    exit_code: int


def _read(path: pathlib.Path) -> Words | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        with path.open("rb") as file:
            said = json.loads(file.read(_LONGEST_FILE))
        code = said["exit_code"]
        if code in (ERROR, USAGE):
            who = f"process {int(said['process'])} on {str(said['host'])[:_LONGEST]}"
            return Words(f"{who} failed: {str(said['why'])[:_LONGEST]}", code)
    return None


def wait_until_heard() -> None:
    """Stays until the others have heard what one said, and before they miss it.

    The first process stays longest: JAX aborts all others when it is gone.
    """
    time.sleep(_HEARD_WITHIN_SECONDS * (2 if jax.process_index() == 0 else 1))


class LastWords:
    """Leaves this process's last words, and listens to those of the others.

    Words of earlier runs in the same directory have another number in their names.
    """

    def __init__(self, directory: pathlib.Path | None = None, run: int = 0):
        """Takes the place where words of `run` lie; without one nothing is heard."""
        self._directory, self._run = directory, run
        self._ends = threading.Lock()

    def say(self, why: str, exit_code: int) -> None:
        """Leaves `why` this process ends with `exit_code`, if nobody else did before.

        A full disk or a missing directory is passed over: it may be the reason.
        """
        if self._directory is None or self.heard() is not None:
            return
        number = jax.process_index()
        said = {
            "process": number,
            "host": socket.gethostname(),
            "exit_code": exit_code,
            "why": " ".join(why.split())[:_LONGEST],
        }
        path = self._directory / f"{self._run}-process-{number}.json"
        with contextlib.suppress(OSError):
            write_whole(path, json.dumps(said) + "\n")

    def heard(self) -> Words | None:
        """What another process of this run said, if any did."""
        if self._directory is None:
            return None
        pattern = re.compile(rf"{self._run}-process-(\d+)\.json")
        with contextlib.suppress(OSError):
            # Listing opens the directory, which makes a network file system look.
            for name in sorted(os.listdir(self._directory)):
                found = pattern.fullmatch(name)
                is_others = found and int(found[1]) != jax.process_index()
                if is_others and (words := _read(self._directory / name)):
                    return words
        return None

    def end_if_told(self) -> None:
        """Ends this process if another one said why it failed."""
        if (words := self.heard()) is None or not self._ends.acquire(blocking=False):
            return
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.__stderr__.fileno(), f"error: {words.text}\n".encode())
        if jax.process_index() == 0:
            wait_until_heard()
        os._exit(words.exit_code)

    def wait_and_end_if_told(self) -> None:
        """Gives the words of a process that is gone the time to appear here."""
        deadline = time.monotonic() + _HEARD_WITHIN_SECONDS
        while self._directory is not None and time.monotonic() < deadline:
            self.end_if_told()
            time.sleep(_EVERY_SECONDS / 5)

    def listen(self) -> None:
        """Looks once a second from now on: a survivor may wait where nothing raises."""

        def look() -> None:
            while True:
                time.sleep(_EVERY_SECONDS)
                self.end_if_told()

        threading.Thread(target=look, name="last words", daemon=True).start()


def exchange_last_words(workdir: str | None) -> LastWords:
    """Makes `LastWords` that all processes of a run share, and listens.

    Also to the first one's sign of life, see `parallel.pulse`. Called by all of them.
    The only process has nobody to tell.

    Args:
      workdir: of the run; on a file system that all see.
    """
    if jax.process_count() == 1:
        return LastWords()
    run = from_first(secrets.randbits(31))
    if workdir is None:
        return LastWords()
    directory = pathlib.Path(workdir).expanduser() / DIRECTORY
    # All of them: nobody waits until the first one did, and a name that is listed in
    # vain is remembered by network file systems.
    with contextlib.suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True)
    words = LastWords(directory, run)
    words.listen()
    pulse.start(directory / f"{run}-pulse")
    return words

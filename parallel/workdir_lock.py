"""One run at a time in a workdir."""

import errno
import fcntl
import json
import os
import pathlib
import socket
from typing import IO

from parallel.agreement import from_first
from parallel.errors import RunError
from parallel.mesh import is_first_process
from parallel.run_log import log

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def _holder(file: IO[str]) -> str:
    try:
        held = json.loads(file.read(4096))
        return f"process {held['process']} on {held['host']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "another process"


class WorkdirLock:
    """Held by the first process of a run, from its making until `close`.

    The operating system holds the lock, so it goes with a process that dies in any
    way, and the next run takes it over. Between hosts it is as good as the file
    system's `flock` (NFS 4, Lustre with -o flock).
    """

    def __init__(self, workdir: pathlib.Path):
        """Takes the lock.

        Raises:
          RunError: on all processes, if another run holds it.
        """
        self._file, problem = None, ""
        if is_first_process():
            problem = self._take(workdir / "run.lock")
        if not from_first(0 if problem else 1):
            raise RunError(problem or "the first process could not lock the workdir.")

    def _take(self, path: pathlib.Path) -> str:
        try:
            file = path.open("a+")
        except OSError as error:
            return f"{path} cannot be written ({error.strerror}); name another workdir."
        file.seek(0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                log.warning("%s: no locks here; two runs would not notice.", path)
                file.close()
                return ""
            holder = _holder(file)
            file.close()
            return (
                f"{path.parent} is in use by {holder}; wait until it ends, stop it, or "
                "choose another workdir."
            )
        file.truncate(0)
        mine = {"host": socket.gethostname(), "process": os.getpid()}
        file.write(json.dumps(mine) + "\n")
        file.flush()
        self._file = file
        return ""

    def close(self) -> None:
        """Lets go of the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> "WorkdirLock":
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Lets go of the lock."""
        self.close()

"""Work that several processes want done, and one of them does."""

import contextlib
import fcntl
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def one_at_a_time(path: pathlib.Path) -> Iterator[None]:
    """Lets one process in at a time; who waited should look for `path` first.

    The lock goes with a process that dies. Where the file system has no locks nobody
    waits, and the work is done more than once.

    Args:
      path: what is to be made; its directory gets a file .NAME.lock.

    Raises:
      OSError: that directory cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("a") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

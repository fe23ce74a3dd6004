"""Whether all processes see one directory, or each one of its own."""

import pathlib
import secrets
import time

import jax

from parallel.agreement import from_first, of_all
from parallel.errors import RunError
from parallel.mesh import is_first_process

_PATIENCE_SECONDS = 30.0  # file systems tell other hosts late


def require_shared(path: pathlib.Path) -> None:
    """Raises on every process if some do not see what the first one writes.

    A checkpoint in two halves, each on another host, is none, and writing it hangs.

    Args:
      path: of a directory that is there.

    Raises:
      RunError: names the processes that see another directory.
    """
    if jax.process_count() == 1:
        return
    token = path / f".shared-{from_first(secrets.randbits(31))}"
    if is_first_process():
        token.touch()
    from_first(0)  # it is written
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (is_there := token.exists()) and time.monotonic() < deadline:
        time.sleep(0.2)
    seen = of_all([is_there])[:, 0]
    if is_first_process():
        token.unlink(missing_ok=True)
    blind = [str(number) for number, sees in enumerate(seen) if not sees]
    if blind:
        raise RunError(
            f"--workdir={str(path)!r} is not one directory: process "
            f"{', '.join(blind[:16])}{' ...' if len(blind) > 16 else ''} cannot see "
            "what process 0 writes there; name one on a file system that all share."
        )

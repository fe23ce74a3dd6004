"""What a person says of a run's beginning and end, and how a process leaves."""

import os
import sys
import time
import traceback
from typing import NamedTuple

import jax

from parallel.exit_codes import LOST
from parallel.fault_injection import Fault


class Survival(NamedTuple):
    """How a run begins and how long it may take.

    Attributes:
      fresh: moves checkpoints away and starts over.
      stop_at: reading of `time.monotonic` at which to save and stop; None: no limit.
      stuck_after: seconds in one step that mean that it is stuck; 0: no limit.
      faults: that are to happen, see `parallel.fault_injection`.
    """

    fresh: bool = False
    stop_at: float | None = None
    stuck_after: float = 0.0
    faults: tuple[Fault, ...] = ()

    def time_left(self) -> float | None:
        """Seconds until `stop_at`; None: no limit."""
        return None if self.stop_at is None else self.stop_at - time.monotonic()


ORDINARY = Survival()


def leave(code: int) -> int:
    """Ends this process, or returns `code` if it is the only one.

    One of several must not unwind: at exit it would wait minutes for its peers, and
    they for it.
    """
    if jax.process_count() == 1:
        return code
    sys.stdout.flush()
    sys.stderr.flush()
    if jax.process_index() == 0:
        time.sleep(2)  # the others end with it, and may still be saying why
    os._exit(code)


def leave_together(error: Exception) -> bool:
    """Ends one of several processes on an unforeseen error, a lost peer above all.

    Returns:
      False in the only process: the error is its own.
    """
    if jax.process_count() == 1:
        return False
    traceback.print_exception(error)
    number = jax.process_index()
    why = (str(error) or type(error).__name__).splitlines()[0][:200]
    print(
        f"error: process {number} cannot go on ({why}); another process was lost, or "
        "see above. The same command goes on from the last checkpoint.",
        file=sys.stderr,
    )
    leave(LOST)
    return True

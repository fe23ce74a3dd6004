"""What a person says of a run's beginning and end, and how a process leaves."""

import os
import sys
import time
import traceback
from typing import NamedTuple

import jax

from parallel.errors import is_own
from parallel.exit_codes import ERROR, LOST
from parallel.fault_injection import Fault
from parallel.last_words import LastWords, wait_until_heard


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


def leave(code: int, why: str = "", words: LastWords | None = None) -> int:
    """Ends this process, or returns `code` if it is the only one.

    One of several must not unwind: at exit it would wait minutes for its peers, and
    they for it.

    Args:
      code: to end with.
      why: the error that the others are told, if it is one.
      words: where they are told.
    """
    if jax.process_count() == 1:
        return code
    sys.stdout.flush()
    sys.stderr.flush()
    if why and words is not None:
        words.say(why, code)
        wait_until_heard()
    elif jax.process_index() == 0:
        time.sleep(2)  # the others end with it, and may still be saying why
    os._exit(code)


def leave_together(error: Exception, words: LastWords) -> bool:
    """Ends one of several processes on an unforeseen error, a lost peer above all.

    What it failed of itself, it tells the others. What another one told is taken for
    the reason of its loss; one that vanished without a word was killed.

    Returns:
      False in the only process: the error is its own.
    """
    if jax.process_count() == 1:
        return False
    number = jax.process_index()
    why = (str(error) or type(error).__name__).splitlines()[0][:200]
    if is_own(error):
        traceback.print_exception(error)
        leave(ERROR, f"{type(error).__name__}: {why}", words)
    words.wait_and_end_if_told()
    traceback.print_exception(error)
    print(
        f"error: process {number} cannot go on ({why}); another process was lost, or "
        "see above. The same command goes on from the last checkpoint.",
        file=sys.stderr,
    )
    leave(LOST)
    return True
